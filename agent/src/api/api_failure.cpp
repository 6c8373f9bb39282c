// The answer of an operation that failed.
#include "api_documents.hpp"

namespace secbeat::agent {
namespace {

Json worker_failures(const std::vector<WorkerFailure>& failures) {
  Json list = Json::array();
  for (const WorkerFailure& failure : failures) {
    list.push_back({{"pid", failure.pid},
                    {"module", failure.module.empty() ? Json() : Json(failure.module)},
                    {"error", failure.error.message},
                    {"code", word_of(failure.error.code)}});
  }
  return list;
}

}  // namespace

HttpResponse failure_response(const Failure& failure) {
  Json document{{"success", false}, {"error", failure.error.message}};
  if (failure.about_module) {
    document["current_version"] = failure.current_version ? Json(*failure.current_version) : Json();
    document["status"] =
        failure.current_version ? "still_serving_" + *failure.current_version : std::string("no_module_serving");
  }
  document["code"] = word_of(failure.error.code);
  if (!failure.names.empty()) {
    const bool versions =
        failure.error.code == ErrorCode::kUnknownVersion || failure.error.code == ErrorCode::kNoPreviousVersion;
    document[versions ? "versions" : "modules"] = failure.names;
  }
  if (!failure.workers.empty()) document["workers"] = worker_failures(failure.workers);
  if (failure.measured.cost) document["cost"] = value_of(*failure.measured.cost);
  if (failure.measured.inventory) document["inventory"] = value_of(*failure.measured.inventory);
  if (failure.retry_after_seconds) document["retry_after_seconds"] = *failure.retry_after_seconds;
  HttpResponse response = json_response(document, http_status_of(failure.error.code));
  response.code = failure.error.code;
  if (failure.retry_after_seconds) {
    response.headers.emplace_back("Retry-After", std::to_string(*failure.retry_after_seconds));
  }
  return response;
}

}  // namespace secbeat::agent
