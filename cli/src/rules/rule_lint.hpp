// What is wrong with a document of rules, and what in it does not do what its author will have meant.
//
// Thread safety: free functions without shared state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/base/clock.hpp"
#include "terminal/terminal.hpp"

namespace secbeat::cli {

// A fault is why a node refuses the document; a warning is about a document that it takes.
struct LintNote {
  bool is_fault = false;
  std::string rule;        // its id; empty: not of one rule
  std::string key;         // empty: not of one key
  std::uint32_t line = 0;  // from 1; 0: nowhere
  std::uint32_t column = 0;
  std::string message;
};

// The faults that universal-waf names in one sentence of its own, each by itself.
std::vector<LintNote> read_faults(std::string_view reason);

// REQUIRES: the module has taken the document.
std::vector<LintNote> find_doubtful(const Json& document, SystemTime now);

Json to_json(const LintNote& note);
std::string render(const LintNote& note);

}  // namespace secbeat::cli
