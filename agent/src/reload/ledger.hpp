// The node's memory of its versions and of every attempt to change them: SQLite, data_dir/ledger.sqlite.
//
// An attempt that gets as far as a commit is written twice: as an intent before the in-force file is renamed,
// and as finished after the workers have acknowledged. An intent that a crash left open is judged by the
// in-force file, which is the truth: what it says is what workers load. WAL with synchronous=FULL, so that
// what a method has returned is on the disk. Two methods do not wait for it, because a crash of the machine (that of
// the agent loses nothing) can take only what the next start finds again: succeed(), which repair() repeats from the
// intent, and reserve(), whose numbers nobody has seen unless a later intent, which is synced with all before it, has
// them.
//
// Thread safety: every method may be called from any thread; one connection, guarded by a mutex.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gates.hpp"
#include "labels.hpp"
#include "secbeat/agent/reloader.hpp"
#include "secbeat/agent/rule_memory.hpp"

namespace secbeat::agent {

// A version as the ledger remembers it, also after its files have gone.
struct VersionRow {
  std::uint64_t id = 0;
  std::string name;
  std::string label;
  std::string sha256;
  std::string config_sha256;
  std::string artifact_sha256;
  std::uint64_t size_bytes = 0;
  std::uint64_t artifact_bytes = 0;
  std::optional<std::string> embedded_version;
  bool exports_configure = false;
  std::uint64_t previous_id = 0;  // the version that it replaced when it was new; 0: none
  std::string created_at;         // RFC 3339
  std::uint64_t generation = 0;   // in which it came into force last; 0: it never did
};

// What may not come into force again without force: the bytes and configuration of a version that was taken back
// automatically.
struct Quarantine {
  std::string name;  // of the module
  std::string sha256;
  std::string config_sha256;
  std::string label;   // of the version
  std::string since;   // RFC 3339
  std::string reason;  // the evidence
};

// Under which signature bytes came into force.
struct SignatureRow {
  std::string name;  // of the module
  std::string sha256;
  std::string key_id;
  std::string signed_at;  // RFC 3339 in UTC to the second
  std::string text;       // the file .sig
};

enum class Counted : std::uint8_t { kYes, kNo };  // in the reload totals

// What is about to be done. `row.version` comes into force if it succeeds, `row.from_version` stays if not.
struct Intent {
  HistoryRow row;
  std::uint64_t version_id = 0;           // of row.version
  std::optional<VersionRow> new_version;  // recorded with it, where it is new
  NewLabel label;                         // of new_version: used up by the intent, also if it fails later
  Counted counted = Counted::kYes;
  Measures measures = {};  // of new_version
  // Count once it has succeeded.
  std::optional<Quarantine> quarantine = {};
  std::optional<SignatureRow> signature = {};
};

// What is known only at the end.
struct Finish {
  std::uint64_t duration_ms = 0;
  std::uint64_t requests_during_reload = 0;
  Stages stages;
};

struct Numbers {
  std::uint64_t version_id = 0;
  std::uint64_t generation = 0;
};

class Ledger final : public RuleMemory {
 public:
  static constexpr int kSchema = 1;
  // Rows that are kept; the oldest go first.
  struct Bounds {
    std::int64_t history = 100000;
    std::int64_t versions = 20000;  // of each module
    std::int64_t quarantine = 1000;
  };

  // Opens or creates. kConfig for a file that is no ledger, is damaged, or that a newer build has written; kIo where
  // the disk or another process is in the way.
  static Result<std::unique_ptr<Ledger>> open(const std::filesystem::path& file, const Bounds& bounds);
  static Result<std::unique_ptr<Ledger>> open(const std::filesystem::path& file) { return open(file, {}); }
  // Where the disk takes none: it lasts as long as the process, so it promises nothing: reserve() and begin() fail with
  // `why`.
  static Result<std::unique_ptr<Ledger>> open_in_memory(std::string why);

  // There was no file, or an empty one.
  [[nodiscard]] bool is_new() const noexcept { return new_; }
  [[nodiscard]] bool is_in_memory() const noexcept { return !refuses_.empty(); }

  // Makes the ledger agree with what is in force (nothing: empty document): intents that are still open become
  // successes where their generation is in force, else failures ("interrupted"); versions that it does
  // not know are entered; numbers continue above those of the document.
  // `described` gives what only a module's bytes can tell about a version that has to be entered.
  using Describe = std::function<void(const control::Version&, VersionRow&)>;
  Result<void> repair(const control::InForce& in_force, const Describe& described, std::string_view now);

