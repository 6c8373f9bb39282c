// The documents that the API answers with, in the order of docs/api.md; those of /openapi.json are the same
// descriptions (secbeat/http/schema.hpp).
//
// A new document: describe its type in api_documents.cpp, name it here, and let the route's handler answer with
// json_response(to_document(…)).
//
// Thread safety: constants and free functions without state.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api_http.hpp"
#include "secbeat/agent/archive.hpp"
#include "secbeat/agent/break_glass.hpp"
#include "secbeat/agent/event_log.hpp"
#include "secbeat/agent/reloader.hpp"
#include "secbeat/http/value.hpp"

namespace secbeat::agent {

// A page of a list; `next_before` is the cursor for the next one, null where this is the last.
struct HistoryPage {
  std::vector<HistoryRow> reloads;
  std::optional<std::int64_t> next_before;
};
struct ModuleList {
  std::vector<VersionView> modules;
  std::optional<ArchiveStatus> archive = {};  // nothing: there is none
};
struct VersionPage {
  std::vector<KnownVersion> versions;
  std::uint64_t total = 0;
  std::optional<std::int64_t> next_before;
};
struct WatchEnded {
  WatchView watch;
};
struct DrillReport {
  bool healthy = true;
  std::vector<DrillFinding> checks;
};
struct UnderWay {
  std::optional<Operation> operation;
};
struct ErrorTotals {
  std::uint64_t trap = 0;
  std::uint64_t deadline = 0;
  std::uint64_t memory = 0;
  std::uint64_t bad_verdict = 0;
  std::uint64_t no_instance = 0;
};
struct LabelledError {
  ErrorRow row;
  std::string version;
};
struct ErrorPage {
  std::optional<std::string> module;
  std::optional<std::string> version;
  std::int64_t window_seconds = 0;
  ErrorTotals totals;
  std::vector<LabelledError> errors;
};
struct LabelledRequest {
  RequestRow row;
  std::string version;
};
struct RequestPage {
  std::vector<LabelledRequest> requests;
  std::optional<std::int64_t> next_before;
};
struct RuleChange;
struct ActiveRule {
  std::string id;
  std::optional<std::string> pattern;
  std::optional<std::string> created_at;
  std::optional<std::string> expires_at;
  std::uint64_t blocks = 0;
  std::uint64_t logs = 0;
  std::uint64_t rate_limits = 0;
  std::optional<SystemTime> last_match_at;
  std::string action;
};
struct ActiveRules {
  std::vector<ActiveRule> rules;
};
struct RuleStats {
  std::uint64_t total_dynamic_rules = 0;
  std::uint64_t active_rules = 0;
  std::uint64_t total_blocks = 0;
};
struct Health {
  std::string status;
};

Json to_document(const ReloadResult& result, UploadKind kind);
Json to_dry_run_document(const ReloadResult& result);
Json to_document(const RollbackResult& result);
Json to_document(const RemovalResult& result);
Json to_document(const WatchEnded& ended);
Json to_document(const BreakGlassView& view);
Json to_document(const GlassResult& result);
Json to_document(const DrillReport& report);
Json to_document(const VersionView& view);
Json to_document(const ModuleList& list);
Json to_document(const HistoryPage& page);
Json to_document(const VersionPage& page);
Json to_document(const UnderWay& under_way);
Json to_document(const ErrorPage& page);
Json to_document(const RequestPage& page);
Json to_document(const RuleChange& change);
Json to_document(const ActiveRules& rules);
Json to_document(const RuleStats& stats);
Json to_document(const Health& health);

using http::value_of;

// The watch as a part of other documents.
Json value_of(const WatchView& watch);

// What the rehearsal found out, as parts of other documents.
Json value_of(const engine::Cost& cost);
Json value_of(const std::optional<engine::Cost>& cost);
Json value_of(const InventoryChange& change);

// Status, body, Retry-After of an operation that failed.
HttpResponse failure_response(const Failure& failure);

namespace documents {
extern const DocumentType kReload;
extern const DocumentType kValidation;
extern const DocumentType kRollback;
extern const DocumentType kRemoval;
extern const DocumentType kWatchEnd;
extern const DocumentType kWatch;  // within others
extern const DocumentType kBreakGlass;
extern const DocumentType kBreakGlassResult;
extern const DocumentType kDrill;
extern const DocumentType kCost;       // within others
extern const DocumentType kInventory;  // within others
extern const DocumentType kVersion;
extern const DocumentType kModules;
extern const DocumentType kHistory;
extern const DocumentType kVersions;
extern const DocumentType kUnderWay;
extern const DocumentType kErrors;
extern const DocumentType kRequests;
extern const DocumentType kRuleChange;
extern const DocumentType kActiveRules;
extern const DocumentType kRuleStats;
extern const DocumentType kHealth;
extern const DocumentType kError;  // of every answer with a status of 4xx or 5xx
}  // namespace documents

// The words that a value can have, where the API's parameters have them too.
inline constexpr std::string_view kVerdictWords[] = {"block", "log", "rate_limit"};

}  // namespace secbeat::agent
