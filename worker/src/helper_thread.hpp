// The thread that does for the event loop what the loop must not do: talks to the agent, loads versions, makes
// and destroys instances, and destroys chains that are out of service.
//
// It owns every chain. At any time there is one that the loop serves, at most one that was handed over and that
// the loop has not been seen to serve, and at most one that is staged. A chain is destroyed only when the loop
// is known to have gone past it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "agent_link.hpp"
#include "chain.hpp"
#include "counters.hpp"
#include "event_ring.hpp"
#include "handover.hpp"
#include "loaded_version.hpp"
#include "secbeat/base/error.hpp"
#include "secbeat/control/protocol.hpp"

namespace secbeat::worker {

// Thread safety: start, stop: the event loop. Everything else is the thread's own.
class HelperThread {
 public:
  struct Identity {
    std::int32_t pid = 0;
    std::int32_t parent_pid = 0;
    std::string build;
  };
  // `initial` is what the loop serves from the start. The references outlive the thread.
  HelperThread(LoadContext context, Identity identity, Handover& handover, EventRing& events,
               std::unique_ptr<Chain> initial);
  ~HelperThread();
  HelperThread(const HelperThread&) = delete;
  HelperThread& operator=(const HelperThread&) = delete;

  Result<void> start();
  // Ends the thread. The chains stay until the destructor.
  void stop() noexcept;

 private:
  using Clock = std::chrono::steady_clock;

  enum class Acknowledge : std::uint8_t { kToAgent, kNobody };
  struct HandedOver {
    std::unique_ptr<Chain> chain;
    Acknowledge acknowledge = Acknowledge::kNobody;
    Clock::time_point since;
  };

  void run() noexcept;
  void step();
  void wait();
  [[nodiscard]] std::chrono::nanoseconds patience() const;

  void connect_when_due();
  void move_to_present_scoreboard();
  void pass_on_probe();
  void read_messages();
  void handle(const control::Stage& stage);
  void handle(const control::Commit& commit);
  void handle(const control::Abort& abort);
  // What only a worker sends: the peer is no agent.
  template <class Other>
  void handle(const Other& /*message*/) {
    link_.close();
  }

  [[nodiscard]] BuiltChain build(const control::InForce& in_force);
  void hand_over(std::unique_ptr<Chain> chain, Acknowledge acknowledge);
  void see_what_is_served();
  void maintain_instances();
  void send_events();
  bool send_one_batch();
  [[nodiscard]] std::vector<const Chain*> chains() const;
  // What the loop serves, or will when it looks next.
  [[nodiscard]] const Chain& newest() const noexcept { return pending_.chain ? *pending_.chain : *serving_; }

  // Constant.
  const LoadContext context_;
  const Identity identity_;
  Handover& handover_;
  EventRing& events_;

  // Of the thread.
  std::unique_ptr<Chain> serving_;              // what the loop is known to serve
  HandedOver pending_;                          // handed over last; without a chain: the loop serves it
  std::vector<std::unique_ptr<Chain>> passed_;  // handed over before it; the loop may serve one of them
  std::unique_ptr<Chain> staged_;
  AgentLink link_;
  Clock::time_point next_connect_{};
  Clock::time_point next_maintenance_{};
  Clock::time_point next_events_{};
  std::minstd_rand jitter_;

  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace secbeat::worker
