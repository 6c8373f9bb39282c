#include "terminal/terminal.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

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

// The length of the UTF-8 character that `text` begins with; 0: it begins with none.
std::size_t character_length(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t length = first < 0x80   ? 1
                             : first < 0xC2 ? 0
                             : first < 0xE0 ? 2
                             : first < 0xF0 ? 3
                             : first < 0xF5 ? 4
                                            : 0;
  if (length > text.size()) return 0;
  return std::ranges::all_of(text.substr(std::min<std::size_t>(1, length), length == 0 ? 0 : length - 1), continues)
             ? length
             : 0;
}

char32_t code_point(std::string_view character) {
  if (character.size() == 1) return static_cast<unsigned char>(character.front());
  char32_t code = static_cast<unsigned char>(character.front()) & (0x7FU >> character.size());
  for (const char c : character.substr(1)) code = code << 6U | (static_cast<unsigned char>(c) & 0x3FU);
  return code;
}

bool steers(char32_t code) {
  return code < 0x20 || (code >= 0x7F && code < 0xA0) ||  // controls
         (code >= 0x200B && code <= 0x200F) ||            // invisible, and marks of direction
         (code >= 0x2028 && code <= 0x202E) ||            // line breaks, embedded directions
         (code >= 0x2066 && code <= 0x2069) || code == 0xFEFF;
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
    const std::size_t length = character_length(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(length, 1));
    if (length == 0 || steers(code_point(character))) {
      out += '?';
    } else {
      out += character;
    }
    text.remove_prefix(character.size());
  }
  return out;
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

std::string json_text(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace); }

}  // namespace secbeat::cli
