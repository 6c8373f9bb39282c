// The table of configuration keys: what exists, of what type and range, and where each value goes.
//
// config.cpp walks the TOML file along this table; a key that is not in it is an error. Value types;
// thread safety as for std::vector.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "secbeat/agent/config.hpp"

namespace secbeat::agent {

enum class KeyType : std::uint8_t {
  kBool,
  kInteger,
  kNumber,  // whole or not
  kString,
};

using Scalar = std::variant<std::monostate, bool, std::int64_t, double, std::string>;

// What one module's table says; a field that is absent is inherited or has its default.
struct ModuleDraft {
  int line = 0;
  std::string name;
  std::string module;
  std::optional<std::string> config;
  std::optional<control::OnError> on_error;
  std::optional<engine::Isolation> isolation;
  std::string rule_tests;  // empty: none
};

// What one table of [[api.keys]] says.
struct ApiKeyDraft {
  int line = 0;
  std::string name;
  Role role = Role::kNone;     // not given
  std::string sha256;          // in lower case
  std::filesystem::path file;  // with the same, as it is written
};

// The configuration while it is read.
struct Draft {
  Config config;
  ModuleDraft main;                               // [waf.wasm]
  std::vector<ModuleDraft> further;               // [[waf.wasm.modules]]
  std::vector<ApiKeyDraft> api_keys;              // [[api.keys]]
  std::map<std::string, int, std::less<>> lines;  // where each table and key stands that was given
  Program program = Program::kNode;
  std::filesystem::path base;  // relative paths start here
};

// What a value leads to beside being stored.
struct Told {
  std::string fault;   // empty: none
  std::string notice;  // empty: none; for a key that is accepted and does nothing yet
};

struct Key {
  // Tables joined by dots; "name[]" is each element of an array of tables, "*" any key of a table.
  std::string_view path;
  KeyType type = KeyType::kString;
  double min = 0;  // of numbers, both inclusive
  double max = 0;
  // `name` is the last part of the path as written, for a "*".
  Told (*apply)(Draft& draft, std::string_view name, const Scalar& value) = nullptr;
};

// Every key that a program's file may have.
std::vector<Key> config_keys(Program program);

}  // namespace secbeat::agent
