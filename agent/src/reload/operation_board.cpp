#include "operation_board.hpp"

namespace secbeat::agent {

OperationBoard::Posted OperationBoard::post(std::string name, std::string kind, OperationStage stage,
                                            std::string request_id) {
  const std::lock_guard lock(mutex_);
  operation_ = Operation{.name = std::move(name),
                         .kind = std::move(kind),
                         .stage = stage,
                         .since = rfc3339(clock_.now()),
                         .elapsed_ms = 0,
                         .request_id = std::move(request_id)};
  began_ = clock_.steady();
  return Posted(*this);
}

void OperationBoard::set_stage(OperationStage stage) {
  const std::lock_guard lock(mutex_);
  if (operation_) operation_->stage = stage;
}

std::optional<Operation> OperationBoard::current() const {
  const std::lock_guard lock(mutex_);
  std::optional<Operation> operation = operation_;
  if (operation) {
    const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.steady() - began_);
    operation->elapsed_ms = static_cast<std::uint64_t>(elapsed.count());
  }
  return operation;
}

void OperationBoard::clear() {
  const std::lock_guard lock(mutex_);
  operation_.reset();
}

}  // namespace secbeat::agent
