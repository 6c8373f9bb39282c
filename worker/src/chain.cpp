#include "chain.hpp"

#include <algorithm>
#include <utility>

namespace secbeat::worker {
namespace {

// The limiter divides by both; a document with a zero is taken as the strictest that is possible.
constexpr double kLeastPerSecond = 1e-3;

class Builder {
 public:
  Builder(const LoadContext& context, BuiltChain& built, std::span<const Chain* const> existing)
      : context_(context), built_(built), chain_(*built.chain), existing_(existing) {
    chain_.append_ids(keep_);
    for (const Chain* chain : existing_) {
      if (chain->counters == chain_.counters) chain->append_ids(keep_);
    }
  }

  void add(const control::Slot& slot) {
    if (slot.current_version() != nullptr) {
      Link link;
      link.name = slot.name;
      link.on_error = slot.on_error;
      link.current = candidate(slot, *slot.current_version(), built_.failures);
      if (const control::Version* previous = slot.previous_version()) {
        link.previous = candidate(slot, *previous, built_.failed_fallbacks);
      }
      const bool asks_previous = link.on_error == control::OnError::kPrevious;
      chain_.previous_needs_body |= link.previous.needs_body();
      chain_.needs_body |= link.current.needs_body() || (asks_previous && link.previous.needs_body());
      chain_.links.push_back(std::move(link));
    }
    // Requests do not meet a module that was removed: what it has loaded waits for its return.
    const bool in_chain = slot.current_version() != nullptr;
    for (const control::Version& version : slot.versions) {
      if (in_chain && (version.id == slot.current || version.id == slot.previous)) continue;
      if (auto loaded = load(slot, version, built_.failed_fallbacks)) chain_.kept.push_back(std::move(loaded));
    }
  }

 private:
  Candidate candidate(const control::Slot& slot, const control::Version& version, std::vector<LoadFailure>& failures) {
    return {version, load(slot, version, failures), &chain_.counters->series_for(version.id, keep_)};
  }

  std::shared_ptr<LoadedVersion> load(const control::Slot& slot, const control::Version& version,
                                      std::vector<LoadFailure>& failures) {
    for (const Chain* chain : existing_) {
      if (auto loaded = chain->find(version, slot)) return loaded;
    }
    auto loaded = LoadedVersion::load(context_, version, slot, shared_artifact(slot, version));
    if (loaded) return std::move(*loaded);
    failures.push_back({slot.name, version.label, loaded.error()});
    return nullptr;
  }

  // Another configuration is another version of the same artifact.
  std::shared_ptr<const engine::Artifact> shared_artifact(const control::Slot& slot, const control::Version& version) {
    if (auto artifact = chain_.artifact_for(version, slot)) return artifact;
    for (const Chain* chain : existing_) {
      if (auto artifact = chain->artifact_for(version, slot)) return artifact;
    }
    return nullptr;
  }

  const LoadContext& context_;
  BuiltChain& built_;
  Chain& chain_;
  std::span<const Chain* const> existing_;
  std::vector<std::uint64_t> keep_;
};

}  // namespace

Chain::Chain(control::InForce in_force, std::shared_ptr<Counters> counters_of_worker)
    : document(std::move(in_force)),
      counters(std::move(counters_of_worker)),
      limiter(counters->layout(), std::max(document.rate_limit_per_second, kLeastPerSecond),
              std::max(document.rate_limit_burst, 1U)) {}

std::shared_ptr<LoadedVersion> Chain::find(const control::Version& version, const control::Slot& slot) const noexcept {
  const auto same = [&](const std::shared_ptr<LoadedVersion>& loaded) { return loaded && loaded->is(version, slot); };
  for (const Link& link : links) {
    if (same(link.current.loaded)) return link.current.loaded;
    if (same(link.previous.loaded)) return link.previous.loaded;
  }
  const auto found = std::ranges::find_if(kept, same);
  return found != kept.end() ? *found : nullptr;
}

std::shared_ptr<const engine::Artifact> Chain::artifact_for(const control::Version& version,
                                                            const control::Slot& slot) const noexcept {
  const auto of = [&](const std::shared_ptr<LoadedVersion>& loaded) {
    return loaded ? loaded->artifact_for(version, slot) : nullptr;
  };
  for (const Link& link : links) {
    if (auto artifact = of(link.current.loaded)) return artifact;
    if (auto artifact = of(link.previous.loaded)) return artifact;
  }
  for (const auto& loaded : kept) {
    if (auto artifact = of(loaded)) return artifact;
  }
  return nullptr;
}

// An instance that cannot be made is tried again by maintain(); until then its version may have none ready, which the
// event loop counts.
void Chain::prepare(const LoadContext& context) const {
  for (const Link& link : links) {
    if (link.current.loaded) {
      static_cast<void>(link.current.loaded->maintain(context, LoadedVersion::Readiness::kWithSpare));
    }
  }
}

void Chain::maintain(const LoadContext& context) const {
  using Readiness = LoadedVersion::Readiness;
  for (const Link& link : links) {
    if (link.current.loaded) static_cast<void>(link.current.loaded->maintain(context, Readiness::kWithSpare));
    if (link.previous.loaded) static_cast<void>(link.previous.loaded->maintain(context, Readiness::kAsIs));
  }
  for (const auto& loaded : kept) static_cast<void>(loaded->maintain(context, Readiness::kAsIs));
}

void Chain::append_ids(std::vector<std::uint64_t>& ids) const {
  for (const control::Slot& slot : document.slots) {
    for (const control::Version& version : slot.versions) ids.push_back(version.id);
  }
}

bool all_loaded(const control::InForce& in_force, std::span<const Chain* const> existing) noexcept {
  const auto in_a_chain = [&](const control::Slot& slot, const control::Version& version) {
    return std::ranges::any_of(existing, [&](const Chain* chain) { return chain->find(version, slot) != nullptr; });
  };
  return std::ranges::all_of(in_force.slots, [&](const control::Slot& slot) {
    return std::ranges::all_of(slot.versions,
                               [&](const control::Version& version) { return in_a_chain(slot, version); });
  });
}

BuiltChain build_chain(const LoadContext& context, const control::InForce& in_force, std::shared_ptr<Counters> counters,
                       std::span<const Chain* const> existing) {
  BuiltChain built{std::make_unique<Chain>(in_force, std::move(counters)), {}, {}};
  Builder builder(context, built, existing);
  for (const control::Slot& slot : in_force.slots) builder.add(slot);
  std::string& told = built.chain->failed_fallbacks;
  for (const LoadFailure& failure : built.failed_fallbacks) {
    told += (told.empty() ? "" : "; ") + failure.module + " " + failure.label + ": " + failure.error.message;
  }
  if (built.failures.empty()) built.chain->generation = in_force.generation;
  return built;
}

}  // namespace secbeat::worker
