// What the node can be asked to do to its rules: the reload pipeline behind the API and the command line.
//
// One operation at a time changes what is in force; a rollback cancels a compile that is under way and waits
// only for a commit. docs/life_of_a_reload.md follows one reload through it.
//
// Thread safety: every method may be called from any thread; reload(), rollback() and remove() block their caller.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/agent/config.hpp"
#include "secbeat/agent/version_keeper.hpp"
#include "secbeat/agent/watch_view.hpp"
#include "secbeat/agent/worker_hub.hpp"
#include "secbeat/base/clock.hpp"
#include "secbeat/base/error.hpp"
#include "secbeat/engine/cost.hpp"

namespace secbeat::agent {

class CancelToken;

// How the rules that a module lists differ from those of the version that it replaces. The lists of ids hold the first
// kMostRulesTold of each kind, in the order of the module that has them.
struct InventoryChange {
  static constexpr std::size_t kMostRulesTold = 20;

  std::uint64_t rules = 0;    // of the new version
  std::string compared_with;  // label; empty: there is none, or nobody knows its rules; then nothing below counts
  std::uint64_t rules_before = 0;
  std::uint64_t added = 0;
  std::uint64_t removed = 0;
  std::uint64_t changed = 0;  // the same id with another hash or other tags
  std::vector<std::string> added_ids = {};
  std::vector<std::string> removed_ids = {};
  std::vector<std::string> changed_ids = {};

  bool operator==(const InventoryChange&) const = default;
};

// What the rehearsal has found out about a version.
struct Measured {
  std::optional<engine::Cost> cost;          // nothing: it was not counted
  std::optional<InventoryChange> inventory;  // nothing: neither version lists rules

