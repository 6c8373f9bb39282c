// Walks the TOML file along the table of keys and collects every fault; config_check.cpp then looks at what
// the values mean together.
#include "secbeat/agent/config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "config_check.hpp"
#include "config_keys.hpp"
#include "config_values.hpp"
#include "secbeat/base/files.hpp"

// The parser is compiled in here, so that its nesting limit is ours and sanitizers see it. Its assertions can be met
// by a malformed file ("[" before the end of a line, 3.3.0), and without them it would go on with undefined
// behaviour: in every build they are checked, and end the parse.
namespace {
struct ParserGaveUp {};
[[noreturn]] void give_up() { throw ParserGaveUp(); }
}  // namespace
#undef TOML_HEADER_ONLY
#undef TOML_SHARED_LIB
#define TOML_HEADER_ONLY 1
#define TOML_MAX_NESTED_VALUES 16
#define TOML_ASSERT(condition) ((condition) ? static_cast<void>(0) : give_up())
#pragma push_macro("NDEBUG")
#undef NDEBUG
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")

namespace secbeat::agent {
namespace {

// Far more than a configuration with every key and long comments needs.
constexpr std::size_t kMaxFileBytes = 256 * 1024;
// The deepest key of the table has four parts.
constexpr std::size_t kMaxDotsInAKey = 8;

class Walker {
 public:
  Walker(Draft& draft, Faults& faults) : draft_(draft), faults_(faults) {}

  void table(const toml::table& values, const std::string& prefix) {
    for (const auto& [key, node] : values) {
      const int line = static_cast<int>(key.source().begin.line);
      entry(std::string(key.str()), node, prefix, line);
    }
  }

 private:
  void entry(const std::string& name, const toml::node& node, const std::string& prefix, int line) {
    const std::string path = prefix.empty() ? name : prefix + "." + name;
    draft_.lines.emplace(path, line);
    const Key* key = find(prefix, name);
    if (key != nullptr) return value(*key, name, path, node, line);
    if (!is_name(name) || name.find('.') != std::string::npos) return unknown(prefix, name, line);
    if (is_prefix(path + ".")) return sub_table(path, node, line);
    if (is_prefix(path + "[].")) return array_of_tables(path, node, line);
    unknown(prefix, name, line);
  }

  static const Key* find(const std::string& prefix, const std::string& name) {
    const bool dotted = name.find('.') != std::string::npos;  // "a.b" in quotes is one name, not a path
    for (const Key& key : config_keys()) {
      const std::size_t cut = key.path.rfind('.');
      if (key.path.substr(0, cut) != prefix) continue;
      const std::string_view last = key.path.substr(cut + 1);
      if (last == "*" || (!dotted && last == name)) return &key;
    }
    return nullptr;
  }

  static bool is_prefix(std::string_view prefix) {
    return std::ranges::any_of(config_keys(), [&](const Key& key) { return key.path.starts_with(prefix); });
  }

  void sub_table(const std::string& path, const toml::node& node, int line) {
    if (const toml::table* inner = node.as_table()) return table(*inner, path);
    faults_.add(line, path, fmt::format("expected a table [{}], got {}", path, describe(node)));
  }

  void array_of_tables(const std::string& path, const toml::node& node, int line) {
    const toml::array* array = node.as_array();
    if (array == nullptr) {
      return faults_.add(line, path, fmt::format("expected tables [[{}]], got {}", path, describe(node)));
    }
    for (const toml::node& element : *array) {
      const int at = static_cast<int>(element.source().begin.line);
      if (const toml::table* inner = element.as_table()) {
        draft_.further.push_back({.line = at, .name = {}, .module = {}, .config = {}, .on_error = {}, .isolation = {}});
        table(*inner, path + "[]");
      } else {
        faults_.add(at, path, fmt::format("expected a table, got {}", describe(element)));
      }
    }
  }

  void value(const Key& key, const std::string& name, const std::string& path, const toml::node& node, int line) {
    const auto scalar = scalar_of(key, node);
    if (!scalar) return faults_.add(line, printable(path), scalar.error());
    Told told = key.apply(draft_, name, *scalar);
    if (!told.fault.empty()) faults_.add(line, printable(path), std::move(told.fault));
    if (!told.notice.empty()) draft_.config.notices.push_back(path + ": " + told.notice);
  }

  static std::expected<Scalar, std::string> scalar_of(const Key& key, const toml::node& node) {
    const auto wrong = [&](std::string_view expected) {
      return std::unexpected(fmt::format("expected {}, got {}", expected, describe(node)));
    };
    switch (key.type) {
      case KeyType::kAny:
        return Scalar{};
      case KeyType::kBool:
        if (const auto* v = node.as_boolean()) return Scalar{v->get()};
        return wrong("true or false");
      case KeyType::kString:
        if (const auto* v = node.as_string()) return Scalar{v->get()};
        return wrong("a text in quotes");
      case KeyType::kInteger:
        if (const auto* v = node.as_integer()) return in_range(key, static_cast<double>(v->get()), Scalar{v->get()});
        return wrong("a whole number");
      case KeyType::kNumber:
        if (const auto* v = node.as_integer()) return in_range(key, static_cast<double>(v->get()), Scalar{v->get()});
        if (const auto* v = node.as_floating_point()) return in_range(key, v->get(), Scalar{v->get()});
        return wrong("a number");
    }
    return wrong("nothing");
  }

