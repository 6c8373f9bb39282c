// POST /api/v1/wasm/watch/end
#include "api_documents.hpp"
#include "api_routes.hpp"

namespace secbeat::agent {

HttpResponse handle_watch_end(const ApiContext& context, HttpRequest& request) {
  const auto name = request.parameter("name");
  const auto module = context.reloader.version(name ? std::optional<std::string>(*name) : std::nullopt);
  if (!module) return failure_response(module.error());
  if (context.watch == nullptr) return error_response({ErrorCode::kNoWatch, "Nothing is watched on this node"});
  auto ended = context.watch->end(module->name, origin_of(request));
  if (!ended) return error_response(ended.error());
  return json_response(to_document(WatchEnded{*std::move(ended)}));
}

}  // namespace secbeat::agent
