#include "terminal/terminal.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "secbeat/base/text.hpp"

namespace secbeat::cli {
namespace {

// A URI or a message may have thousands of characters; --json has them all.
constexpr std::size_t kWidestCell = 100;

bool is_set(const char* variable) {
  const char* value = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): nothing here changes the environment
  return value != nullptr && *value != '\0';
}

bool colours() {
  static const bool on = [] {
    const char* terminal = std::getenv("TERM");  // NOLINT(concurrency-mt-unsafe): as above
    return ::isatty(STDOUT_FILENO) != 0 && !is_set("NO_COLOR") &&
           (terminal == nullptr || std::string_view(terminal) != "dumb");
  }();
  return on;
}

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

// UTF-16, as JSON writes it.
std::string escaped_for_json(char32_t code) {
  if (code < 0x10000) return fmt::format("\\u{:04x}", static_cast<unsigned>(code));
  const auto rest = static_cast<unsigned>(code) - 0x10000U;
  return fmt::format("\\u{:04x}\\u{:04x}", 0xD800U + (rest >> 10U), 0xDC00U + (rest & 0x3FFU));
}

// Code points of UTF-8, which is close enough to columns for what the API answers.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return !continues(c); }));
}

}  // namespace

std::string paint(Tone tone, std::string_view text) {
  if (!colours() || tone == Tone::kPlain) return std::string(text);
  const int code = tone == Tone::kGood ? 32 : tone == Tone::kWarning ? 33 : tone == Tone::kBad ? 31 : 2;
  return fmt::format("\033[{}m{}\033[0m", code, text);
}

std::string clean(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Character character = first_character(text);
    if (!character.valid || steers(character.code)) {
      out += '?';
    } else {
      out += text.substr(0, character.bytes);
    }
    text.remove_prefix(character.bytes);
  }
  return out;
}

std::string clean_lines(std::string_view text) {
  std::string out;
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    out += clean(text.substr(0, end)) + "\n";
    text.remove_prefix(end + 1);
  }
  return out + clean(text);
}

std::string shortened(std::string_view text, std::size_t most) {
  if (width(text) <= most) return std::string(text);
  std::size_t end = 0;
  for (std::size_t characters = 0; end < text.size(); ++end) {
    if (!continues(text[end]) && ++characters == most) break;
  }
  return std::string(text.substr(0, end)) + "…";
}

std::string table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::vector<std::string>> cells;
  cells.reserve(rows.size());
  for (const auto& row : rows) {
    auto& shown = cells.emplace_back();
    std::ranges::transform(row, std::back_inserter(shown),
                           [](const auto& cell) { return shortened(clean(cell), kWidestCell); });
    shown.resize(header.size());
  }
  std::vector<std::size_t> widths(header.size());
  for (std::size_t i = 0; i < header.size(); ++i) {
    widths[i] = width(header[i]);
    for (const auto& row : cells) widths[i] = std::max(widths[i], width(row[i]));
  }
  const auto line = [&](const std::vector<std::string>& row) {
    std::string out;
    for (std::size_t i = 0; i < row.size(); ++i) {
      out += row[i];
      if (i + 1 < row.size()) out.append(widths[i] - width(row[i]) + 2, ' ');
    }
    return out;
  };
  std::string out = paint(Tone::kDim, line(header)) + "\n";
  for (const auto& row : cells) out += line(row) + "\n";
  return out;
}

std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return "-";
  return found->is_string() ? found->get<std::string>() : json_text(*found);
}

std::string bytes_text(std::uint64_t bytes) {
  return bytes < 1024 ? fmt::format("{} bytes", bytes) : fmt::format("{} bytes ({} KiB)", grouped(bytes), bytes / 1024);
}

std::string json_text(const Json& json) {
  const std::string dumped = json.dump(2, ' ', false, Json::error_handler_t::replace);
  std::string out;
  out.reserve(dumped.size());
  // The dump has line feeds of its own, and what steers beyond ASCII in its texts only.
  for (std::string_view rest = dumped; !rest.empty();) {
    const Character character = first_character(rest);
    if (character.code >= 0x7F && steers(character.code)) {
      out += escaped_for_json(character.code);
    } else {
      out += rest.substr(0, character.bytes);
    }
    rest.remove_prefix(character.bytes);
  }
  return out;
}

}  // namespace secbeat::cli
