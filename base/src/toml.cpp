#include "secbeat/base/toml.hpp"

#include <algorithm>
#include <functional>
#include <optional>

#include "secbeat/base/text.hpp"

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

namespace secbeat::toml_file {
namespace {

// The deepest key of this product's files has four parts.
constexpr std::size_t kMaxDotsInAKey = 8;

int line_of(const toml::source_region& region) { return static_cast<int>(region.begin.line); }

Table table_of(const toml::table& values);

Node node_of(const toml::node& from) {
  Node node{DateOrTime{}, line_of(from.source())};
  if (const auto* boolean = from.as_boolean()) node.value = boolean->get();
  if (const auto* whole = from.as_integer()) node.value = whole->get();
  if (const auto* number = from.as_floating_point()) node.value = number->get();
  if (const auto* text = from.as_string()) node.value = text->get();
  if (const auto* inner = from.as_table()) node.value = table_of(*inner);
  if (const auto* list = from.as_array()) {
    Array array;
    for (const toml::node& element : *list) array.push_back(node_of(element));
    node.value = std::move(array);
  }
  return node;
}

// The parser's limits on nesting bound the recursion.
Table table_of(const toml::table& values) {
  Table table;
  for (const auto& [key, node] : values) {
    table.push_back({std::string(key.str()), line_of(key.source()), node_of(node)});
  }
  return table;
}

// What this product's files do not need and the parser does not bear (3.3.0): deep dotted keys, which it frees
// recursively; characters beyond ASCII where it might not be in a text or comment, some of which are undefined
// behaviour to it: so they stand in comments, and in a text that is all that follows its key; texts over several lines,
// where it looks at such characters as well.
class Screening {
 public:
  explicit Screening(std::string_view text) : text_(text) {
    if (text_.starts_with("\xef\xbb\xbf")) at_ = line_begin_ = 3;  // the mark with which some editors begin UTF-8
  }

  std::optional<Fault> run() {
    std::string_view fault;
    for (; at_ < text_.size() && fault.empty(); ++at_) {
      const char c = text_[at_];
      fault = step(c);
      if (c != ' ' && c != '\t') before_ = c;
    }
    if (fault.empty()) return std::nullopt;
    return Fault{line_, std::string(fault)};
  }

 private:
  std::string_view step(char c) {
    if (c == '#') {
      at_ = std::min(text_.find('\n', at_), text_.size()) - 1;
    } else if (c == '"' || c == '\'') {
      if (text_.substr(at_, 3) == std::string(3, c)) return "a text over several lines";
      if (kBeforeText.find(before_) == std::string_view::npos) return "a quote where no text can begin";
      const bool may_hold_any = depth_ == 0 && is_key_and_equals(text_.substr(line_begin_, at_ - line_begin_));
      if (skip_text(c) == Holds::kBeyondAscii && !may_hold_any) {
        return "a character beyond ASCII in a text that does not stand alone after its key";
      }
    } else if (static_cast<unsigned char>(c) >= 0x80) {
      return "a character beyond ASCII outside of a text";
    } else if (c == '.') {
      if (++dots_ > kMaxDotsInAKey) return "a key with too many dots";
    } else if (c == '\n' || c == '=' || c == ',' || c == '{' || c == '[') {
      dots_ = 0;
      if (c == '\n') {
        ++line_;
        line_begin_ = at_ + 1;
      }
    }
    if (c == '[' || c == '{') ++depth_;
    if (c == ']' || c == '}') --depth_;
    return {};
  }

  // "key = ", without anything else: what follows is the value to the parser as well.
  static bool is_key_and_equals(std::string_view line) {
    constexpr std::string_view kBlank = " \t";
    constexpr std::string_view kKey = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";
    const auto skip = [&line](std::string_view characters) {
      line.remove_prefix(std::min(line.find_first_not_of(characters), line.size()));
    };
    skip(kBlank);
    skip(kKey);
    skip(kBlank);
    if (!line.starts_with('=')) return false;
    line.remove_prefix(1);
    skip(kBlank);
    return line.empty();
  }

  enum class Holds : std::uint8_t { kAscii, kBeyondAscii };

  // To its closing quote, or to the end of the line: there the parser ends as well.
  Holds skip_text(char quote) {
    const std::size_t begin = ++at_;
    for (; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] == '\n') {
        --at_;
        break;
      }
      if (text_[at_] == '\\' && quote == '"' && text_.substr(at_ + 1, 1) != "\n") ++at_;
    }
    const std::size_t end = std::min(at_ + 1, text_.size());
    const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
    return std::ranges::all_of(text_.substr(begin, end - begin), is_ascii) ? Holds::kAscii : Holds::kBeyondAscii;
  }

  static constexpr std::string_view kBeforeText = "\n=,[{.";

  std::string_view text_;
  std::size_t at_ = 0;
  char before_ = '\n';  // the last character that is no blank
  std::size_t dots_ = 0;
  std::size_t line_begin_ = 0;
  int depth_ = 0;  // of brackets and braces that are open, also those of a heading
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

std::string_view kind_of(const Node& node) {
  struct Words {
    std::string_view operator()(bool) const { return "true or false"; }
    std::string_view operator()(std::int64_t) const { return "a whole number"; }
    std::string_view operator()(double) const { return "a number with a fraction"; }
    std::string_view operator()(const std::string&) const { return "a text"; }
    std::string_view operator()(DateOrTime) const { return "a date or time"; }
    std::string_view operator()(const Array&) const { return "a list"; }
    std::string_view operator()(const Table&) const { return "a table"; }
  };
  return std::visit(Words(), node.value);
}

std::expected<Table, Fault> parse(std::string_view text) {
  if (auto fault = Screening(text).run()) return std::unexpected(*std::move(fault));
  try {
    return table_of(toml::parse(text));
  } catch (const toml::parse_error& error) {
    return std::unexpected(Fault{line_of(error.source()), printable(error.description())});
  } catch (const ParserGaveUp&) {
    return std::unexpected(Fault{line_where_parser_gives_up(text), "not TOML"});
  }
}

}  // namespace secbeat::toml_file
