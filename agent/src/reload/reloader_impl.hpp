// The reloader behind the contract of reloader.hpp; its parts are in reloader*.cpp.
//
//   reloader.cpp           reload()
//   reloader_rollback.cpp  rollback()
//   reloader_held.cpp      a rollback that the disk has no room for, and the rehearsal of one
//   reloader_remove.cpp    remove()
//   reloader_signature.cpp who vouches for the bytes
//   reloader_gates.cpp     what the rehearsal found out, held against the limits
//   reloader_steps.cpp     what they share: check, prepare, bring into force, record
//   reloader_open.cpp      what happens at start
//   reloader_recover.cpp   … where files are lost or damaged
//   reloader_mend.cpp      artifacts that have gone from the disk
//   reloader_views.cpp     questions
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "chain_state.hpp"
#include "committer.hpp"
#include "compile_child.hpp"
#include "initial_modules.hpp"
#include "ledger.hpp"
#include "operation_board.hpp"
#include "operation_gate.hpp"
#include "reload_pipeline.hpp"
#include "secbeat/agent/reloader.hpp"
#include "version_store.hpp"

namespace secbeat::agent {

struct Signature;

inline constexpr std::string_view kByStart = "start";  // who did it: the start of the node itself

// What touches the engine, as a seam for tests.
struct EngineParts {
  std::unique_ptr<Compiler> compiler;
  // Whether this build's engine takes the artifact (kArtifactRejected: it has to be compiled again).
  std::function<Result<void>(std::string_view bytes, std::string_view sha256)> accepts_artifact;
};

Result<std::unique_ptr<Reloader>> open_reloader_with(const Config& config, control::Scoreboard& scoreboard,
                                                     WorkerHub& hub, const Clock& clock, EngineParts parts,
                                                     const CancelToken& ending);

enum class Patient : std::uint8_t { kYes, kNo };  // waits for its turn, or is turned away

// One attempt to change what is in force, from its first byte to its answer.
struct Attempt {
  std::string name;
  std::string kind;
  std::string reason;
  Origin origin;
  SteadyTime received;
  std::uint64_t requests_at_receipt = 0;
  Stages stages;
  std::string attempted;  // label
  std::string sha256;
  std::string config_sha256;
  std::optional<SignatureRow> signature = {};  // that was checked
  std::vector<std::string> warnings = {};
  Gates gates = Gates::kOn;
  Measured measured = {};      // once the rehearsal has found it out
  std::uint64_t replaces = 0;  // id of the version that decided when it began; 0: none
  UploadKind upload = UploadKind::kReload;
  // Set: files that workers find damaged are made again and staged once more, until this is cancelled.
  const CancelToken* mends = nullptr;
};

// Sentences that more than one operation answers with.
Error no_worker();
Error without_configure(const std::string& name);
Error configure_for_each_request(const std::string& name);

class ReloaderImpl final : public Reloader {
 public:
  ReloaderImpl(const Config& config, control::Scoreboard& scoreboard, WorkerHub& hub, const Clock& clock,
               EngineParts parts, std::unique_ptr<Ledger> ledger, VersionStore store);
  // Repairs, loads what the configuration file names and is not there; called once, before anything else.
  // `said`: what had to be done to have a ledger. kShuttingDown once `ending` is cancelled.
  Result<void> start(const CancelToken& ending, const std::string& said);

  Outcome<ReloadResult> reload(const Upload& upload) override;
  Outcome<RollbackResult> rollback(const Rollback& wanted) override;
  Outcome<RemovalResult> remove(const Removal& removal) override;
  Outcome<VersionView> version(const std::optional<std::string>& name) const override;
  [[nodiscard]] std::vector<VersionView> modules() const override;
  Outcome<std::vector<HistoryRow>> history(const std::optional<std::string>& name, Page page) const override;
  [[nodiscard]] std::vector<CostInForce> costs() const override;
  Outcome<KnownVersions> versions(const std::optional<std::string>& name, Page page) const override;
  Outcome<std::string> module_bytes(std::string_view sha256) const override;
  Outcome<std::string> config_bytes(std::string_view sha256) const override;
  [[nodiscard]] std::vector<ReloadTotals> totals() const override;
  [[nodiscard]] control::InForce in_force() const override;
  [[nodiscard]] std::string label_of(std::uint64_t version_id) const override;
  [[nodiscard]] bool ready() const override;
  [[nodiscard]] std::optional<Operation> operation() const override { return board_.current(); }
  [[nodiscard]] std::vector<std::string> configured_names() const override { return config_names_; }
  Result<void> lift_quarantine(std::string_view name, std::uint64_t version_id) override;
  Result<void> record(const HistoryRow& row) override { return ledger_->record(row); }
  Outcome<RehearsedRollback> rehearse_rollback(const std::string& name) override;
  void mend() override;
  [[nodiscard]] RuleMemory* rule_memory() override { return ledger_.get(); }
  void set_keeper(VersionKeeper* keeper) override { keeper_ = keeper; }
  void shut_down() override { gate_.shut_down(); }

