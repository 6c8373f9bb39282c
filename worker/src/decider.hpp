// Runs a chain on a request: asks, counts, records, and decides what happens when a module fails.
#pragma once

#include <cstdint>
#include <optional>

#include "chain.hpp"
#include "event_ring.hpp"
#include "handover.hpp"
#include "secbeat/engine/engine.hpp"
#include "secbeat/engine/request.hpp"
#include "secbeat/worker/worker.hpp"
#include "ticker.hpp"

namespace secbeat::worker {

// Thread safety: owned by the event loop.
class Decider {
 public:
  Decider(Ticker::Lane& lane, EventRing& events, Handover& handover) noexcept
      : lane_(lane), events_(events), handover_(handover) {}

  // A bypass is on: the request passes, and is counted. Once for a request.
  bool passes_by_bypass(const Chain& chain) noexcept;
  // Allocates nothing where every module allows.
  Decision decide(Chain& chain, const engine::RequestView& request) noexcept;
  // Without asking anybody: see Worker.
  Decision decide_unread(Chain& chain, const engine::RequestView& head, std::string_view why) noexcept;

 private:
  // One request on its way through one chain.
  struct Passage {
    Chain& chain;
    const engine::RequestView& request;
    control::Flags flags;
    Decision decision;
  };
  enum class Next : std::uint8_t { kGoOn, kEnd };

  Next ask_link(Passage& passage, const Link& link) noexcept;
  // The version whose turn it is.
  static const Candidate& deciding(const Passage& passage, const Link& link) noexcept;
  // The one place that decides for a module that failed.
  Next decide_failed(Passage& passage, const Link& link, const Candidate& failed) noexcept;
  static Next refuse_unavailable(Passage& passage, const Link& link, const Candidate& failed) noexcept;
  // Asks one version and counts what it says; empty: it failed, which is counted and recorded.
  std::optional<engine::Verdict> ask(const Passage& passage, const Link& link, const Candidate& candidate) noexcept;
  Next apply(Passage& passage, const Link& link, const Candidate& candidate, engine::Verdict verdict) noexcept;
  Next limit_rate(Passage& passage) noexcept;

  void record_verdict(Passage& passage, const Link& link, const Candidate& candidate, engine::Verdict verdict) noexcept;
  void record_error(const Passage& passage, const Link& link, const Candidate& candidate, std::string_view kind,
                    std::string_view message) noexcept;
  EventRecord* claim_event(const Passage& passage, const Link& link, const Candidate& candidate) noexcept;

  Ticker::Lane& lane_;
  EventRing& events_;
  Handover& handover_;
  engine::VerdictDetail detail_;  // of the newest verdict that was recorded
};

}  // namespace secbeat::worker
