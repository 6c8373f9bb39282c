// GET /openapi.json: the table of routes and the descriptions of documents as OpenAPI 3.1.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "secbeat/http/openapi.hpp"

namespace secbeat::http {
namespace {

std::string security_of(const Service& service) {
  return fmt::format(
      "A key of [[api.keys]] in the {0}'s configuration. The role viewer may read, operator may also change rules, "
      "admin may also use force and what is for emergencies. A {0} without keys takes none.",
      service.name);
}

Json content(std::string_view media, Json schema) { return {{std::string(media), {{"schema", std::move(schema)}}}}; }

Json reference(const DocumentType& type) { return {{"$ref", fmt::format("#/components/schemas/{}", type.name)}}; }

Json headers(std::span<const ErrorCode> codes) {
  Json json{{"X-Request-Id", {{"$ref", "#/components/headers/X-Request-Id"}}}};
  const auto asks_to_wait = [](ErrorCode code) {
    return code == ErrorCode::kReloadInProgress || code == ErrorCode::kRateLimited || code == ErrorCode::kBusy;
  };
  if (std::ranges::find(codes, ErrorCode::kUnauthorized) != codes.end()) {
    json["WWW-Authenticate"] = {{"$ref", "#/components/headers/WWW-Authenticate"}};
  }
  if (std::ranges::any_of(codes, asks_to_wait)) json["Retry-After"] = {{"$ref", "#/components/headers/Retry-After"}};
  return json;
}

Json success(const Route& route) {
  Json schema;
  if (route.answers.empty()) {
    schema = route.media == "application/json" ? Json{{"type", "object"}} : Json::object();
  } else if (route.answers.size() == 1) {
    schema = reference(*route.answers.front());
  } else {
    for (const DocumentType* type : route.answers) schema["anyOf"].push_back(reference(*type));
  }
  return {{"description", route.answers.empty() ? route.summary : route.answers.front()->about},
          {"headers", headers({})},
          {"content", content(route.media, std::move(schema))}};
}

Json failure(const DocumentType& error, const std::vector<ErrorCode>& codes) {
  Json words = Json::array();
  for (const ErrorCode code : codes) words.push_back(word_of(code));
  Json schema{{"allOf", {reference(error)}}, {"properties", {{"code", {{"enum", words}}}}}};
  return {{"description", fmt::format("{}", fmt::join(words.get<std::vector<std::string>>(), ", "))},
          {"headers", headers(codes)},
          {"content", content("application/json", std::move(schema))}};
}

Json responses(const Service& service, const Route& route) {
  std::map<int, std::vector<ErrorCode>> by_status;
  for (const ErrorCode code : codes_of(route)) by_status[http_status_of(code)].push_back(code);
  Json json{{"200", success(route)}};
  if (route.accepted != nullptr) {
    Json headers_of = headers({});
    headers_of["Location"] = {{"description", "Where it is told how far it is"}, {"schema", {{"type", "string"}}}};
    json["202"] = {{"description", route.accepted->about},
                   {"headers", std::move(headers_of)},
                   {"content", content("application/json", reference(*route.accepted))}};
  }
  for (const auto& [status, codes] : by_status) json[std::to_string(status)] = failure(*service.error, codes);
  return json;
}

Json parameters(const Route& route) {
  Json list = Json::array();
  for (const Input& input : route.in_path) {
    list.push_back({{"name", input.name}, {"in", "path"}, {"required", true}, {"schema", json_of(input.schema)}});
  }
  for (const Input& input : route.query) {
    list.push_back({{"name", input.name}, {"in", "query"}, {"schema", json_of(input.schema)}});
  }
  if (route.takes_if_match) {
    list.push_back({{"name", "If-Match"},
                    {"in", "header"},
                    {"description", "Only where the rule, or the document, still has this ETag; * where it has any"},
                    {"schema", {{"type", "string"}}}});
  }
  return list;
}

// In JSON a field that is null is one that is not given.
enum class Nulls : std::uint8_t { kRefused, kAllowed };

Json fields(const Route& route, Nulls nulls) {
  Json properties;
  for (const Input& input : route.fields) {
    properties[std::string(input.name)] = json_of(nulls == Nulls::kAllowed ? input.schema.or_null() : input.schema);
  }
  return {{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
}

Json body(const Route& route) {
  if (route.body == BodyKind::kJson) {
    return {{"required", true}, {"content", content("application/json", {{"type", "object"}})}};
  }
  Json json = content("multipart/form-data", fields(route, Nulls::kRefused));
  if (route.body == BodyKind::kFields) {
    json.update(content("application/x-www-form-urlencoded", fields(route, Nulls::kRefused)));
    json.update(content("application/json", fields(route, Nulls::kAllowed)));
  }
  return {{"required", route.body == BodyKind::kUpload}, {"content", std::move(json)}};
}

Json operation(const Service& service, const Route& route) {
  Json json{{"operationId", route.operation}, {"summary", route.summary}};
  if (route.role == Role::kNone) {
    json["security"] = Json::array();
  } else {
    json["description"] =
        fmt::format("Takes a key of the role {}, where the {} has keys.", word_of(route.role), service.name);
    json["security"] = {{{"key", Json::array()}}};
  }
  if (Json list = parameters(route); !list.empty()) json["parameters"] = std::move(list);
  if (route.body != BodyKind::kNone) json["requestBody"] = body(route);
  json["responses"] = responses(service, route);
  return json;
}

// The same without bodies.
Json head_of(Json operation) {
  operation["operationId"] = operation["operationId"].get<std::string>() + "Head";
  for (auto& [status, response] : operation["responses"].items()) response.erase("content");
  return operation;
}

// The type and those that its members refer to.
void add_schema(Json& schemas, const DocumentType& type) {
  const std::string name(type.name);
  if (schemas.contains(name)) return;
  schemas[name] = json_of(type);
  for (const Member& member : type.members) {
    if (member.schema.document != nullptr) add_schema(schemas, *member.schema.document);
  }
}

Json components(const Service& service) {
  Json schemas;
  add_schema(schemas, *service.error);
  for (const Route& route : service.routes) {
    for (const DocumentType* type : route.answers) add_schema(schemas, *type);
    if (route.accepted != nullptr) add_schema(schemas, *route.accepted);
  }
  schemas[std::string(service.error->name)]["properties"]["success"]["const"] = false;
  return {
      {"schemas", std::move(schemas)},
      {"securitySchemes", {{"key", {{"type", "http"}, {"scheme", "bearer"}, {"description", security_of(service)}}}}},
      {"headers",
       {{"WWW-Authenticate", {{"description", "Bearer"}, {"required", true}, {"schema", {{"type", "string"}}}}},
        {"X-Request-Id",
         {{"description", "The client's own, or a new one; the log and the history have the same"},
          {"required", true},
          {"schema", {{"type", "string"}}}}},
        {"Retry-After", {{"description", "Seconds"}, {"schema", {{"type", "integer"}, {"minimum", 0}}}}}}}};
}

}  // namespace

Json openapi_document(const Service& service) {
  Json paths;
  for (const Route& route : service.routes) {
    std::string method(route.method);
    std::ranges::transform(method, method.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    Json& path = paths[std::string(route.path)];
    path[method] = operation(service, route);
    if (route.method == "GET") path["head"] = head_of(path[method]);
  }
  return {{"openapi", "3.1.0"},
          {"info", {{"title", service.title}, {"version", SECBEAT_VERSION}, {"description", service.description}}},
          {"servers", {{{"url", "/"}}}},
          {"paths", std::move(paths)},
          {"components", components(service)}};
}

}  // namespace secbeat::http
