// What the values of a configuration mean together: defaults, absolute paths, contradictions.
//
// Thread safety: as for std::map; finish() reads the environment.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "config_keys.hpp"
#include "secbeat/base/error.hpp"

namespace secbeat::agent {

// The faults of one file, told in the order of its lines.
class Faults {
 public:
  explicit Faults(std::filesystem::path file) : file_(std::move(file)) {}
  void add(int line, std::string_view key, std::string what);
  [[nodiscard]] bool empty() const { return faults_.empty(); }
  // REQUIRES: !empty().
  [[nodiscard]] Error error() const;

 private:
  std::filesystem::path file_;
  std::multimap<int, std::string> faults_;
};

// Where a key stands, else the table nearest above it that is there, else 1.
int line_of(const Draft& draft, std::string_view key);
// Without a slash at the end.
std::filesystem::path absolute_from(const std::filesystem::path& base, const std::filesystem::path& path);

// Who may use the API and from where: keys, TLS, `listen` (config_access.cpp). Reads the files of hashes.
void finish_access(Draft& draft, Faults& faults);

// Fills in what depends on other keys, the user and the machine, and adds what contradicts.
void finish(Draft& draft, Faults& faults);

}  // namespace secbeat::agent
