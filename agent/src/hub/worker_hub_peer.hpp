// One worker's connection: what it serves, what it was asked, and what is on its way to it.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "secbeat/agent/worker_hub.hpp"
#include "secbeat/base/clock.hpp"
#include "secbeat/base/unique_fd.hpp"

namespace secbeat::agent {

// A document that workers are brought to, and its stage message, written once for all of them.
struct Document {
  explicit Document(const control::InForce& document);

  control::InForce in_force;
  std::string stage_packet;

  [[nodiscard]] std::uint64_t generation() const noexcept { return in_force.generation; }
  [[nodiscard]] bool fits() const noexcept { return stage_packet.size() <= control::kMaxMessageBytes; }
};
using DocumentPtr = std::shared_ptr<const Document>;

// Where a worker is to be now.
enum class Goal : std::uint8_t { kStaged, kServing };

// Thread safety: owned by the hub's thread, which changes it under the hub's mutex; others read under that mutex.
class Peer {
 public:
  Peer(UniqueFd socket, std::int32_t pid, std::uint32_t uid, SteadyTime accepted);

  [[nodiscard]] int socket() const noexcept { return socket_.get(); }
  [[nodiscard]] std::int32_t pid() const noexcept { return pid_; }  // as the kernel says
  [[nodiscard]] std::uint32_t uid() const noexcept { return uid_; }
  [[nodiscard]] SteadyTime accepted() const noexcept { return accepted_; }

  // Of the worker behind it; before hello there is none.
  void introduce(const control::Hello& hello, bool owns_slot);
  [[nodiscard]] const std::optional<control::Hello>& hello() const noexcept { return hello_; }
  [[nodiscard]] bool owns_slot() const noexcept { return owns_slot_; }  // the scoreboard's slot names this process
  [[nodiscard]] std::uint64_t serving() const noexcept { return serving_; }
  // What it could not load of what it serves; empty: nothing.
  [[nodiscard]] const std::string& failed_fallbacks() const noexcept { return failed_fallbacks_; }

  // Answers of the worker.
  void on_staged(const control::Staged& staged);
  void on_stage_failed(const control::StageFailed& failed, SteadyTime now);
  void on_serving(std::uint64_t generation, SteadyTime now);

  // Queues what the worker has to be told on its way to `wanted` (null: nothing is wanted of it). Does nothing
  // where it has been told already; asks again, later and later, where it has failed and `may_retry`.
  enum class Retry : std::uint8_t { kNo, kYes };
  void bring_to(const DocumentPtr& wanted, Goal goal, Retry retry, SteadyTime now);

  [[nodiscard]] bool is_staged(const DocumentPtr& document) const { return asked_ == document && staged_; }
  [[nodiscard]] const std::optional<WorkerFailure>& failure(const DocumentPtr& document) const;
  [[nodiscard]] bool waits_for_retry() const noexcept { return retry_at_.has_value(); }

  // Sends what is queued, as far as the socket takes it. An error: the connection is of no more use.
  Result<void> flush();
  [[nodiscard]] bool has_unsent() const noexcept { return !unsent_.empty(); }

 private:
  using Packet = std::shared_ptr<const std::string>;
  void forget_asked();
  void queue(const control::Message& message);
  void retry_later(SteadyTime now);

  UniqueFd socket_;
  const std::int32_t pid_;
  const std::uint32_t uid_;
  const SteadyTime accepted_;
  std::optional<control::Hello> hello_;
  bool owns_slot_ = false;
  std::uint64_t serving_ = 0;
  std::string failed_fallbacks_;

  // What it was asked last.
  DocumentPtr asked_;
  bool staged_ = false;
  std::string staged_fallbacks_;  // that failed in what it has staged
  bool committed_ = false;        // told to
  std::optional<WorkerFailure> failure_;
  std::optional<SteadyTime> retry_at_;
  std::chrono::milliseconds retry_after_;

  std::deque<Packet> unsent_;
};

}  // namespace secbeat::agent