  static std::expected<Scalar, std::string> in_range(const Key& key, double value, Scalar scalar) {
    if (value >= key.min && value <= key.max) return scalar;  // false for NaN
    return std::unexpected(fmt::format("must be {} to {}, got {}", key.min, key.max, value));
  }

  static std::string describe(const toml::node& node) {
    if (node.is_table()) return "a table";
    if (node.is_array()) return "a list";
    if (node.is_string()) return "a text";
    if (node.is_integer()) return "a whole number";
    if (node.is_floating_point()) return "a number with a fraction";
    if (node.is_boolean()) return "true or false";
    return "a date or time";
  }

  void unknown(const std::string& prefix, const std::string& name, int line) {
    const std::string path = prefix.empty() ? name : prefix + "." + name;
    const std::string nearest = nearest_key(prefix, name);
    faults_.add(line, printable(path),
                nearest.empty() ? "unknown key" : fmt::format("unknown key; did you mean \"{}\"?", nearest));
  }

  // The known name in this table that a slip of the finger turns into `name`; empty: none is near.
  static std::string nearest_key(const std::string& prefix, const std::string& name) {
    constexpr std::size_t kSlips = 3;
    std::string best;
    std::size_t best_distance = kSlips + 1;
    const std::string start = prefix.empty() ? "" : prefix + ".";
    for (const Key& key : config_keys()) {
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

  Draft& draft_;
  Faults& faults_;
};

// What this product's files do not need and the parser does not bear (3.3.0): deep dotted keys, which it frees
// recursively; characters beyond ASCII outside of texts and comments, some of which are undefined behaviour to it;
// texts over several lines, where it looks at such characters as well.
class Screening {
 public:
  explicit Screening(std::string_view text) : text_(text) {
    if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;  // the mark with which some editors begin UTF-8
  }

  void run(Faults& faults) {
    std::string_view fault;
    for (; at_ < text_.size() && fault.empty(); ++at_) {
      const char c = text_[at_];
      fault = step(c);
      if (c != ' ' && c != '\t') before_ = c;
    }
    if (!fault.empty()) faults.add(line_, "toml", std::string(fault));
  }

 private:
  std::string_view step(char c) {
    if (c == '#') {
      at_ = std::min(text_.find('\n', at_), text_.size()) - 1;
    } else if (c == '"' || c == '\'') {
      if (text_.substr(at_, 3) == std::string(3, c)) return "a text over several lines";
      if (kBeforeText.find(before_) == std::string_view::npos) return "a quote where no text can begin";
      skip_text(c);
    } else if (static_cast<unsigned char>(c) >= 0x80) {
      return "a character beyond ASCII outside of a text";
    } else if (c == '.') {
      if (++dots_ > kMaxDotsInAKey) return "a key with too many dots";
    } else if (c == '\n' || c == '=' || c == ',' || c == '{' || c == '[') {
      dots_ = 0;
      if (c == '\n') ++line_;
    }
    return {};
  }

  // To its closing quote, or to the end of the line: there the parser ends as well.
  void skip_text(char quote) {
    for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] == '\n') {
        --at_;
        return;
      }
      if (text_[at_] == '\\' && quote == '"' && text_.substr(at_ + 1, 1) != "\n") ++at_;
    }
  }

  static constexpr std::string_view kBeforeText = "\n=,[{.";

  std::string_view text_;
  std::size_t at_ = 0;
  char before_ = '\n';  // the last character that is no blank
  std::size_t dots_ = 0;
  int line_ = 1;
};

// The number of lines after which the parser gives up: it reads from front to back, so that more lines do not change
// it.
int line_where_parser_gives_up(std::string_view text) {
  std::vector<std::size_t> ends;  // of the lines
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') ends.push_back(i + 1);
  }
  ends.push_back(text.size());
  const auto gives_up = [&](std::size_t end) {
    try {
      static_cast<void>(toml::parse(text.substr(0, end)));
      return false;
    } catch (const toml::parse_error&) {
      return false;
    } catch (const ParserGaveUp&) {
      return true;
    }
  };
  return static_cast<int>(std::ranges::partition_point(ends, std::not_fn(gives_up)) - ends.begin()) + 1;
}

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

Result<Config> parse_config(std::string_view text, const std::filesystem::path& file) {
  std::error_code ignored;
  const std::filesystem::path absolute = std::filesystem::absolute(file, ignored);
  Faults faults(file);
  if (text.size() > kMaxFileBytes) {
    return fail(ErrorCode::kConfig, fmt::format("{}: larger than {} bytes", file.string(), kMaxFileBytes));
  }
  Screening(text).run(faults);
  if (!faults.empty()) return std::unexpected(faults.error());
  Draft draft;
  draft.config.file = absolute;
  draft.base = absolute.parent_path();
  try {
    const toml::table root = toml::parse(text, file.string());
    Walker(draft, faults).table(root, "");
  } catch (const toml::parse_error& error) {
    faults.add(static_cast<int>(error.source().begin.line), "toml", printable(error.description()));
    return std::unexpected(faults.error());
  } catch (const ParserGaveUp&) {
    faults.add(line_where_parser_gives_up(text), "toml", "not TOML");
    return std::unexpected(faults.error());
  }
  finish(draft, faults);
  if (!faults.empty()) return std::unexpected(faults.error());
  return std::move(draft.config);
}

Result<Config> load_config(const std::filesystem::path& file) {
  auto text = read_file(file, kMaxFileBytes);
  if (!text) return fail(ErrorCode::kConfig, std::move(text.error().message));
  return parse_config(*text, file);
}

}  // namespace secbeat::agent
