#include "worker_hub_peer.hpp"

#include <algorithm>
#include <utility>

#include "secbeat/base/fault_point.hpp"

namespace secbeat::agent {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kFirstRetry = 1s;
constexpr std::chrono::milliseconds kLastRetry = 30s;

// A worker that leaves so many unread is not there; it connects again when it is.
constexpr std::size_t kMostUnsent = 32;

const std::optional<WorkerFailure> kNoFailure;

}  // namespace

Document::Document(const control::InForce& document)
    : in_force(document), stage_packet(control::to_json(control::Stage{document})) {}

Peer::Peer(UniqueFd socket, std::int32_t pid, std::uint32_t uid, SteadyTime accepted)
    : socket_(std::move(socket)), pid_(pid), uid_(uid), accepted_(accepted), retry_after_(kFirstRetry) {}

void Peer::introduce(const control::Hello& hello, bool owns_slot) {
  hello_ = hello;
  owns_slot_ = owns_slot;
  serving_ = hello.generation;
  failed_fallbacks_ = hello.failed_fallbacks;
}

const std::optional<WorkerFailure>& Peer::failure(const DocumentPtr& document) const {
  return asked_ == document ? failure_ : kNoFailure;
}

void Peer::on_staged(const control::Staged& staged) {
  if (!asked_ || asked_->generation() != staged.generation || failure_) return;
  staged_ = true;
  staged_fallbacks_ = staged.failed_fallbacks;
}

void Peer::on_stage_failed(const control::StageFailed& failed, SteadyTime now) {
  if (!asked_ || asked_->generation() != failed.generation) return;
  failure_ = WorkerFailure{pid_, failed.module, {code_of(failed.code), failed.message}};
  staged_ = false;
  committed_ = false;
  retry_later(now);
}

void Peer::on_serving(std::uint64_t generation, SteadyTime now) {
  serving_ = generation;
  if (!asked_) return;
  if (generation == asked_->generation()) {
    failed_fallbacks_ = std::move(staged_fallbacks_);
    forget_asked();
    retry_after_ = kFirstRetry;
  } else if (committed_) {
    // As a rule a swap that was under way when it was told to make another one, which follows.
    retry_later(now);
  }
}

void Peer::retry_later(SteadyTime now) {
  retry_at_ = now + retry_after_;
  retry_after_ = std::min(retry_after_ * 2, kLastRetry);
}

void Peer::forget_asked() {
  asked_.reset();
  staged_ = false;
  staged_fallbacks_.clear();
  committed_ = false;
  failure_.reset();
  retry_at_.reset();
}

void Peer::bring_to(const DocumentPtr& wanted, Goal goal, Retry retry, SteadyTime now) {
  if (!wanted || wanted->generation() == serving_) {
    if (!asked_) return;
    queue(control::Abort{asked_->generation()});
    forget_asked();
    return;
  }
  if (asked_ == wanted && retry == Retry::kYes && retry_at_ && now >= *retry_at_) forget_asked();
  if (asked_ != wanted) {
    forget_asked();
    asked_ = wanted;
    unsent_.push_back(Packet(wanted, &wanted->stage_packet));
  } else if (goal == Goal::kServing && staged_ && !committed_) {
    committed_ = true;
    queue(control::Commit{wanted->generation()});
  }
}

void Peer::queue(const control::Message& message) {
  unsent_.push_back(std::make_shared<const std::string>(control::to_json(message)));
}

Result<void> Peer::flush() {
  while (!unsent_.empty()) {
    auto sent = control::send_packet(socket_.get(), *unsent_.front());
    if (!sent && sent.error().code == ErrorCode::kProtocol) break;  // would block
    if (!sent) return sent;
    unsent_.pop_front();
    if (committed_) {
      fault_point("commit.first_worker_told");
    } else if (asked_) {
      fault_point("stage.first_worker_told");
    }
  }
  if (unsent_.size() > kMostUnsent) return fail(ErrorCode::kProtocol, "it does not read what it is sent");
  return {};
}

}  // namespace secbeat::agent
