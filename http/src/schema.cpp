#include "secbeat/http/schema.hpp"

#include <fmt/format.h>

namespace secbeat::http {
namespace {

const char* type_name(Schema::Type type) {
  switch (type) {
    case Schema::Type::kWhole:
      return "integer";
    case Schema::Type::kNumber:
      return "number";
    case Schema::Type::kFlag:
      return "boolean";
    case Schema::Type::kObject:
      return "object";
    case Schema::Type::kText:
    case Schema::Type::kBytes:
    case Schema::Type::kDocument:
      break;
  }
  return "string";
}

void add_bounds(Json& json, const Schema& schema) {
  const bool is_text = schema.type == Schema::Type::kText;
  if (schema.least) json[is_text ? "minLength" : "minimum"] = *schema.least;
  if (schema.most) json[is_text ? "maxLength" : "maximum"] = *schema.most;
}

Json not_null(const Schema& schema) {
  if (schema.type == Schema::Type::kDocument) {
    return {{"$ref", fmt::format("#/components/schemas/{}", schema.document->name)}};
  }
  Json json{{"type", type_name(schema.type)}};
  if (schema.type == Schema::Type::kBytes) json["contentMediaType"] = "application/octet-stream";
  if (!schema.format.empty()) json["format"] = schema.format;
  if (!schema.pattern.empty()) json["pattern"] = schema.pattern;
  if (!schema.words.empty()) json["enum"] = schema.words;
  add_bounds(json, schema);
  if (schema.standard) {
    json["default"] = schema.type == Schema::Type::kText ? Json(*schema.standard) : Json::parse(*schema.standard);
  }
  return json;
}

}  // namespace

Json json_of(const Schema& schema) {
  Json json = not_null(schema);
  if (schema.nullable) json = {{"anyOf", {std::move(json), {{"type", "null"}}}}};
  if (schema.shape == Schema::Shape::kList) json = {{"type", "array"}, {"items", std::move(json)}};
  if (!schema.about.empty()) json["description"] = schema.about;
  return json;
}

Json json_of(const DocumentType& type) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const Member& member : type.members) {
    properties[std::string(member.name)] = json_of(member.schema);
    if (member.presence == Member::Presence::kAlways) required.push_back(member.name);
  }
  return {{"type", "object"},
          {"description", type.about},
          {"properties", std::move(properties)},
          {"required", std::move(required)}};
}

Json write(const DocumentType& type, const void* object) {
  Json json = Json::object();
  for (const Member& member : type.members) {
    Json value = member.value(object);
    if (member.presence == Member::Presence::kSometimes && value.is_null()) continue;
    json[std::string(member.name)] = std::move(value);
  }
  return json;
}

}  // namespace secbeat::http
