// The answers' documents. The fields that API promises to the letter come first, in the order of docs/api.md.
//
// Thread safety: free functions without state.
#pragma once

#include "api_message.hpp"
#include "secbeat/agent/event_log.hpp"
#include "secbeat/agent/reloader.hpp"

namespace secbeat::agent {

Json to_document(const ReloadResult& result, UploadKind kind);
Json to_dry_run_document(const ReloadResult& result);
Json to_document(const RollbackResult& result);
Json to_document(const RemovalResult& result);
Json to_document(const VersionView& view);
Json to_module_document(const VersionView& view);
Json to_document(const HistoryRow& row);
Json to_document(const KnownVersion& version);
Json to_document(const RequestRow& row, const std::string& version);
Json to_document(const ErrorRow& row, const std::string& version);

// Status, body, Retry-After of an operation that failed.
HttpResponse failure_response(const Failure& failure);

}  // namespace secbeat::agent