  bool operator==(const Measured&) const = default;
};

// An error of an operation, with what the API adds to it.
struct Failure {
  Error error;
  bool about_module = false;                   // adds current_version and status
  std::optional<std::string> current_version;  // label of what is serving
  std::optional<std::uint32_t> retry_after_seconds;
  std::vector<std::string> names;      // modules or versions there are (404, ambiguous 400)
  std::vector<WorkerFailure> workers;  // workers_disagree
  Measured measured = {};              // of the version that was refused, as far as it came
};
template <class T>
using Outcome = std::expected<T, Failure>;

enum class Mode : std::uint8_t { kApply, kDryRun };
enum class Gates : std::uint8_t { kOn, kForced };
// A file change and changes of rules wait for their turn, where the others are turned away, and the frequency limit is
// not for them. Of one rule (kRuleEdit), the guard against lost rules is neither; of all of them (kRuleSet), it is.
enum class UploadKind : std::uint8_t { kReload, kLoad, kFileChange, kRuleEdit, kRuleSet, kFleet, kFleetRules };
constexpr bool is_of_fleet(UploadKind kind) { return kind == UploadKind::kFleet || kind == UploadKind::kFleetRules; }
constexpr bool is_rule_edit(UploadKind kind) {
  return kind == UploadKind::kRuleEdit || kind == UploadKind::kFleetRules;
}
constexpr bool is_patient(UploadKind kind) { return kind != UploadKind::kReload && kind != UploadKind::kLoad; }

struct Origin {
  std::string by;  // the name of the caller's key, or "local", "start", "file", "watch"
  std::string request_id;
  std::string address = {};  // that the call came from; empty: none
};

struct Upload {
  UploadKind kind = UploadKind::kReload;
  Mode mode = Mode::kApply;
  Gates gates = Gates::kOn;
  std::optional<std::string> file;    // the module's bytes; absent: only the configuration changes
  std::optional<std::string> config;  // absent: the configuration in force is kept
  std::optional<std::string> name;
  std::optional<std::string> expected_version;
  std::string reason;
  Origin origin;
  SteadyTime received;  // when the request's first byte of body came: receive_ms counts from here
  // Of a file change: why the file cannot be taken, as far as its reader has seen. The attempt fails for this reason.
  std::optional<Error> problem = {};
  std::optional<std::string> signature = {};  // of `file`: the text of a file .sig
  std::optional<std::string> label = {};      // of the version, where it was never given here to another one
};

struct Stages {
  double receive_ms = 0;
  double validate_ms = 0;
  double compile_ms = 0;
  double rehearse_ms = 0;
  double stage_ms = 0;
  double swap_ms = 0;
  double total_ms = 0;
};

struct WorkerCount {
  std::size_t serving = 0;
  std::size_t total = 0;
};

struct ReloadResult {
  std::string name;
  std::string version;  // serving after it; for a dry run: would be
  std::optional<std::string> previous_version;
  bool unchanged = false;
  std::uint64_t downtime_ms = 0;
  std::uint64_t max_pause_us = 0;
  std::uint64_t requests_during_reload = 0;
  std::string sha256;
  std::string config_sha256;
  std::uint64_t size_bytes = 0;
  std::uint64_t generation = 0;
  WorkerCount workers;
  Stages stages;
  Measured measured = {};
  std::vector<std::string> warnings;
  std::string signed_by = {};  // id of the key; empty: no signature was checked
};

struct Rollback {
  std::optional<std::string> name;
  std::optional<std::string> to_version;
  std::string reason = "Manual rollback";
  Origin origin;
  // Of a rollback that the node decides on by itself: only if the version with this id still serves (kVersionConflict).
  // Its bytes and configuration are quarantined with the reason.
  std::optional<std::uint64_t> takes_back = {};
  // Only if the version with this id still serves (kVersionConflict): completes what workers do by themselves already.
  std::optional<std::uint64_t> completes = {};
  // Asked when its turn has come (kVersionConflict where not); null: it is.
  std::function<bool()> still_wanted = {};
};

struct RollbackResult {
  std::string name;
  std::string rolled_back_to;
  std::string from_version;  // empty: the module was removed
  std::string reason;
  std::uint64_t downtime_ms = 0;
  std::uint64_t max_pause_us = 0;
  std::uint64_t generation = 0;
  WorkerCount workers;
  std::vector<std::string> warnings;
  // Workers decide by it already, and the node's files do not say so: they cannot be written. To be completed.
  bool held = false;
};

// A rollback that stopped before the swap.
struct RehearsedRollback {
  std::string name;
  std::string version;
  std::string would_be;
  std::size_t workers = 0;               // that got ready
  std::vector<WorkerFailure> failures;   // that did not
  std::optional<Error> history_problem;  // the ledger cannot be written
};

struct Removal {
  std::string name;
  std::optional<std::string> expected_version;
  std::string reason;
  Origin origin;
  bool takes_back = false;  // what had come into force: goes as a rollback does, which no freeze forbids
};

struct RemovalResult {
  std::string name;
  std::string removed_version;
  std::string reason;
  std::uint64_t downtime_ms = 0;
  std::uint64_t max_pause_us = 0;
  std::uint64_t generation = 0;
  WorkerCount workers;
  std::vector<std::string> modules;  // that requests still meet
  std::vector<std::string> warnings;
};

struct WorkerVersion {
  std::int32_t pid = 0;
  std::string version;  // empty: a generation that the agent does not know
  std::uint64_t generation = 0;
  std::string since;  // RFC 3339
};

struct VersionView {
  std::string name;
  std::string version;
  std::string loaded_at;
  std::optional<std::string> previous_version;
  std::uint64_t size_bytes = 0;
  std::string sha256;
  std::string config_sha256;
  std::optional<std::string> embedded_version;
  std::uint64_t generation = 0;
  std::vector<std::string> kept;
  std::vector<WorkerVersion> workers;
  std::optional<WatchView> watch = {};  // the last one over this module; the reloader knows of none
};

struct KnownVersion {   // GET /wasm/versions
  std::int64_t id = 0;  // of the version, unique for ever on this node
  std::string name;
  std::string version;
  std::string sha256;
  std::string config_sha256;
  std::uint64_t size_bytes = 0;
  std::string created_at;
  std::string state;  // "serving", "quarantined", "previous", "kept" (loaded), "stored" (bytes only), "removed"
  std::string quarantined_at = {};  // RFC 3339; empty: it is not
  std::string quarantine_reason = {};
  std::string signature = {};  // of the bytes, as they last came into force; empty: none
  std::string signed_by = {};
};

struct KnownVersions {
  std::vector<KnownVersion> versions;  // of the page, newest first
  std::uint64_t total = 0;             // on all pages
};

struct HistoryRow {
  std::int64_t id = 0;
  std::string timestamp;
  std::string name;
  std::string kind;     // load, reload, config, file_change, rollback, auto_rollback, …
  std::string version;  // what stayed or came serving
  std::string from_version;
  std::string attempted_version;
  std::uint64_t duration_ms = 0;
  std::uint64_t requests_during_reload = 0;
  bool success = false;
  std::string error;
  std::string code;
  std::string reason;
  std::string by;
  std::string source_ip = {};  // empty: it came over no connection
  std::string request_id;
  std::string sha256;
  std::string config_sha256;
  std::uint64_t generation = 0;
  std::string signed_by = {};  // id of the key whose signature the attempt came with and that held; empty: none
  Stages stages;
  Measured measured = {};
};

struct Page {
  std::uint32_t limit = 50;            // 1 to 1000
  std::optional<std::int64_t> before;  // rows with a smaller id
};

// What changes what is in force at this moment, in the order in which it goes through them. kCheck: validate, compile
// and rehearse, in the compile child. kStage: every worker gets ready. kSwap: commit, until every worker serves it.
enum class OperationStage : std::uint8_t { kCheck, kStage, kSwap };
// "check", "stage", "swap"
constexpr std::string_view word_of(OperationStage stage) noexcept {
  return stage == OperationStage::kCheck ? "check" : stage == OperationStage::kStage ? "stage" : "swap";
}

struct Operation {
  std::string name;
  std::string kind;  // as in the history; "validate" for a dry run
  OperationStage stage = OperationStage::kCheck;
  std::string since;  // RFC 3339
  std::uint64_t elapsed_ms = 0;
  std::string request_id;
};

// Stands for all modules that are not counted apart; no module can have this name.
inline constexpr std::string_view kOtherModules = "(others)";

// For /metrics: totals by module, from the ledger. Failures under names that never came into force are kOtherModules'.
struct ReloadTotals {
  std::string module;
  std::uint64_t finished = 0;
  std::uint64_t failed = 0;
  double last_duration_seconds = 0;
  Stages last_stages;
};

// What the rehearsal has counted of a version that is in force.
struct CostInForce {
  std::string module;
  std::string version;
  std::uint64_t fuel = 0;
};

class RuleMemory;

class Reloader {
 public:
  virtual ~Reloader() = default;

