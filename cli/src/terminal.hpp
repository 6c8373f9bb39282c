// How results look on a terminal: tables, colours, times. Programs use --json.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace secbeat::cli {

using Json = nlohmann::ordered_json;

// Colour only on a terminal and without NO_COLOR.
enum class Tone { kPlain, kGood, kBad, kDim };
std::string paint(Tone tone, std::string_view text);

// Columns aligned by their widest cell; the header is dimmed. Cells are cleaned of control characters.
std::string table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows);

// Text from outside without control characters, so that a log line or a URI cannot steer the terminal.
std::string clean(std::string_view text);

// "1,247"
std::string grouped(std::uint64_t number);

// A member as text: strings as they are, null and missing as "-".
std::string text_of(const Json& object, const char* key);

// "87,040 bytes (85 KiB)"
std::string bytes_text(std::uint64_t bytes);

}  // namespace secbeat::cli
