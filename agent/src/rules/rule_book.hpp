// Changes of rules over the API, each a version of the module universal-waf by the same way as an upload: the document
// in force is read, edited, and given to the reloader as the module's configuration.
//
// One change at a time is on its way. Those that come meanwhile wait, and then go together as one reload; where that is
// refused, each goes alone, so that nobody's fault is another's refusal.
//
// Thread safety: every method may be called from any thread; change() blocks its caller.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "secbeat/agent/reloader.hpp"
#include "secbeat/agent/rule_document.hpp"
#include "secbeat/agent/rule_records.hpp"
#include "secbeat/base/clock.hpp"

namespace secbeat::agent {

struct RuleEdit {
  enum class Kind : std::uint8_t { kAdd, kReplace, kRemove, kAll };

  Kind kind = Kind::kAdd;
  std::string id;                       // of kReplace and kRemove
  RuleJson json;                        // the rule, or of kAll the document
  std::optional<std::string> if_match;  // of the rule, or for kAdd and kAll of the document
  std::string reason;
  Origin origin;
  SteadyTime received;
};

struct RuleChange {
  ReloadResult reload;
  std::string id;                         // of the rule; empty: all of them
  std::optional<std::string> expires_at;  // of the rule, as it stands in the document
  std::string etag;                       // of the rule, or where it is gone of the document
  std::uint64_t rules = 0;                // in the document
  std::uint64_t changes = 1;              // that this reload brought into force
  std::vector<std::string> dropped;       // rules that had ended
  std::string message;
};

struct RulesInForce {
  RuleDocument document;  // without what has ended
  std::string etag;
  std::optional<std::string> version;  // label; nothing: the module is not in force
  std::size_t ended = 0;               // rules that have ended, and are in the bytes of the document still
};

class RuleBook {
 public:
  // `shipped`: where the module is taken from when the first rule comes to a node without it.
  // `records` may be null: nobody is told of rules that have ended.
  RuleBook(Reloader& reloader, const Clock& clock, std::filesystem::path shipped, RuleRecords* records = nullptr);

  [[nodiscard]] Outcome<RulesInForce> in_force() const;
  // Returns when every worker serves it.
  Outcome<RuleChange> change(const RuleEdit& edit);

 private:
  struct Base {
    RuleDocument document;
    std::vector<std::string> dropped;
    std::optional<std::string> version;
    std::string etag;
  };
  struct Waiting {
    const RuleEdit* edit;
    std::optional<Outcome<RuleChange>> outcome = {};
  };
  using Batch = std::vector<Waiting*>;

  [[nodiscard]] Outcome<Base> base() const;
  Batch next_batch();
  void work(const Batch& batch);
  void work_once(const Batch& batch);
  Outcome<ReloadResult> bring_into_force(const Batch& done, const Base& base, const Base& edited) const;
  [[nodiscard]] Outcome<void> apply(const RuleEdit& edit, Base& base) const;

  Reloader& reloader_;
  const Clock& clock_;
  const std::filesystem::path shipped_;
  RuleRecords* const records_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Waiting*> waiting_;  // guarded by mutex_
  bool is_busy_ = false;          // guarded by mutex_: somebody works on a batch
};

// universal-waf.wasm, relative to this binary: in a build folder and installed.
std::filesystem::path find_rules_module();

}  // namespace secbeat::agent