  virtual Outcome<ReloadResult> reload(const Upload& upload) = 0;
  // Of a module that was removed: back to its place in the chain.
  virtual Outcome<RollbackResult> rollback(const Rollback& rollback) = 0;
  // Takes a module out of the chain. Its versions stay loaded for a rollback, as those before a reload do.
  virtual Outcome<RemovalResult> remove(const Removal& removal) = 0;

  virtual Outcome<VersionView> version(const std::optional<std::string>& name) const = 0;
  [[nodiscard]] virtual std::vector<VersionView> modules() const = 0;  // in the order of the chain
  virtual Outcome<std::vector<HistoryRow>> history(const std::optional<std::string>& name, Page page) const = 0;
  virtual Outcome<KnownVersions> versions(const std::optional<std::string>& name, Page page) const = 0;
  virtual Outcome<std::string> module_bytes(std::string_view sha256) const = 0;
  // Of a configuration that is loaded, byte for byte; empty for the empty name of none.
  virtual Outcome<std::string> config_bytes(std::string_view sha256) const = 0;
  // Of the modules in the document and of kOtherModules: names that came and went are not listed for ever.
  [[nodiscard]] virtual std::vector<ReloadTotals> totals() const = 0;

  // Of the versions that are in force; without those of which nothing was counted.
  [[nodiscard]] virtual std::vector<CostInForce> costs() const { return {}; }

  // The document as it is in force (a copy), for metrics and events: version ids to labels.
  [[nodiscard]] virtual control::InForce in_force() const = 0;
  // Label of a version by id, also of one that has left; empty when it was never known.
  [[nodiscard]] virtual std::string label_of(std::uint64_t version_id) const = 0;
  // A row of something that changes no version (freeze, bypass), as it stands.
  virtual Result<void> record(const HistoryRow& row) = 0;
  // Gets the version before ready in every worker, and leaves it at that. Stands back for other operations.
  virtual Outcome<RehearsedRollback> rehearse_rollback(const std::string& name) = 0;
  // What is under way; empty: nothing.
  [[nodiscard]] virtual std::optional<Operation> operation() const = 0;
  // All live workers serve what is in force, and there is something in force (not after the last module was removed).
  [[nodiscard]] virtual bool ready() const = 0;

  // A version that was let in by force has served well: an upload of the same needs no force any more.
  virtual Result<void> lift_quarantine(std::string_view name, std::uint64_t version_id) = 0;

  // Makes artifacts again that have gone from the disk or are damaged, so that workers that start find them; to be
  // called from time to time. Waits for its turn; costs next to nothing where nothing is amiss.
  virtual void mend() = 0;

  // Where what rules did is kept; it lives as long as the reloader. Null: nowhere.
  [[nodiscard]] virtual RuleMemory* rule_memory() { return nullptr; }

  // What the modules of config.modules are called, in order.
  [[nodiscard]] virtual std::vector<std::string> configured_names() const = 0;
  // Is told of versions that come into force from now on, and outlives the reloader; null: nobody.
  // REQUIRES: nothing is under way.
  virtual void set_keeper(VersionKeeper* keeper) = 0;

  // Ends a compile that is under way; later calls answer kShuttingDown.
  virtual void shut_down() = 0;
};

// "Changes are frozen since … by …: …"
std::string frozen_sentence(const control::Statement& freeze);

// A note about a rollback that takes this version back: by the command line without an agent, or by an agent that could
// not complete it.
bool is_about_rollback_of(const control::Note& note, std::uint64_t version_id);
void clear_rollback_notes(control::BreakGlassArea& area, std::uint64_t version_id);

// Opens the ledger and the stores under config.data_dir, repairs them from in_force.json, and brings the
// chain of the TOML into force where nothing is in force yet. Where the TOML names another file than
// what is in force, the state wins and a notice is logged. `scoreboard`, `hub` and `clock` outlive it.
// kShuttingDown once `ending` is cancelled, which also ends a compile.
Result<std::unique_ptr<Reloader>> open_reloader(const Config& config, control::Scoreboard& scoreboard, WorkerHub& hub,
                                                const Clock& clock, const CancelToken& ending);

}  // namespace secbeat::agent
