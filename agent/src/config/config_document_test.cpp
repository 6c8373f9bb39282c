// docs/configuration.md against the table of keys: every key, the range of each number, and the defaults.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "config_keys.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

// What a row of the document says about a key.
struct DocumentedKey {
  std::string path;
  std::string standard;  // the cell of its default
  std::string about;
};

std::string text_of(const std::string& file) {
  return read_file(std::filesystem::path(SECBEAT_SOURCE_DIR) / file, std::size_t{1} << 20U).value_or("");
}

std::vector<std::string> cells_of(const std::string& row) {
  std::vector<std::string> cells;
  std::istringstream parts(row.substr(2));  // behind "| "
  for (std::string cell; std::getline(parts, cell, '|');) {
    const std::size_t first = cell.find_first_not_of(' ');
    cells.push_back(first == std::string::npos ? "" : cell.substr(first, cell.find_last_not_of(' ') + 1 - first));
  }
  return cells;
}

// Tables of keys stand below a heading such as "## [waf.wasm]"; a row may name several keys.
std::vector<DocumentedKey> documented_keys() {
  const std::regex heading(R"(^##+ (\[{1,2})([a-z_.]+)\]{1,2}$)");
  const std::regex name("`([a-z][a-z0-9_]*)`");
  std::vector<DocumentedKey> keys;
  std::string table;
  std::istringstream lines(text_of("docs/configuration.md"));
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (line.starts_with("##")) table.clear();
    if (std::regex_match(line, match, heading)) table = match[2].str() + (match[1].length() == 2 ? "[]" : "");
    if (line.starts_with("`[node.labels]`")) keys.push_back({.path = "node.labels.*", .standard = {}, .about = {}});
    if (table.empty() || !line.starts_with("| `")) continue;
    const std::vector<std::string> cells = cells_of(line);
    for (auto at = std::sregex_iterator(cells[0].begin(), cells[0].end(), name); at != std::sregex_iterator(); ++at) {
      keys.push_back({table + "." + (*at)[1].str(), cells.size() > 2 ? cells[1] : "", cells.back()});
    }
  }
  return keys;
}

std::map<std::string, Key> known_keys() {
  std::map<std::string, Key> known;
  for (const Program program : {Program::kNode, Program::kOrchestrator}) {
    for (const Key& key : config_keys(program)) known.emplace(key.path, key);
  }
  return known;
}

// The values of a sample, also of what is commented out.
void add_values(std::map<std::string, std::string>& values, const std::string& sample) {
  const std::regex table(R"(^#?(\[{1,2})([a-z_.]+)\]{1,2}$)");
  const std::regex key(R"(^#?([a-z_][a-z0-9_]*) = (.*)$)");
  std::string prefix;
  std::istringstream lines(text_of(sample));
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, table)) prefix = match[2].str() + (match[1].length() == 2 ? "[]" : "");
    if (std::regex_match(line, match, key)) values.emplace(prefix + "." + match[1].str(), match[2].str());
  }
}

TEST(ConfigurationDocument, HasEveryKeyOnceAndNoOther) {
  std::multiset<std::string> documented;
  for (const DocumentedKey& key : documented_keys()) documented.insert(key.path);
  std::multiset<std::string> known;
  for (const auto& [path, key] : known_keys()) known.insert(path);
  EXPECT_EQ(documented, known);
}

TEST(ConfigurationDocument, GivesTheRangeOfEachNumber) {
  const std::regex range(R"(^([0-9.]+) to ([0-9.]*[0-9]).*$)");
  const auto known = known_keys();
  int numbers = 0;
  for (const DocumentedKey& documented : documented_keys()) {
    const auto key = known.find(documented.path);
    if (key == known.end()) continue;  // told above
    if (key->second.type != KeyType::kInteger && key->second.type != KeyType::kNumber) continue;
    ++numbers;
    std::smatch match;
    ASSERT_TRUE(std::regex_match(documented.about, match, range)) << documented.path << ": " << documented.about;
    EXPECT_EQ(std::stod(match[1].str()), key->second.min) << documented.path;
    EXPECT_EQ(std::stod(match[2].str()), key->second.max) << documented.path;
  }
  EXPECT_GT(numbers, 30);
}

// The samples are held against the program's defaults by tests of their own.
TEST(ConfigurationDocument, GivesTheDefaultsOfTheSamples) {
  std::map<std::string, std::string> values;
  add_values(values, "examples/secbeat.toml");
  add_values(values, "examples/orchestrator.toml");
  const std::regex literal("^`([^`]+)`$");
  int compared = 0;
  for (const DocumentedKey& key : documented_keys()) {
    std::smatch match;
    if (!std::regex_match(key.standard, match, literal)) continue;
    EXPECT_EQ(match[1].str(), values[key.path]) << key.path;
    ++compared;
  }
  EXPECT_GT(compared, 50);
}

}  // namespace
}  // namespace secbeat::agent