 private:
  // A version that has been compiled and put in its place, with all that is to be recorded.
  struct Prepared {
    control::InForce next;
    Intent intent;
    std::vector<std::string> warnings;
  };
  // What a start has to do besides loading.
  struct Recovery {
    std::string said;              // about the state as a whole; empty: nothing was wrong with it
    std::vector<Intent> intents;   // recorded with the document that comes into force
    std::vector<HistoryRow> lost;  // versions that are in force and cannot be served
  };
  struct Applied {
    WorkerCount workers;
    std::uint64_t max_pause_ns = 0;
    std::uint64_t requests = 0;
    std::vector<std::string> warnings;
  };

  // reloader.cpp
  Outcome<std::string> name_of(const Upload& upload, const Result<engine::ModuleInfo>& info) const;
  Outcome<ReloadResult> run(const Upload& upload, const Result<engine::ModuleInfo>& info, Attempt& attempt,
                            const CancelToken& cancel);
  Result<Candidate> candidate_of(const Upload& upload, const Result<engine::ModuleInfo>& info, const std::string& name,
                                 const control::Version* current) const;
  std::optional<Failure> judged_by_gates(const Upload& upload, const Attempt& attempt) const;
  [[nodiscard]] std::optional<Failure> held_in_quarantine(const Upload& upload, const Attempt& attempt) const;
  Outcome<ReloadResult> try_out(const Candidate& candidate, Attempt& attempt, const control::InForce& before,
                                const CancelToken& cancel);
  // What a fleet has rehearsed comes into force without another compile.
  void keep_rehearsed(const Candidate& candidate, const Checked& checked);
  Outcome<ReloadResult> apply(const Candidate& candidate, Attempt& attempt, const control::InForce& before,
                              const CancelToken& cancel);
  ReloadResult result_of(const Candidate& candidate, const Attempt& attempt, const control::InForce& document,
                         std::string version) const;

  // reloader_gates.cpp
  [[nodiscard]] Replaced replaced_by(const Attempt& attempt, const control::InForce& before) const;
  // Puts into the attempt what was found out, and judges it. What was forced is a warning of `checked`.
  std::optional<Failure> judged_by_rehearsal(Attempt& attempt, Checked& checked, const control::InForce& before) const;

  // reloader_rollback.cpp
  Outcome<RollbackResult> go_back(const control::Slot& slot, const Rollback& rollback, control::Version target,
                                  Attempt& attempt, const control::InForce& before,
                                  std::optional<Quarantine> quarantine);
  [[nodiscard]] Failure with_advice(Failure failure, const control::Slot& slot, const control::Version& target) const;

  // reloader_held.cpp: rollbacks that the disk has no room for
  [[nodiscard]] Rollback with_what_was_held(const Rollback& rollback) const;
  Outcome<RollbackResult> held(const control::Slot& slot, const Rollback& rollback, RollbackResult result,
                               Failure failure);
  void note_held(std::uint64_t version_id, const Rollback& rollback);
  void no_longer_held(const control::Slot& slot, const control::Version& target, const RollbackResult& done);

  // reloader_remove.cpp
  Outcome<RemovalResult> take_out(const control::Slot& slot, const Removal& removal, Attempt& attempt,
                                  const control::InForce& before);

  // reloader_signature.cpp
  // `text`: of the file .sig, as far as there is one. What holds is kept in the attempt.
  Result<void> check_vouched(const Candidate& candidate, const std::optional<std::string>& text,
                             Attempt& attempt) const;
  [[nodiscard]] Result<void> check_not_older(const Signature& signature) const;
  void tell_unsigned() const;

  // reloader_steps.cpp: shared by reload, rollback, removal and start
  [[nodiscard]] Attempt new_attempt(std::string kind, std::string reason, const Origin& origin) const;
  // Why nothing but a rollback may change what is in force; recorded.
  std::optional<Failure> forbidden(Attempt& attempt);
  // The id of the version of `slot` by which workers decide: not the current one where that is taken back.
  [[nodiscard]] std::uint64_t deciding(const control::Slot& slot) const;
  // The last look before the commit, of what is no rollback: why it may not come into force after all.
  std::optional<Failure> overtaken(const control::InForce& before, Attempt& attempt);
  // The turn of an operation that stands back for others.
  Outcome<OperationGate::Turn> enter(const std::string& name, Patient patient);
  [[nodiscard]] std::optional<Failure> conflict(const std::string& name,
                                                const std::optional<std::string>& expected_version) const;
  Result<Checked> check(const Candidate& candidate, Attempt& attempt, const control::InForce& before,
                        const CancelToken& cancel);
  Result<Prepared> prepare(const Candidate& candidate, const Checked& checked, const Attempt& attempt,
                           const control::InForce& before);
  // `next` changes where it has to be made again.
  Outcome<void> stage(control::InForce& next, Attempt& attempt, const CancelToken* cancel, Late late);
  Outcome<Applied> bring_into_force(const control::InForce& before, control::InForce& next, Intent intent,
                                    Attempt& attempt, const CancelToken* cancel, Late late = Late::kRefuse);
  Failure fail_attempt(Attempt& attempt, Failure failure);
  [[nodiscard]] Failure about(const std::string& name, Error error) const;
  [[nodiscard]] HistoryRow row_of(const Attempt& attempt) const;
  Finish finish_of(Attempt& attempt, std::uint64_t requests) const;
  Result<Numbers> reserve(const control::InForce& before);
  [[nodiscard]] Error cancelled() const;
  [[nodiscard]] WorkerCount workers_at(std::uint64_t generation) const;
  [[nodiscard]] Result<NewLabel> label_for(const Candidate& candidate) const;
  [[nodiscard]] double since_ms(SteadyTime start) const;
  [[nodiscard]] std::string now_text() const { return rfc3339(clock_.now()); }
  [[nodiscard]] Line line() const;
  void remember(const control::InForce& in_force);
  void tell_keeper(const control::InForce& next, const Intent& intent);
  void collect_garbage();
  [[nodiscard]] std::string serving_label(std::string_view name) const;

