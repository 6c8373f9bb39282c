// What the node is doing at this moment, for whoever asks while it does it.
//
// Thread safety: every method may be called from any thread.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "secbeat/agent/reloader.hpp"
#include "secbeat/base/clock.hpp"

namespace secbeat::agent {

class OperationBoard {
 public:
  // The operation stands on the board for as long as this lives.
  class Posted {
   public:
    explicit Posted(OperationBoard& board) : board_(&board) {}
    Posted(Posted&& other) noexcept : board_(std::exchange(other.board_, nullptr)) {}
    Posted& operator=(Posted&&) = delete;
    Posted(const Posted&) = delete;
    Posted& operator=(const Posted&) = delete;
    ~Posted() {
      if (board_ != nullptr) board_->clear();
    }

   private:
    OperationBoard* board_;
  };

  explicit OperationBoard(const Clock& clock) : clock_(clock) {}

  // REQUIRES: the caller holds the operation gate's turn until the result has gone.
  [[nodiscard]] Posted post(std::string name, std::string kind, OperationStage stage, std::string request_id);
  // Without effect where nothing is posted: the start of a node goes through the same steps.
  void set_stage(OperationStage stage);
  [[nodiscard]] std::optional<Operation> current() const;

 private:
  void clear();

  const Clock& clock_;
  mutable std::mutex mutex_;
  std::optional<Operation> operation_;  // guarded by mutex_
  SteadyTime began_;                    // guarded by mutex_
};

}  // namespace secbeat::agent