  // A version id and a generation that nobody has used or will use, also if nothing comes of them.
  Result<Numbers> reserve();
  // Numbers that somebody else has seen, such as workers that live longer than this ledger: it counts on above them.
  Result<void> continue_above(const Numbers& seen);

  // Writes the intents in one transaction; the ids of their history rows, in order.
  Result<std::vector<std::int64_t>> begin(std::span<const Intent> intents);
  Result<void> succeed(std::int64_t row, const Finish& finish);
  Result<void> withdraw(std::int64_t row, const Error& error, const Finish& finish);
  // Something that changed no version and succeeded.
  Result<void> record(const HistoryRow& row);
  // An attempt that failed before anything was to be written.
  Result<void> record_failure(const HistoryRow& row);
  // What has happened already, by nobody's request: a success that is in no total.
  Result<void> record_event(const HistoryRow& row, std::uint64_t version_id);
  // Another artifact for the same version (the engine refused the old one).
  Result<void> set_artifact(std::uint64_t version_id, std::string_view artifact_sha256, std::uint64_t artifact_bytes);

  // Empty: these bytes with this configuration are free.
  [[nodiscard]] Result<std::optional<Quarantine>> quarantine(std::string_view name, std::string_view sha256,
                                                             std::string_view config_sha256) const;
  Result<void> lift_quarantine(std::string_view name, std::string_view sha256, std::string_view config_sha256);

  // By module, what its newest successful row brought into force; without those that it removed.
  [[nodiscard]] Result<std::vector<VersionRow>> last_in_force() const;
  // Empty: these bytes never came into force with a signature under this name.
  [[nodiscard]] Result<std::optional<SignatureRow>> signature(std::string_view name, std::string_view sha256) const;
  // When the newest signature under this name was made; empty: there was none.
  [[nodiscard]] Result<std::string> newest_signature(std::string_view name) const;
  // What the rehearsal found out about a version; nothing of one that was not rehearsed, or of long ago.
  [[nodiscard]] Result<Measures> measures(std::uint64_t version_id) const;

  // ledger_rules.cpp
  [[nodiscard]] Result<RememberedTallies> rule_tallies() const override;
  Result<void> keep_rule_tallies(std::string_view board, std::span<const RuleTally> changed) override;
  Result<std::optional<std::uint64_t>> end_rule(const RuleLife& life, std::uint64_t total_blocks,
                                                std::uint64_t version_id, const EndRow& row) override;

  [[nodiscard]] Result<LabelFamilies> families(std::string_view name) const;
  [[nodiscard]] std::uint64_t previous_id(std::uint64_t id) const noexcept;  // 0 where it is not known
  [[nodiscard]] Result<VersionRow> version(std::uint64_t id) const;          // kUnknownVersion
  [[nodiscard]] Result<std::vector<VersionRow>> versions(const std::optional<std::string>& name,
                                                         Page page) const;  // newest first
  [[nodiscard]] Result<std::uint64_t> count_versions(const std::optional<std::string>& name) const;
  [[nodiscard]] Result<std::vector<HistoryRow>> history(const std::optional<std::string>& name, Page page) const;
  [[nodiscard]] Result<std::vector<ReloadTotals>> totals() const;

 private:
  Ledger(const std::filesystem::path& file, const Bounds& bounds);
  void prepare_schema();
  void prove_whole_and_writable();
  [[nodiscard]] Result<void> promise() const;
  void enter(const VersionRow& row);
  void enter(const Quarantine& quarantine);
  void enter(const SignatureRow& signature);
  void prepare_promises();
  void promise_with(std::int64_t row, const Intent& intent);
  void keep_promises_of(std::int64_t row);
  void drop_promises_of(std::int64_t row);
  void prepare_rules();
  void insert_event(const HistoryRow& row, std::uint64_t version_id);
  void prepare_measures();
  void enter(const VersionRow& version, const Measures& measures);
  void enter(std::int64_t row, const Measured& measured);
  void prune_measures();
  void finish_row(std::int64_t row, const Finish& finish);
  void count(std::int64_t row);
  void prune(std::string_view name);
  void enter_unknown(const control::InForce& in_force, const Describe& described, std::string_view now);
  std::uint64_t number(const char* key) const;
  void raise_number(const char* key, std::uint64_t at_least);

  const Bounds bounds_;
  bool new_ = false;     // constant after opening
  std::string refuses_;  // constant after opening; empty: on the disk

  mutable std::mutex mutex_;
  mutable SQLite::Database database_;  // guarded by mutex_
};

}  // namespace secbeat::agent
