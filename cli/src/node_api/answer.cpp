#include "node_api/answer.hpp"

#include <fmt/format.h>

namespace secbeat::cli {
namespace {

// Printing and copying JSON recurse; the deepest answer of a node has six levels.
constexpr int kDeepestAnswer = 32;

bool is_of(Kind kind, const Json& value) {
  switch (kind) {
    case Kind::kText:
      return value.is_string();
    case Kind::kTextOrNull:
      return value.is_string() || value.is_null();
    case Kind::kNumber:
      return value.is_number();
    case Kind::kFlag:
      return value.is_boolean();
    case Kind::kList:
      return value.is_array();
    case Kind::kObject:
      return value.is_object();
  }
  return false;
}

bool has(const Json& value, std::string_view path, Kind kind) {
  if (path.empty()) return is_of(kind, value);
  if (path.starts_with("[]")) {
    path.remove_prefix(2);
    if (!value.is_array()) return false;
    return std::ranges::all_of(value, [&](const Json& element) { return has(element, path, kind); });
  }
  if (path.front() == '.') path.remove_prefix(1);
  const std::size_t end = std::min(path.find_first_of(".["), path.size());
  if (!value.is_object()) return false;
  const auto found = value.find(std::string(path.substr(0, end)));
  return found != value.end() && has(*found, path.substr(end), kind);
}

}  // namespace

Result<Json> parse_answer(std::string_view body) {
  bool too_deep = false;
  const auto bounded = [&too_deep](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > kDeepestAnswer;
    return !too_deep;  // what is deeper is not kept
  };
  Json answer = Json::parse(body, bounded, false);
  if (too_deep) return fail(ErrorCode::kProtocol, "JSON that is nested deeper than any answer of a node");
  if (answer.is_discarded() || !answer.is_object()) return fail(ErrorCode::kProtocol, "something that is not JSON");
  return answer;
}

Result<void> check_shape(const Json& answer, std::span<const Field> fields) {
  for (const Field& field : fields) {
    if (!has(answer, field.path, field.kind)) {
      return fail(ErrorCode::kProtocol, fmt::format("JSON without \"{}\", or with something else in it", field.path));
    }
  }
  return {};
}

}  // namespace secbeat::cli
