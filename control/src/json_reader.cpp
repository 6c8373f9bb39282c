#include "json_reader.hpp"

#include <algorithm>
#include <cmath>

#include "secbeat/base/content_file.hpp"

namespace secbeat::control {
namespace {

// The deepest of ours is a version in a slot of a document in a stage message: 5.
constexpr std::size_t kMaxDepth = 16;

const Json kNothing;
const Json kEmptyArray = Json::array();
const Json kEmptyObject = Json::object();

// Before parsing, because what parses deep is also copied, printed and destroyed deep.
bool nests_too_deep(std::string_view text) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && depth > 0) --depth;
    if (depth > kMaxDepth) return true;
  }
  return false;
}

}  // namespace

Result<Json> parse_object(std::string_view text, std::size_t limit_bytes) {
  if (text.size() > limit_bytes) {
    return fail(ErrorCode::kProtocol, "longer than the limit of " + std::to_string(limit_bytes) + " bytes");
  }
  if (nests_too_deep(text)) {
    return fail(ErrorCode::kProtocol, "JSON nests deeper than " + std::to_string(kMaxDepth) + " levels");
  }
  try {
    Json json = Json::parse(text);
    if (!json.is_object()) return fail(ErrorCode::kProtocol, "expected a JSON object");
    return json;
  } catch (const Json::parse_error& error) {
    return fail(ErrorCode::kProtocol, "bad JSON at byte " + std::to_string(error.byte));
  } catch (const Json::exception&) {
    return fail(ErrorCode::kProtocol, "bad JSON: a number is out of range");
  }
}

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

ObjectReader::ObjectReader(const Json& value, std::string place, Faults& faults)
    : value_(value), place_(std::move(place)), faults_(faults) {
  if (!value.is_object()) faults_.add((place_.empty() ? "the document" : place_) + ": expected an object");
}

std::string ObjectReader::place_of(std::string_view key) const {
  return place_.empty() ? std::string(key) : place_ + "." + std::string(key);
}

void ObjectReader::fault(std::string_view key, std::string_view what) {
  faults_.add(place_of(key) + ": " + std::string(what));
}

const Json& ObjectReader::member(std::string_view key) {
  if (!value_.is_object()) return kNothing;
  const auto found = value_.find(key);
  if (found != value_.end()) return *found;
  fault(key, "missing");
  return kNothing;
}

std::uint64_t ObjectReader::number(std::string_view key, std::uint64_t least, std::uint64_t most) {
  const Json& value = member(key);
  if (value.is_number_unsigned()) {
    const auto number = value.get<std::uint64_t>();
    if (number >= least && number <= most) return number;
  }
  fault(key, "expected a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  return least;
}

double ObjectReader::positive(std::string_view key, double most) {
  const Json& value = member(key);
  if (value.is_number()) {
    const auto number = value.get<double>();
    if (std::isfinite(number) && number > 0 && number <= most) return number;
  }
  fault(key, "expected a number above 0 and at most " + std::to_string(most));
  return 1;
}

std::string ObjectReader::text(std::string_view key, std::size_t most_bytes) {
  const Json& value = member(key);
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    if (text.size() <= most_bytes) return text;
  }
  fault(key, "expected a text of at most " + std::to_string(most_bytes) + " bytes");
  return {};
}

std::string ObjectReader::sha256(std::string_view key) {
  const Json& value = member(key);
  if (value.is_string() && is_sha256(value.get_ref<const std::string&>())) return value.get<std::string>();
  fault(key, "expected 64 lower-case hexadecimal digits");
  return {};
}

std::string ObjectReader::optional_sha256(std::string_view key) {
  const Json& value = member(key);
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    if (text.empty() || is_sha256(text)) return text;
  }
  fault(key, "expected 64 lower-case hexadecimal digits or an empty text");
  return {};
}

std::size_t ObjectReader::one_of(std::string_view key, std::initializer_list<std::string_view> words) {
  const Json& value = member(key);
  if (value.is_string()) {
    const auto found = std::find(words.begin(), words.end(), value.get_ref<const std::string&>());
    if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  }
  std::string expected;
  for (const std::string_view word : words) expected += (expected.empty() ? "" : ", ") + std::string(word);
  fault(key, "expected one of " + expected);
  return 0;
}

bool ObjectReader::has(std::string_view key) const { return value_.is_object() && value_.contains(key); }

const Json& ObjectReader::array(std::string_view key, std::size_t most) {
  const Json& value = member(key);
  if (value.is_array() && value.size() <= most) return value;
  fault(key, "expected an array of at most " + std::to_string(most));
  return kEmptyArray;
}

const Json& ObjectReader::object(std::string_view key) {
  const Json& value = member(key);
  if (value.is_object()) return value;
  fault(key, "expected an object");
  return kEmptyObject;
}

std::string item_place(std::string_view array_place, std::size_t index) {
  return std::string(array_place) + "[" + std::to_string(index) + "]";
}

}  // namespace secbeat::control
