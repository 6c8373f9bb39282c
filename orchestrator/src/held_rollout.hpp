// A rollout that this orchestrator works on. Every change is written by compare-and-set; who finds that somebody else
// holds it has lost it, and does nothing more. What others ask of the holder is taken over from the document.
//
// Thread safety: owned by one thread.
#pragma once

#include <chrono>
#include <stop_token>
#include <string>

#include "fleet_state.hpp"
#include "secbeat/orchestrator/changes.hpp"

namespace secbeat::orchestrator {

class HeldRollout {
 public:
  // REQUIRES: `rollout` has been written with this orchestrator as its holder.
  HeldRollout(fleet::Connection& connection, const Timeouts& timeouts, Known<fleet::Rollout> rollout,
              std::stop_token ending);

  fleet::Rollout& document() { return rollout_; }
  [[nodiscard]] const std::string& id() const { return rollout_.order.rollout; }

  // False: it is lost, or this orchestrator ends; nothing more may be done. Waits for NATS where it is away.
  bool save();
  // To be called again and again while nothing is saved: says that the holder lives, and hears what is asked.
  bool keep();
  [[nodiscard]] bool is_lost() const { return is_lost_; }
  [[nodiscard]] bool is_ending() const { return ending_.stop_requested(); }
  // For so long, or until it ends. False: it ends.
  bool sleep(std::chrono::milliseconds time) const;

 private:
  bool lose(std::string_view why);
  bool adopt(const fleet::Entry& entry);

  fleet::Connection& connection_;
  const Timeouts& timeouts_;
  const std::stop_token ending_;
  fleet::Rollout rollout_;
  std::uint64_t revision_;
  std::chrono::steady_clock::time_point saved_;
  std::chrono::steady_clock::time_point looked_;
  bool is_lost_ = false;
};

}  // namespace secbeat::orchestrator
