// Walks the TOML file along the table of keys and collects every fault; config_check.cpp then looks at what
// the values mean together.
#include "secbeat/agent/config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "config_check.hpp"
#include "config_keys.hpp"
#include "config_values.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/base/text.hpp"
#include "secbeat/base/toml.hpp"

namespace secbeat::agent {
namespace {

// Far more than a configuration with every key and long comments needs.
constexpr std::size_t kMaxFileBytes = 256 * 1024;
constexpr std::uint16_t kOrchestratorPort = 8080;

class Walker {
 public:
  Walker(Draft& draft, Faults& faults) : keys_(config_keys(draft.program)), draft_(draft), faults_(faults) {}

  void table(const toml_file::Table& values, const std::string& prefix) {
    for (const toml_file::Entry& given : values) entry(given.name, given.node, prefix, given.line);
  }

 private:
  void entry(const std::string& name, const toml_file::Node& node, const std::string& prefix, int line) {
    const std::string path = prefix.empty() ? name : prefix + "." + name;
    draft_.lines.emplace(path, line);
    const Key* key = find(prefix, name);
    if (key != nullptr) return value(*key, name, path, node, line);
    if (!is_name(name) || name.find('.') != std::string::npos) return unknown(prefix, name, line);
    if (is_prefix(path + ".")) return sub_table(path, node, line);
    if (is_prefix(path + "[].")) return array_of_tables(path, node, line);
    unknown(prefix, name, line);
  }

  const Key* find(const std::string& prefix, const std::string& name) const {
    const bool dotted = name.find('.') != std::string::npos;  // "a.b" in quotes is one name, not a path
    for (const Key& key : keys_) {
      const std::size_t cut = key.path.rfind('.');
      if (key.path.substr(0, cut) != prefix) continue;
      const std::string_view last = key.path.substr(cut + 1);
      if (last == "*" || (!dotted && last == name)) return &key;
    }
    return nullptr;
  }

  [[nodiscard]] bool is_prefix(std::string_view prefix) const {
    return std::ranges::any_of(keys_, [&](const Key& key) { return key.path.starts_with(prefix); });
  }

  void sub_table(const std::string& path, const toml_file::Node& node, int line) {
    if (const auto* inner = std::get_if<toml_file::Table>(&node.value)) return table(*inner, path);
    faults_.add(line, path, fmt::format("expected a table [{}], got {}", path, toml_file::kind_of(node)));
  }

  void array_of_tables(const std::string& path, const toml_file::Node& node, int line) {
    const auto* array = std::get_if<toml_file::Array>(&node.value);
    if (array == nullptr) {
      return faults_.add(line, path, fmt::format("expected tables [[{}]], got {}", path, toml_file::kind_of(node)));
    }
    for (const toml_file::Node& element : *array) {
      const int at = element.line;
      if (const auto* inner = std::get_if<toml_file::Table>(&element.value)) {
        begin_element(path, at);
        table(*inner, path + "[]");
      } else {
        faults_.add(at, path, fmt::format("expected a table, got {}", toml_file::kind_of(element)));
      }
    }
  }

  // What the keys of the element are stored in.
  void begin_element(const std::string& path, int line) {
    if (path == "api.keys") {
      draft_.api_keys.emplace_back().line = line;
    } else {
      draft_.further.emplace_back().line = line;
    }
  }

  void value(const Key& key, const std::string& name, const std::string& path, const toml_file::Node& node, int line) {
    const auto scalar = scalar_of(key, node);
    if (!scalar) return faults_.add(line, printable(path), scalar.error());
    Told told = key.apply(draft_, name, *scalar);
    if (!told.fault.empty()) faults_.add(line, printable(path), std::move(told.fault));
    if (!told.notice.empty()) draft_.config.notices.push_back(path + ": " + told.notice);
  }

