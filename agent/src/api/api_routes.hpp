// Which path and method leads where, what a call takes and what it can answer, and what is refused before a byte of the
// body is read.
//
// The table in api_table.cpp is the only place that says so. It is what requests are dispatched by, what parameters
// and fields are checked against, and what /openapi.json is written from (api_openapi.cpp):
//
//   - A parameter or field that a route does not name is refused, and a handler that asks for one gets none.
//   - A code that a route does not name is noticed in answer(): it ends a build with assertions, and the process tests
//     look for it in the log.
//   - The test api_contract_test.cpp provokes every code that a route names.
//
// A new route:
//   1. its handler in api_handlers.hpp, and for an answer of a new shape its document in api_documents.cpp
//   2. one entry of the table: path, handler, summary, inputs, answers, errors (what every route of its kind can
//   answer, such
//      as 413, is added by itself: codes_of())
//   3. a line for each new error in api_contract_test.cpp, and the call in docs/api.md
//
// Thread safety: free functions; the table is constant.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "api_handlers.hpp"
#include "api_message.hpp"
#include "api_schema.hpp"

namespace secbeat::agent {

// Where a request is worked on: at once on the server's thread, or suspended on an executor. Rollback has its
// own, so that none waits behind uploads; what takes effect by a store to the scoreboard has another, so that none
// waits behind rollbacks, which wait for one another and for workers.
enum class Lane : std::uint8_t { kInline, kWork, kRollback, kEmergency };
// What a body may be. kJson: one JSON document that is what the call is about.
enum class BodyKind : std::uint8_t { kNone, kUpload, kFields, kJson };

// Who may call what its route does not say: GET is for viewers, what changes something for operators, emergencies are
// for admins.
constexpr Role usual_role(std::string_view method, std::string_view path) {
  if (method == "GET") return Role::kViewer;
  for (const std::string_view emergency : {"/freeze", "/unfreeze", "/bypass", "/drill"}) {
    if (path.ends_with(emergency)) return Role::kAdmin;
  }
  return Role::kOperator;
}

struct Route {
  std::string_view method;  // GET answers HEAD as well
  std::string_view path;    // a final "{name}" is one segment of any text
  HttpResponse (*handler)(const ApiContext&, HttpRequest&);
  std::string_view operation;  // its name in /openapi.json, unique
  std::string_view summary;
  Role role = usual_role(method, path);  // of the key that a call takes, where the node has keys
  Lane lane = Lane::kInline;
  BodyKind body = BodyKind::kNone;
  std::span<const Input> query = {};
  std::span<const Input> fields = {};  // of the body
  std::span<const Input> in_path = {};
  std::span<const DocumentType* const> answers = {};  // of status 200: one of these
  std::string_view media = "application/json";        // of status 200
  std::span<const ErrorCode> errors = {};             // besides those of codes_of()
};

std::span<const Route> all_routes();

// Every code that the route can answer with, in the order of the table of codes.
std::vector<ErrorCode> codes_of(const Route& route);

std::vector<std::string_view> names_of(std::span<const Input> inputs);

// 404, or 405 with Allow.
OrRefusal<const Route*> find_route(std::string_view method, std::string_view path);

// The most bytes that a body may have.
std::size_t body_limit(const Route& route, const Config& config);

// Everything that headers and query decide: other sites' pages, unknown parameters, media type, announced size.
OrRefusal<void> check_head(const Route& route, const HttpRequest& request, const Config& config);

// 413; `size` is what the client announced, if it did.
HttpResponse too_large(std::optional<std::uint64_t> size, const Route& route, const Config& config);

// Whether headers announce a body.
bool announces_body(const HttpRequest& request);

// Runs the handler; an exception is a 500, and so is an error of the node itself that the route does not name.
HttpResponse answer(const Route& route, const ApiContext& context, HttpRequest& request) noexcept;

// The document at /openapi.json (api_openapi.cpp).
Json openapi_document();

}  // namespace secbeat::agent
