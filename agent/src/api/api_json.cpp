#include "api_json.hpp"

#include <cmath>

namespace secbeat::agent {
namespace {

// What is not there is null, not an empty text.
Json or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }
Json or_null(const std::optional<std::string>& text) { return text ? Json(*text) : Json(); }

// Milliseconds to the microsecond: what the clock is good for.
double rounded(double ms) { return std::round(ms * 1000) / 1000; }

Json to_document(const Stages& stages) {
  return {{"receive_ms", rounded(stages.receive_ms)}, {"validate_ms", rounded(stages.validate_ms)},
          {"compile_ms", rounded(stages.compile_ms)}, {"rehearse_ms", rounded(stages.rehearse_ms)},
          {"stage_ms", rounded(stages.stage_ms)},     {"swap_ms", rounded(stages.swap_ms)},
          {"total_ms", rounded(stages.total_ms)}};
}

Json to_document(const WorkerCount& workers) { return {{"serving", workers.serving}, {"total", workers.total}}; }

Json worker_failures(const std::vector<WorkerFailure>& failures) {
  Json list = Json::array();
  for (const WorkerFailure& failure : failures) {
    list.push_back({{"pid", failure.pid},
                    {"module", or_null(failure.module)},
                    {"error", failure.error.message},
                    {"code", word_of(failure.error.code)}});
  }
  return list;
}

void add_identity(Json& document, const ReloadResult& result) {
  document["name"] = result.name;
  document["previous_version"] = or_null(result.previous_version);
  document["sha256"] = result.sha256;
  document["config_sha256"] = or_null(result.config_sha256);
  document["size_bytes"] = result.size_bytes;
}

}  // namespace

Json to_document(const ReloadResult& result, UploadKind kind) {
  const char* message = result.unchanged            ? "Module unchanged"
                        : kind == UploadKind::kLoad ? "Module loaded successfully"
                                                    : "Module reloaded";
  Json document{{"success", true},
                {"message", message},
                {"version", result.version},
                {"downtime_ms", result.downtime_ms},
                {"requests_during_reload", result.requests_during_reload}};
  if (result.unchanged) document["unchanged"] = true;
  add_identity(document, result);
  document["generation"] = result.generation;
  document["workers"] = to_document(result.workers);
  document["max_pause_us"] = result.max_pause_us;
  document["stages"] = to_document(result.stages);
  document["warnings"] = result.warnings;
  return document;
}

Json to_dry_run_document(const ReloadResult& result) {
  Json document{{"success", true}, {"message", "Module is valid"}, {"would_be_version", result.version}};
  document["stages"] = to_document(result.stages);
  document["warnings"] = result.warnings;
  if (result.unchanged) document["unchanged"] = true;
  add_identity(document, result);
  return document;
}

Json to_document(const RollbackResult& result) {
  return {{"success", true},
          {"rolled_back_to", result.rolled_back_to},
          {"reason", result.reason},
          {"downtime_ms", result.downtime_ms},
          {"from_version", or_null(result.from_version)},
          {"name", result.name},
          {"workers", to_document(result.workers)},
          {"max_pause_us", result.max_pause_us},
          {"generation", result.generation}};
}

Json to_document(const RemovalResult& result) {
  return {{"success", true},
          {"message", "Module removed"},
          {"name", result.name},
          {"removed_version", result.removed_version},
          {"reason", or_null(result.reason)},
          {"downtime_ms", result.downtime_ms},
          {"workers", to_document(result.workers)},
          {"max_pause_us", result.max_pause_us},
          {"generation", result.generation},
          {"modules", result.modules},
          {"warnings", result.warnings}};
}

Json to_document(const VersionView& view) {
  Json workers = Json::array();
  for (const WorkerVersion& worker : view.workers) {
    workers.push_back({{"pid", worker.pid},
                       {"version", or_null(worker.version)},
                       {"generation", worker.generation},
                       {"since", or_null(worker.since)}});
  }
  return {{"name", view.name},
          {"version", or_null(view.version)},
          {"loaded_at", or_null(view.loaded_at)},
          {"previous_version", or_null(view.previous_version)},
          {"size_bytes", view.size_bytes},
          {"sha256", or_null(view.sha256)},
          {"config_sha256", or_null(view.config_sha256)},
          {"embedded_version", or_null(view.embedded_version)},
          {"generation", view.generation},
          {"kept", view.kept},
          {"workers", std::move(workers)}};
}

Json to_module_document(const VersionView& view) {
  Json document{{"name", view.name}, {"size", view.size_bytes}, {"loaded_at", or_null(view.loaded_at)}};
  document.update(to_document(view));
  return document;
}

Json to_document(const HistoryRow& row) {
  return {{"timestamp", row.timestamp},
          {"version", or_null(row.version)},
          {"duration_ms", row.duration_ms},
          {"requests_during_reload", row.requests_during_reload},
          {"success", row.success},
          {"id", row.id},
          {"name", or_null(row.name)},
          {"kind", row.kind},
          {"from_version", or_null(row.from_version)},
          {"attempted_version", or_null(row.attempted_version)},
          {"error", or_null(row.error)},
          {"code", or_null(row.code)},
          {"reason", or_null(row.reason)},
          {"by", or_null(row.by)},
          {"request_id", or_null(row.request_id)},
          {"sha256", or_null(row.sha256)},
          {"config_sha256", or_null(row.config_sha256)},
          {"generation", row.generation},
          {"stages", to_document(row.stages)}};
}

Json to_document(const KnownVersion& version) {
  return {{"name", version.name},
          {"version", version.version},
          {"sha256", version.sha256},
          {"config_sha256", or_null(version.config_sha256)},
          {"size_bytes", version.size_bytes},
          {"created_at", version.created_at},
          {"state", version.state}};
}

Json to_document(const RequestRow& row, const std::string& version) {
  return {{"time", rfc3339(row.time)},   {"method", row.method},      {"uri", row.uri},
          {"source", row.source_ip},     {"verdict", row.verdict},    {"module", row.module},
          {"version", or_null(version)}, {"rule", or_null(row.rule)}, {"message", or_null(row.message)}};
}

Json to_document(const ErrorRow& row, const std::string& version) {
  return {{"timestamp", rfc3339(row.last_seen)},
          {"version", or_null(version)},
          {"kind", row.kind},
          {"message", row.message},
          {"count", row.count},
          {"first_seen", rfc3339(row.first_seen)},
          {"last_seen", rfc3339(row.last_seen)},
          {"sample", {{"method", row.method}, {"uri", row.uri}, {"source_ip", row.source_ip}}},
          {"module", row.module}};
}

HttpResponse failure_response(const Failure& failure) {
  Json document{{"success", false}, {"error", failure.error.message}};
  if (failure.about_module) {
    document["current_version"] = or_null(failure.current_version);
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
  if (failure.retry_after_seconds) document["retry_after_seconds"] = *failure.retry_after_seconds;
  HttpResponse response = json_response(document, http_status_of(failure.error.code));
  if (failure.retry_after_seconds) {
    response.headers.emplace_back("Retry-After", std::to_string(*failure.retry_after_seconds));
  }
  return response;
}

}  // namespace secbeat::agent
