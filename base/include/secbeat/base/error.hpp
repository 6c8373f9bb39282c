// Errors as values.
//
// Every failure that a caller can meet is an `Error`: a stable code for programs and a sentence for
// people that says what is wrong and what to do. The table below is the only definition of the codes:
// it gives the enumerator, the word in JSON answers and metric labels, and the status of the HTTP API.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace secbeat {

// X(enumerator, word, HTTP status)
#define SECBEAT_ERROR_CODES(X)                            \
  X(kMissingFile, "missing_file", 400)                    \
  X(kBadMultipart, "bad_multipart", 400)                  \
  X(kUnknownField, "unknown_field", 400)                  \
  X(kBadConfigJson, "bad_config_json", 400)               \
  X(kBadJson, "bad_json", 400)                            \
  X(kBadRequest, "bad_request", 400)                      \
  X(kUnauthorized, "unauthorized", 401)                   \
  X(kForbidden, "forbidden", 403)                         \
  X(kHotReloadDisabled, "hot_reload_disabled", 403)       \
  X(kFrozen, "frozen", 403)                               \
  X(kNotFound, "not_found", 404)                          \
  X(kUnknownModule, "unknown_module", 404)                \
  X(kUnknownVersion, "unknown_version", 404)              \
  X(kUnknownRule, "unknown_rule", 404)                    \
  X(kMethodNotAllowed, "method_not_allowed", 405)         \
  X(kVersionConflict, "version_conflict", 409)            \
  X(kReloadInProgress, "reload_in_progress", 409)         \
  X(kNoPreviousVersion, "no_previous_version", 409)       \
  X(kQuarantined, "quarantined", 409)                     \
  X(kNoWatch, "no_watch", 409)                            \
  X(kRuleExists, "rule_exists", 409)                      \
  X(kTooManyRules, "too_many_rules", 409)                 \
  X(kPreconditionFailed, "precondition_failed", 412)      \
  X(kPreconditionRequired, "precondition_required", 428)  \
  X(kBadRule, "bad_rule", 422)                            \
  X(kLowConfidence, "low_confidence", 422)                \
  X(kTooLarge, "too_large", 413)                          \
  X(kUnsupportedMediaType, "unsupported_media_type", 415) \
  X(kInvalidWasm, "invalid_wasm", 422)                    \
  X(kMissingExport, "missing_export", 422)                \
  X(kForbiddenImport, "forbidden_import", 422)            \
  X(kInvalidAction, "invalid_action", 422)                \
  X(kSampleTrapped, "sample_trapped", 422)                \
  X(kSampleTimeout, "sample_timeout", 422)                \
  X(kConfigureFailed, "configure_failed", 422)            \
  X(kMemoryLimit, "memory_limit", 422)                    \
  X(kCostLimit, "cost_limit", 422)                        \
  X(kInventoryShrank, "inventory_shrank", 422)            \
  X(kRuleTestsFailed, "rule_tests_failed", 422)           \
  X(kCompileTimeout, "compile_timeout", 422)              \
  X(kCompileFailed, "compile_failed", 422)                \
  X(kRateLimited, "rate_limited", 429)                    \
  X(kCancelled, "cancelled", 409)                         \
  X(kInternal, "internal", 500)                           \
  X(kNoWorker, "no_worker", 503)                          \
  X(kWorkersDisagree, "workers_disagree", 503)            \
  X(kShuttingDown, "shutting_down", 503)                  \
  X(kNotReady, "not_ready", 503)                          \
  X(kBusy, "busy", 503)                                   \
  X(kConfig, "config", 500)                               \
  X(kIo, "io", 500)                                       \
  X(kProtocol, "protocol", 500)                           \
  X(kArtifactRejected, "artifact_rejected", 500)          \
  X(kBadSignature, "bad_signature", 422)                  \
  X(kSignatureRequired, "signature_required", 422)        \
  X(kNoNodes, "no_nodes", 409)                            \
  X(kUnknownRollout, "unknown_rollout", 404)              \
  X(kRolloutEnded, "rollout_ended", 409)                  \
  X(kUnreachable, "unreachable", 503)                     \
  X(kMaxUnavailable, "max_unavailable", 503)              \
  X(kStageFailed, "stage_failed", 422)                    \
  X(kRolloutAborted, "rollout_aborted", 409)              \
  X(kRolloutReverted, "rollout_reverted", 502)

enum class ErrorCode : std::uint8_t {
#define SECBEAT_X(enumerator, word, status) enumerator,
  SECBEAT_ERROR_CODES(SECBEAT_X)
#undef SECBEAT_X
};

// The stable word, such as "version_conflict".
std::string_view word_of(ErrorCode code) noexcept;
// The status with which the HTTP API answers, 400 to 599.
int http_status_of(ErrorCode code) noexcept;
// The code with this word; kInternal for a word that is not in the table (an answer of a newer peer).
ErrorCode code_of(std::string_view word) noexcept;

struct Error {
  ErrorCode code;
  std::string message;  // a sentence for a person, without a final full stop
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(ErrorCode code, std::string message) {
  return std::unexpected(Error{code, std::move(message)});
}

// "what: strerror(errno)", code kIo. Reads errno at the call.
Error io_error(std::string_view what);

}  // namespace secbeat