  static std::expected<Scalar, std::string> scalar_of(const Key& key, const toml_file::Node& node) {
    const auto wrong = [&](std::string_view expected) {
      return std::unexpected(fmt::format("expected {}, got {}", expected, toml_file::kind_of(node)));
    };
    switch (key.type) {
      case KeyType::kBool:
        if (const auto* v = std::get_if<bool>(&node.value)) return Scalar{*v};
        return wrong("true or false");
      case KeyType::kString:
        if (const auto* v = std::get_if<std::string>(&node.value)) return Scalar{*v};
        return wrong("a text in quotes");
      case KeyType::kInteger:
        if (const auto* v = std::get_if<std::int64_t>(&node.value))
          return in_range(key, static_cast<double>(*v), Scalar{*v});
        return wrong("a whole number");
      case KeyType::kNumber:
        if (const auto* v = std::get_if<std::int64_t>(&node.value))
          return in_range(key, static_cast<double>(*v), Scalar{*v});
        if (const auto* v = std::get_if<double>(&node.value)) return in_range(key, *v, Scalar{*v});
        return wrong("a number");
    }
    return wrong("nothing");
  }

  static std::expected<Scalar, std::string> in_range(const Key& key, double value, Scalar scalar) {
    if (value >= key.min && value <= key.max) return scalar;  // false for NaN
    return std::unexpected(fmt::format("must be {} to {}, got {}", key.min, key.max, value));
  }

  void unknown(const std::string& prefix, const std::string& name, int line) {
    const std::string path = prefix.empty() ? name : prefix + "." + name;
    const std::string nearest = nearest_key(prefix, name);
    faults_.add(line, printable(path),
                nearest.empty() ? "unknown key" : fmt::format("unknown key; did you mean \"{}\"?", nearest));
  }

  // The known name in this table that a slip of the finger turns into `name`; empty: none is near.
  [[nodiscard]] std::string nearest_key(const std::string& prefix, const std::string& name) const {
    constexpr std::size_t kSlips = 3;
    std::string best;
    std::size_t best_distance = kSlips + 1;
    const std::string start = prefix.empty() ? "" : prefix + ".";
    for (const Key& key : keys_) {
      if (!key.path.starts_with(start)) continue;
      std::string_view next = key.path.substr(start.size());
      next = next.substr(0, next.find_first_of(".["));
      const std::size_t distance = edit_distance(name, next);
      if (next != "*" && distance < best_distance && distance < next.size()) {
        best_distance = distance;
        best = next;
      }
    }
    return best;
  }

  static std::size_t edit_distance(std::string_view a, std::string_view b) {
    constexpr std::size_t kLongestWorthComparing = 64;
    if (a.size() > kLongestWorthComparing) return a.size();
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
      std::size_t diagonal = std::exchange(row[0], i);
      for (std::size_t j = 1; j <= b.size(); ++j) {
        const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
        diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, replaced}));
      }
    }
    return row[b.size()];
  }

  const std::vector<Key> keys_;
  Draft& draft_;
  Faults& faults_;
};

}  // namespace

void Faults::add(int line, std::string_view key, std::string what) {
  faults_.emplace(line, fmt::format("{}:{}: {}: {}", file_.string(), line, key, what));
}

Error Faults::error() const {
  constexpr std::size_t kMostTold = 50;
  std::string message;
  std::size_t told = 0;
  for (const auto& [line, fault] : faults_) {
    if (told++ == kMostTold) {
      message += fmt::format("\n… and {} more", faults_.size() - kMostTold);
      break;
    }
    message += (message.empty() ? "" : "\n") + fault;
  }
  return Error{ErrorCode::kConfig, std::move(message)};
}

Result<Config> parse_config(std::string_view text, const std::filesystem::path& file, Program program) {
  std::error_code ignored;
  const std::filesystem::path absolute = std::filesystem::absolute(file, ignored);
  Faults faults(file);
  if (text.size() > kMaxFileBytes) {
    return fail(ErrorCode::kConfig, fmt::format("{}: larger than {} bytes", file.string(), kMaxFileBytes));
  }
  auto root = toml_file::parse(text);
  if (!root) {
    faults.add(root.error().line, "toml", std::move(root.error().what));
    return std::unexpected(faults.error());
  }
  Draft draft;
  draft.program = program;
  if (program == Program::kOrchestrator) draft.config.api.port = kOrchestratorPort;
  draft.config.file = absolute;
  draft.base = absolute.parent_path();
  Walker(draft, faults).table(*root, "");
  finish(draft, faults);
  if (!faults.empty()) return std::unexpected(faults.error());
  return std::move(draft.config);
}

Result<Config> load_config(const std::filesystem::path& file, Program program) {
  auto text = read_file(file, kMaxFileBytes);
  if (!text) return fail(ErrorCode::kConfig, std::move(text.error().message));
  return parse_config(*text, file, program);
}

}  // namespace secbeat::agent
