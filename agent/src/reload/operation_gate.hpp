// One operation at a time changes what is in force. An upload that finds the place taken is turned away; a changed
// file waits; a rollback cancels the upload that holds it and waits until it is free, which takes no longer than a
// commit.
//
// Thread safety: every method may be called from any thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "cancel_token.hpp"
#include "secbeat/base/error.hpp"

namespace secbeat::agent {

class OperationGate {
 public:
  // The right to change what is in force, for as long as it lives.
  class Turn {
   public:
    Turn(OperationGate& gate, std::shared_ptr<CancelToken> cancel) : gate_(&gate), cancel_(std::move(cancel)) {}
    Turn(Turn&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)), cancel_(std::move(other.cancel_)) {}
    Turn& operator=(Turn&&) = delete;
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() {
      if (gate_ != nullptr) gate_->leave();
    }
    // Cancelled by a rollback or by the end of the node.
    [[nodiscard]] const CancelToken& cancel() const { return *cancel_; }

   private:
    OperationGate* gate_;
    std::shared_ptr<CancelToken> cancel_;
  };

  // kReloadInProgress, kShuttingDown.
  Result<Turn> enter_upload();
  // Waits until the place is free, and lets rollbacks in first. kShuttingDown.
  Result<Turn> enter_in_turn();
  // kShuttingDown.
  Result<Turn> enter_rollback();
  // Cancels the upload under way and returns when nothing runs any more; nothing enters afterwards.
  void shut_down();
  [[nodiscard]] bool closing() const;

 private:
  void leave();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<CancelToken> holder_;  // guarded by mutex_; null: free
  std::uint32_t waiting_rollbacks_ = 0;  // guarded by mutex_; uploads stand back for them
  std::uint32_t waiting_in_turn_ = 0;    // guarded by mutex_
  bool closing_ = false;                 // guarded by mutex_
};

}  // namespace secbeat::agent