  // reloader_open.cpp
  Result<void> repair(const control::InForce& found);
  [[nodiscard]] Result<void> check_isolation(const control::InForce& document) const;
  [[nodiscard]] Numbers numbers_in_use() const;
  Result<control::InForce> with_usable_versions(control::InForce document, const std::vector<InitialModule>& modules,
                                                Recovery& recovery, const CancelToken& ending);
  Result<control::Version> usable(const control::Slot& slot, const control::Version& version,
                                  const CancelToken& ending);
  Result<control::Version> recompiled(const control::Slot& slot, control::Version version, const CancelToken& cancel);
  // Empty: these bytes with this configuration may come into force by themselves.
  [[nodiscard]] std::string why_not_by_itself(std::string_view name, std::string_view sha256,
                                              std::string_view config_sha256) const;
  Result<void> load_missing(const std::vector<InitialModule>& modules, control::InForce& document, Recovery& recovery,
                            const CancelToken& ending);
  Result<void> put_in_force(const control::InForce& found, control::InForce document, std::vector<Intent>& intents);
  void tell_differences(const std::vector<InitialModule>& modules, const control::InForce& found) const;

  // reloader_recover.cpp
  Result<control::InForce> found_in_force(Recovery& recovery);
  void restore_files(const control::InForce& found, const std::vector<InitialModule>& modules);
  // What becomes of a slot whose current version is lost; false: the slot goes, and the file's module is loaded anew.
  bool replace_lost(control::Slot& slot, const control::Version& lost, const Error& reason, bool named,
                    Recovery& recovery);
  [[nodiscard]] HistoryRow row_of_start(const std::string& kind, const std::string& reason, const std::string& name,
                                        const control::Version& version) const;
  void tell_what_was_done(const control::InForce& document, const Recovery& recovery);

  // reloader_mend.cpp
  [[nodiscard]] bool in_force_is_on_disk() const;
  [[nodiscard]] bool needs_mending(const control::InForce& document) const;
  control::InForce mended(control::InForce document, const CancelToken& cancel);
  [[nodiscard]] bool is_whole(const control::InForce& document) const;
  [[nodiscard]] std::string missing_fallbacks() const;  // what workers say that they could not load
  bool make_whole(control::InForce& next, const Failure& failure, const CancelToken& cancel);

  // reloader_views.cpp
  [[nodiscard]] VersionView view_of(const control::Slot& slot, const control::InForce& document,
                                    const std::vector<WorkerStatus>& workers) const;
  // What `name` is at `generation`; empty where nobody remembers.
  [[nodiscard]] std::string label_at(std::uint64_t generation, std::string_view name,
                                     const control::InForce& document) const;

  // Constant after start().
  const Config config_;
  control::Scoreboard& scoreboard_;
  WorkerHub& hub_;
  const Clock& clock_;
  EngineParts parts_;
  std::unique_ptr<Ledger> ledger_;
  std::vector<std::string> config_names_;  // of config_.modules, in order

  // Owned by the operation that holds the gate's turn (the store's reading methods: anybody).
  VersionStore store_;
  ReloadPipeline pipeline_;
  Committer committer_;
  std::map<std::string, SteadyTime, std::less<>> last_reload_;
  control::Slot rehearsed_;  // of nobody: its one version is what was rehearsed for a fleet last; empty: nothing was
  VersionKeeper* keeper_ = nullptr;  // constant once operations come
  std::string fallbacks_met_;        // mend()'s own: the complaints for which workers have loaded everything anew

  OperationGate gate_;
  OperationBoard board_;

  mutable std::mutex mutex_;
  control::InForce in_force_;               // guarded by mutex_; what workers have acknowledged
  std::map<std::uint64_t, Rollback> held_;  // guarded by mutex_; by the id of the version that was taken back
  std::deque<control::InForce> earlier_;    // guarded by mutex_; what they may still serve, newest first
};

}  // namespace secbeat::agent
