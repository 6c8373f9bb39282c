// What an API answered, before anything is believed of it.
//
// Thread safety: free functions without shared state.
#pragma once

#include <span>
#include <string_view>

#include "secbeat/base/error.hpp"
#include "terminal/terminal.hpp"

namespace secbeat::cli {

enum class Kind { kText, kTextOrNull, kNumber, kFlag, kList, kObject };

// A member that an answer must have. A path leads into objects by '.' and into each element of a list by '[]':
// "workers.serving", "reloads[].timestamp".
struct Field {
  std::string_view path;
  Kind kind;
};

// One JSON object, nested no deeper than an answer of a node is. kProtocol where it is something else.
Result<Json> parse_answer(std::string_view body);

// kProtocol naming the first field that is missing or of another kind.
Result<void> check_shape(const Json& answer, std::span<const Field> fields);

}  // namespace secbeat::cli
