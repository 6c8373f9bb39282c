#include "fake_node.hpp"

#include "secbeat/fleet/names.hpp"

namespace secbeat::orchestrator {

FakeNode::FakeNode(std::shared_ptr<fleet::Connection> connection, std::string name, const std::string& label)
    : name_(std::move(name)), connection_(std::move(connection)) {
  status_ = {.name = kModule,
             .version = {.label = label, .sha256 = std::string(64, '0'), .config_sha256 = {}},
             .highest_label = 1};
  for (const auto& [step, subject] :
       {std::pair(Step::kStage, fleet::stage_subject(name_)), std::pair(Step::kCommit, fleet::commit_subject(name_)),
        std::pair(Step::kRevert, fleet::revert_subject(name_))}) {
    auto subscription =
        connection_->subscribe(subject, [this, which = step](std::string_view text) { return answer(which, text); });
    if (subscription) subscriptions_.push_back(*std::move(subscription));
  }
  report();
}

void FakeNode::report() {
  const std::scoped_lock lock(mutex_);
  report_locked();
}

void FakeNode::report_locked() {
  const fleet::NodeStatus status{.node = name_, .labels = labels_, .ready = true, .modules = {status_}};
  (void)connection_->put(fleet::kNodesBucket, name_, to_json(status));  // the next report may get through
}

void FakeNode::serve(const fleet::VersionRef& version) {
  const std::scoped_lock lock(mutex_);
  status_.version = version;
  report_locked();
}

fleet::VersionRef FakeNode::serving() const {
  const std::scoped_lock lock(mutex_);
  return status_.version;
}

void FakeNode::set_counts(const fleet::Counts& counts) {
  const std::scoped_lock lock(mutex_);
  status_.counts = counts;
  report_locked();
}

void FakeNode::set_labels(std::map<std::string, std::string> labels) {
  const std::scoped_lock lock(mutex_);
  labels_ = std::move(labels);
  report_locked();
}

std::string FakeNode::answer(Step step, std::string_view text) {
  ++calls;
  const auto order = fleet::order_from_json(text);
  if (!order || silent) return {};
  if (step == Step::kRevert && silent_to_reverts) return {};
  if (step == Step::kCommit && silent_to_commits && !swaps_in_silence) return {};
  const std::scoped_lock lock(mutex_);
  auto& [asked, answer] = orders_[std::to_string(static_cast<int>(step)) + order->rollout];
  if (answer.rollout.empty()) answer = {.node = name_, .rollout = order->rollout};
  if (answer.progress == fleet::Progress::kWorking && asked++ >= works_for) work(step, *order, answer);
  if (step == Step::kCommit && silent_to_commits) return {};
  return to_json(answer);
}

void FakeNode::work(Step step, const fleet::Order& order, fleet::OrderAnswer& answer) {
  answer.progress = fleet::Progress::kDone;
  const bool fails = step == Step::kStage ? fails_to_stage : step == Step::kCommit ? fails_to_commit : fails_to_revert;
  if (fails) {
    answer.progress = fleet::Progress::kFailed;
    answer.error = "Reload timed out after 1s";
    answer.code = "compile_timeout";
    return;
  }
  if (step == Step::kStage) {
    ++staged;
    return;
  }
  answer.downtime_ms = downtime_ms;
  if (step == Step::kCommit) {
    ++committed;
    before_[order.rollout] = status_.version;
    status_.version = order.version;
    status_.reached = std::max(status_.reached, order.revision);
    if (status_.counts) status_.counts = fleet::Counts{};
  } else {
    const auto before = before_.find(order.rollout);
    answer.unchanged = before == before_.end() || status_.version != order.version;
    if (!answer.unchanged) {
      ++reverted;
      status_.version = before->second;
    }
  }
  report_locked();
}

}  // namespace secbeat::orchestrator
