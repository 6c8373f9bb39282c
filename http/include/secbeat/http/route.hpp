// Which path and method leads where, what a call takes and what it can answer, and what is refused before a byte of the
// body is read.
//
// A program's table of routes is the only place that says so. It is what requests are dispatched by, what parameters
// and fields are checked against, and what /openapi.json is written from (openapi.hpp):
//
//   - A parameter or field that a route does not name is refused, and a handler that asks for one gets none.
//   - A code that a route does not name is noticed in answer(): it ends a build with assertions, and the process tests
//     look for it in the log.
//
// Thread safety: free functions; tables are constant.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "secbeat/http/message.hpp"
#include "secbeat/http/schema.hpp"
#include "secbeat/http/settings.hpp"

namespace secbeat::http {

// Where a request is worked on: at once on the server's thread, or suspended on an executor. Rollback has its
// own, so that none waits behind uploads; what takes effect by a store to the scoreboard has another, so that none
// waits behind rollbacks, which wait for one another and for workers.
enum class Lane : std::uint8_t { kInline, kWork, kRollback, kEmergency };
// What a body may be. kJson: one JSON document that is what the call is about.
enum class BodyKind : std::uint8_t { kNone, kUpload, kFields, kJson };

// Who may call what its route does not say: GET is for viewers, what changes something for operators.
constexpr Role usual_role(std::string_view method) { return method == "GET" ? Role::kViewer : Role::kOperator; }

// `context` is what the program gave to Server::listen().
using Handler = HttpResponse (*)(const void* context, HttpRequest& request);

namespace detail {
template <class Context>
Context context_of(HttpResponse (*)(const Context&, HttpRequest&));
}  // namespace detail

// A function of the program's own context as a handler: on<&handle_reload>.
template <auto Function>
HttpResponse on(const void* context, HttpRequest& request) {
  return Function(*static_cast<const decltype(detail::context_of(Function))*>(context), request);
}

struct Route {
  std::string_view method;  // GET answers HEAD as well
  std::string_view path;    // "{name}" is one segment of any text
  Handler handler;
  std::string_view operation;  // its name in /openapi.json, unique
  std::string_view summary;
  Role role = usual_role(method);  // of the key that a call takes, where the program has keys
  Lane lane = Lane::kInline;
  BodyKind body = BodyKind::kNone;
  std::span<const Input> query = {};
  std::span<const Input> fields = {};  // of the body
  std::span<const Input> in_path = {};
  bool takes_if_match = false;                        // the header
  std::span<const DocumentType* const> answers = {};  // of status 200: one of these
  const DocumentType* accepted = nullptr;             // of status 202; null: there is none
  std::string_view media = "application/json";        // of status 200
  std::span<const ErrorCode> errors = {};             // besides those of codes_of()
};

// A program's API.
struct Service {
  std::string_view name;   // what messages call the program: "node"
  std::string_view title;  // in /openapi.json, as the next
  std::string_view description;
  std::span<const Route> routes;
  const DocumentType* error = nullptr;  // of every answer with a status of 4xx or 5xx
};

// Every code that the route can answer with, in the order of the table of codes.
std::vector<ErrorCode> codes_of(const Route& route);

std::vector<std::string_view> names_of(std::span<const Input> inputs);

// 404, or 405 with Allow.
OrRefusal<const Route*> find_route(std::span<const Route> routes, std::string_view method, std::string_view path);

// The most bytes that a body may have.
std::size_t body_limit(const Route& route, const BodyLimits& limits);

// Everything that headers and query decide: other sites' pages, unknown parameters, media type, announced size.
OrRefusal<void> check_head(const Route& route, const HttpRequest& request, const BodyLimits& limits);

// 413; `size` is what the client announced, if it did.
HttpResponse too_large(std::optional<std::uint64_t> size, const Route& route, const BodyLimits& limits);

// Whether headers announce a body.
bool announces_body(const HttpRequest& request);

// Runs the handler; an exception is a 500, and so is an error of the program itself that the route does not name.
HttpResponse answer(const Route& route, const void* context, HttpRequest& request) noexcept;

}  // namespace secbeat::http
