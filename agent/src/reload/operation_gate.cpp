#include "operation_gate.hpp"

namespace secbeat::agent {
namespace {

std::unexpected<Error> ending() {
  return fail(ErrorCode::kShuttingDown, "The node is stopping; try again when it is back");
}

}  // namespace

Result<OperationGate::Turn> OperationGate::enter_upload() {
  const std::lock_guard lock(mutex_);
  if (closing_) return ending();
  if (holder_ != nullptr || waiting_rollbacks_ > 0) {
    return fail(ErrorCode::kReloadInProgress, "Another reload is under way; wait for it to finish and try again");
  }
  holder_ = std::make_shared<CancelToken>();
  return Turn(*this, holder_);
}

Result<OperationGate::Turn> OperationGate::enter_in_turn() {
  std::unique_lock lock(mutex_);
  ++waiting_in_turn_;
  changed_.wait(lock, [&] { return closing_ || (holder_ == nullptr && waiting_rollbacks_ == 0); });
  --waiting_in_turn_;
  if (closing_) {
    changed_.notify_all();
    return ending();
  }
  holder_ = std::make_shared<CancelToken>();
  return Turn(*this, holder_);
}

Result<OperationGate::Turn> OperationGate::enter_rollback() {
  std::unique_lock lock(mutex_);
  if (closing_) return ending();
  ++waiting_rollbacks_;
  // Also the token of another rollback may be cancelled here: a rollback does not look at its own.
  if (holder_ != nullptr) holder_->cancel();
  changed_.wait(lock, [&] { return holder_ == nullptr || closing_; });
  --waiting_rollbacks_;
  if (closing_) {
    changed_.notify_all();
    return ending();
  }
  holder_ = std::make_shared<CancelToken>();
  return Turn(*this, holder_);
}

void OperationGate::leave() {
  const std::lock_guard lock(mutex_);
  holder_ = nullptr;
  changed_.notify_all();
}

void OperationGate::shut_down() {
  std::unique_lock lock(mutex_);
  closing_ = true;
  if (holder_ != nullptr) holder_->cancel();
  changed_.notify_all();
  changed_.wait(lock, [&] { return holder_ == nullptr && waiting_rollbacks_ == 0 && waiting_in_turn_ == 0; });
}

bool OperationGate::closing() const {
  const std::lock_guard lock(mutex_);
  return closing_;
}

}  // namespace secbeat::agent
