// Which path and method leads where, and what is refused before a byte of the body is read.
//
// Thread safety: free functions; the table is constant.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "api_handlers.hpp"
#include "api_message.hpp"

namespace secbeat::agent {

// Where a request is worked on: at once on the server's thread, or suspended on an executor. Rollback has its
// own, so that none waits behind uploads.
enum class Lane : std::uint8_t { kInline, kWork, kRollback };
// What a body may be.
enum class BodyKind : std::uint8_t { kNone, kUpload, kFields };

struct Route {
  std::string_view method;  // GET answers HEAD as well
  std::string_view path;    // a final "{}" is one segment of any text
  HttpResponse (*handler)(const ApiContext&, HttpRequest&);
  Lane lane = Lane::kInline;
  BodyKind body = BodyKind::kNone;
  std::span<const std::string_view> query = {};  // known parameters
};

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

// Runs the handler; an exception is a 500.
HttpResponse answer(const Route& route, const ApiContext& context, HttpRequest& request) noexcept;

}  // namespace secbeat::agent
