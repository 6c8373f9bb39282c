// How results look on a terminal: tables, colours, times. Programs use --json.
//
// Thread safety: free functions; the colours are decided at the first call.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace secbeat::cli {

using Json = nlohmann::ordered_json;

// Colour only where standard output is a terminal that knows it (TERM is not "dumb") and NO_COLOR is not set.
enum class Tone { kPlain, kGood, kWarning, kBad, kDim };
std::string paint(Tone tone, std::string_view text);

// Columns aligned by their widest cell, two blanks between them; the header is dimmed. Cells are cleaned and shortened.
std::string table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows);

// Text from outside without what steers a terminal: control characters of ASCII and of Unicode, marks that turn the
// direction of writing, and bytes that are not UTF-8 become "?".
std::string clean(std::string_view text);

// The same for a message of several lines.
std::string clean_lines(std::string_view text);

// At most `most` characters, the last of which is "…" where some were left out.
std::string shortened(std::string_view text, std::size_t most);

// "1,247"
std::string grouped(std::uint64_t number);

// A member as text: strings as they are, null and missing as "-".
std::string text_of(const Json& object, const char* key);

// "87,040 bytes (85 KiB)"
std::string bytes_text(std::uint64_t bytes);

// For --json: indented, and valid UTF-8 whatever is in it. On a terminal it steers nothing: such characters are
// escaped.
std::string json_text(const Json& json);

}  // namespace secbeat::cli
