// GET /api/v1/wasm/{version,history,modules,operation,versions,versions/{sha256}}
#include <algorithm>
#include <utility>

#include "api_documents.hpp"
#include "api_http.hpp"
#include "api_routes.hpp"
#include "secbeat/base/content_file.hpp"

namespace secbeat::agent {
namespace {

std::optional<std::string> name_of(const HttpRequest& request) {
  const auto name = request.parameter("name");
  return name ? std::optional<std::string>(*name) : std::nullopt;
}

VersionView with_watch(const ApiContext& context, VersionView view) {
  if (context.watch != nullptr) view.watch = context.watch->view(view.name);
  return view;
}

}  // namespace

HttpResponse handle_version(const ApiContext& context, HttpRequest& request) {
  const auto view = context.reloader.version(name_of(request));
  if (!view) return failure_response(view.error());
  return json_response(to_document(with_watch(context, *view)));
}

HttpResponse handle_history(const ApiContext& context, HttpRequest& request) {
  const auto page = read_page(request);
  if (!page) return page.error();
  auto rows = context.reloader.history(name_of(request), *page);
  if (!rows) return failure_response(rows.error());
  HistoryPage answer{.reloads = *std::move(rows), .next_before = {}};
  // A full page may have older rows behind it.
  if (answer.reloads.size() == page->limit) answer.next_before = answer.reloads.back().id;
  return json_response(to_document(answer));
}

HttpResponse handle_modules(const ApiContext& context, HttpRequest&) {
  ModuleList list{context.reloader.modules()};
  for (VersionView& view : list.modules) view = with_watch(context, std::move(view));
  if (context.archive != nullptr) list.archive = context.archive->status();
  return json_response(to_document(list));
}

HttpResponse handle_versions(const ApiContext& context, HttpRequest& request) {
  const auto page = read_page(request);
  if (!page) return page.error();
  auto known = context.reloader.versions(name_of(request), *page);
  if (!known) return failure_response(known.error());
  VersionPage answer{.versions = std::move(known->versions), .total = known->total, .next_before = {}};
  if (answer.versions.size() == page->limit) answer.next_before = answer.versions.back().id;
  return json_response(to_document(answer));
}

HttpResponse handle_operation(const ApiContext& context, HttpRequest&) {
  return json_response(to_document(UnderWay{context.reloader.operation()}));
}

HttpResponse handle_module_bytes(const ApiContext& context, HttpRequest& request) {
  const std::string sha256 = request.path.substr(request.path.rfind('/') + 1);
  if (!is_sha256(sha256)) {
    return error_response(
        {ErrorCode::kBadRequest, "\"" + shown(sha256) + "\" is not a SHA-256 in 64 lower-case hexadecimal digits"});
  }
  auto bytes = context.reloader.module_bytes(sha256);
  if (!bytes) return failure_response(bytes.error());
  HttpResponse response;
  response.content_type = "application/wasm";
  response.headers = {{"ETag", "\"" + sha256 + "\""},
                      {"Content-Disposition", "attachment; filename=\"" + sha256 + ".wasm\""}};
  response.body = std::move(*bytes);
  return response;
}

}  // namespace secbeat::agent
