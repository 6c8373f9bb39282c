// A chain: what one generation asks of each request, ready to run.
//
// Built off the event loop and constant from then on, so that taking it into service is a change of one pointer.
// Versions are shared between chains: a new generation loads only what no earlier one has.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "counters.hpp"
#include "loaded_version.hpp"
#include "secbeat/base/error.hpp"
#include "secbeat/control/in_force.hpp"
#include "secbeat/control/rate_limiter.hpp"

namespace secbeat::worker {

// One version in one place of the chain.
struct Candidate {
  control::Version version;               // id 0: there is none
  std::shared_ptr<LoadedVersion> loaded;  // null: it could not be loaded; each request counts that as an error
  control::Series* series = nullptr;      // not null where there is a version

  [[nodiscard]] bool exists() const noexcept { return version.id != 0; }
  [[nodiscard]] bool needs_body() const noexcept { return loaded && loaded->needs_body(); }
};

struct Link {
  std::string name;
  control::OnError on_error = control::OnError::kPrevious;
  Candidate current;   // exists
  Candidate previous;  // asked where `current` fails and on_error is kPrevious

  // Event loop: the request has been decided.
  void end_request() const noexcept {
    if (current.loaded) current.loaded->end_request();
    if (previous.loaded) previous.loaded->end_request();
  }
};

// Thread safety: the event loop runs the one in service; the helper thread owns all of them.
class Chain {
 public:
  Chain(control::InForce in_force, std::shared_ptr<Counters> counters_of_worker);
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;

  control::InForce document;
  // What is served with this chain: the document's generation; 0 where a current version is missing, because
  // then it is not served.
  std::uint64_t generation = 0;
  std::vector<Link> links;                           // of modules that have a current version, in order
  std::vector<std::shared_ptr<LoadedVersion>> kept;  // neither current nor previous, for a rollback
  std::shared_ptr<Counters> counters;
  control::RateLimiter limiter;  // thread-safe
  bool needs_body = false;
  bool previous_needs_body = false;  // of any link, whatever its on_error
  std::string failed_fallbacks;      // versions that requests may fall back to and that could not be loaded, for people

  // With a version taken back, its previous one decides and may want what the current one does not.
  [[nodiscard]] bool needs_body_now() const noexcept {
    return needs_body || (previous_needs_body && control::Flags::of(counters->layout().break_glass).some_taken_back());
  }
  // `version` as `slot` asks for it.
  [[nodiscard]] std::shared_ptr<LoadedVersion> find(const control::Version& version,
                                                    const control::Slot& slot) const noexcept;
  // The artifact of a version that is loaded here, for another version of it; null: there is none.
  [[nodiscard]] std::shared_ptr<const engine::Artifact> artifact_for(const control::Version& version,
                                                                     const control::Slot& slot) const noexcept;
  // Helper thread, before this chain goes into service: current versions have an instance and a spare.
  void prepare(const LoadContext& context) const;
  // Helper thread, in service: brings the instances of every version into their state of readiness.
  void maintain(const LoadContext& context) const;
  // Ids of all versions of the document.
  void append_ids(std::vector<std::uint64_t>& ids) const;
};

struct LoadFailure {
  std::string module;
  std::string label;
  Error error;
};

struct BuiltChain {
  std::unique_ptr<Chain> chain;
  std::vector<LoadFailure> failures;          // of current versions: `chain` does not serve its document
  std::vector<LoadFailure> failed_fallbacks;  // of others: `chain` does, with less to fall back to
};

// Whether chains of `existing` have all that `in_force` names.
[[nodiscard]] bool all_loaded(const control::InForce& in_force, std::span<const Chain* const> existing) noexcept;

// Loads what `in_force` names and no chain of `existing` has. Chains in `existing` keep their counters' numbers.
BuiltChain build_chain(const LoadContext& context, const control::InForce& in_force, std::shared_ptr<Counters> counters,
                       std::span<const Chain* const> existing);

}  // namespace secbeat::worker
