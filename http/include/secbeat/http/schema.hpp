// What a value of the API looks like: the words of OpenAPI 3.1 (JSON Schema 2020-12) as constants.
//
// A document that the API answers with is described once, member by member, each with its schema and the way to its
// value (api_documents.cpp). From that description come both the JSON that is sent and the schema in /openapi.json,
// so that the two cannot differ.
//
// Thread safety: constants and free functions without state.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string_view>

namespace secbeat::http {

using Json = nlohmann::ordered_json;
using Words = std::span<const std::string_view>;

struct DocumentType;

struct Schema {
  enum class Type : std::uint8_t { kText, kWhole, kNumber, kFlag, kBytes, kDocument, kObject };
  enum class Shape : std::uint8_t { kOne, kList };

  Type type = Type::kText;
  Shape shape = Shape::kOne;
  bool nullable = false;
  std::string_view about = {};
  std::string_view format = {};
  std::string_view pattern = {};
  Words words = {};                        // the only values
  std::optional<std::int64_t> least = {};  // value of a number, length of a text
  std::optional<std::int64_t> most = {};
  std::optional<std::string_view> standard = {};  // what is taken where it is not given, as it is written
  const DocumentType* document = nullptr;         // of kDocument

  [[nodiscard]] constexpr Schema or_null() const {
    Schema schema = *this;
    schema.nullable = true;
    return schema;
  }
  [[nodiscard]] constexpr Schema list() const {
    Schema schema = *this;
    schema.shape = Shape::kList;
    return schema;
  }
  [[nodiscard]] constexpr Schema within(std::int64_t smallest, std::int64_t largest) const {
    Schema schema = *this;
    schema.least = smallest;
    schema.most = largest;
    return schema;
  }
  [[nodiscard]] constexpr Schema by_default(std::string_view value) const {
    Schema schema = *this;
    schema.standard = value;
    return schema;
  }
  [[nodiscard]] constexpr Schema matching(std::string_view expression) const {
    Schema schema = *this;
    schema.pattern = expression;
    return schema;
  }
};

constexpr Schema text(std::string_view about = {}) { return {.about = about}; }
constexpr Schema time(std::string_view about = {}) { return {.about = about, .format = "date-time"}; }
constexpr Schema sha256(std::string_view about = {}) { return {.about = about, .pattern = "^[0-9a-f]{64}$"}; }
constexpr Schema one_of(Words words, std::string_view about = {}) { return {.about = about, .words = words}; }
constexpr Schema flag(std::string_view about = {}) { return {.type = Schema::Type::kFlag, .about = about}; }
constexpr Schema bytes(std::string_view about = {}) { return {.type = Schema::Type::kBytes, .about = about}; }
constexpr Schema count(std::string_view about = {}) {
  return {.type = Schema::Type::kWhole, .about = about, .least = 0};
}
constexpr Schema amount(std::string_view about = {}) {
  return {.type = Schema::Type::kNumber, .about = about, .least = 0};
}
// By names of which there may be any.
constexpr Schema object(std::string_view about = {}) { return {.type = Schema::Type::kObject, .about = about}; }
constexpr Schema document(const DocumentType& type, std::string_view about = {}) {
  return {.type = Schema::Type::kDocument, .about = about, .document = &type};
}

// A member of a document.
struct Member {
  enum class Presence : std::uint8_t { kAlways, kSometimes };  // kSometimes: left out where its value is null
  using Value = Json (*)(const void* object);

  std::string_view name;
  Schema schema;
  Value value = nullptr;  // null in documents that are only described (the answer of an error)
  Presence presence = Presence::kAlways;
};

struct DocumentType {
  std::string_view name;  // in /openapi.json
  std::string_view about;
  std::span<const Member> members;
};

// A named value of a request: in its query, in its path, or a field of its body.
struct Input {
  std::string_view name;
  Schema schema;
};

Json json_of(const Schema& schema);
Json json_of(const DocumentType& type);

// The document of this object, which is of the type that the members' values were made for.
Json write(const DocumentType& type, const void* object);

}  // namespace secbeat::http
