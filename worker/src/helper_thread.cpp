#include "helper_thread.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <exception>
#include <string>
#include <utility>

#include "secbeat/base/fault_point.hpp"
#include "secbeat/base/scheduling.hpp"
#include "thread.hpp"

namespace secbeat::worker {
namespace {

using namespace std::chrono_literals;

constexpr auto kIdleWait = 100ms;       // how long an event or a failed attempt waits for the thread's next look
constexpr auto kSwapWait = 100us;       // between two looks at what the loop serves, while a swap is outstanding
constexpr auto kPatientAfter = 100ms;   // a loop that has not swapped by then is held up by something else
constexpr auto kPatientSwapWait = 5ms;  // and is looked at less often
constexpr auto kConnectEvery = 100ms;
constexpr int kConnectJitterMs = 25;  // so that the workers of a node do not come all at once
constexpr int kMessagesPerStep = 16;  // then the rest gets its turn

}  // namespace

HelperThread::HelperThread(LoadContext context, Identity identity, Handover& handover, EventRing& events,
                           std::unique_ptr<Chain> initial)
    : context_(std::move(context)),
      identity_(std::move(identity)),
      handover_(handover),
      events_(events),
      serving_(std::move(initial)),
      jitter_(static_cast<std::minstd_rand::result_type>(identity_.pid)) {}

HelperThread::~HelperThread() { stop(); }

Result<void> HelperThread::start() {
  auto thread = start_thread("secbeat-helper", [this] { run(); });
  if (!thread) return std::unexpected(thread.error());
  thread_ = std::move(*thread);
  return {};
}

void HelperThread::stop() noexcept {
  if (!thread_.joinable()) return;
  stopping_.store(true, std::memory_order_release);
  handover_.helper_wake.signal();
  thread_.join();
}

// What throws here is memory that cannot be had. The connection is given up, which drops what is half done; the
// agent finds out, and the loop serves on.
void HelperThread::run() noexcept {
  while (!stopping_.load(std::memory_order_acquire)) {
    try {
      step();
    } catch (const std::exception&) {
      link_.close();
    }
  }
  try {
    send_events();
  } catch (const std::exception&) {
    link_.close();
  }
}

void HelperThread::step() {
  connect_when_due();
  maintain_instances();
  wait();
  see_what_is_served();
  pass_on_probe();
  read_messages();
  if (events_.size() >= control::kMaxEventsPerMessage || Clock::now() >= next_events_) send_events();
}

std::chrono::nanoseconds HelperThread::patience() const {
  if (!pending_.chain) return kIdleWait;
  return Clock::now() - pending_.since < kPatientAfter ? std::chrono::nanoseconds(kSwapWait) : kPatientSwapWait;
}

void HelperThread::wait() {
  const short interest = static_cast<short>(link_.has_unsent() ? POLLIN | POLLOUT : POLLIN);
  std::array<pollfd, 2> fds{{{handover_.helper_wake.fd(), POLLIN, 0}, {link_.fd(), interest, 0}}};
  const auto ns = patience().count();
  const timespec timeout{.tv_sec = 0, .tv_nsec = static_cast<long>(ns)};
  if (::ppoll(fds.data(), fds.size(), &timeout, nullptr) <= 0) return;
  if ((fds[0].revents & POLLIN) != 0) handover_.helper_wake.clear();
  link_.flush();
}

void HelperThread::connect_when_due() {
  if (link_.connected() || Clock::now() < next_connect_) return;
  next_connect_ = Clock::now() + kConnectEvery +
                  std::chrono::milliseconds(std::uniform_int_distribution<int>(0, kConnectJitterMs)(jitter_));
  staged_.reset();  // for an agent that is gone; the next one stages what it wants
  move_to_present_scoreboard();
  if (!link_.connect(context_.paths.socket())) return;
  link_.send(control::Hello{.pid = identity_.pid,
                            .slot = newest().counters->slot_index(),
                            .generation = serving_->generation,
                            .build = identity_.build,
                            .parent_pid = identity_.parent_pid,
                            .failed_fallbacks = newest().failed_fallbacks});
}

// The scoreboard may appear after this worker, and an agent whose folder was emptied makes another one.
void HelperThread::move_to_present_scoreboard() {
  if (pending_.chain || serving_->counters->are_in(context_.paths.scoreboard())) return;
  auto counters = Counters::open(context_.paths.scoreboard(), identity_.pid, identity_.parent_pid);
  if (!counters) return;
  std::vector<std::uint64_t> ids;
  serving_->append_ids(ids);
  (*counters)->take_over(*serving_->counters, ids);
  const std::array<const Chain*, 1> existing{serving_.get()};
  hand_over(build_chain(context_, serving_->document, std::move(*counters), existing).chain, Acknowledge::kNobody);
}

void HelperThread::read_messages() {
  for (int i = 0; i < kMessagesPerStep; ++i) {
    const auto message = link_.receive();
    if (!message) return;
    std::visit([this](const auto& command) { handle(command); }, *message);
  }
}

void HelperThread::handle(const control::Stage& stage) {
  fault_point("worker.stage_received");
  const std::uint64_t generation = stage.in_force.generation;
  if (!staged_ || staged_->document != stage.in_force) {
    BuiltChain built = build(stage.in_force);
    staged_.reset();
    if (!built.failures.empty()) {
      const LoadFailure& first = built.failures.front();
      link_.send(control::StageFailed{.generation = generation,
                                      .module = first.module,
                                      .code = std::string(word_of(first.error.code)),
                                      .message = first.error.message});
      return;
    }
    staged_ = std::move(built.chain);
  }
  staged_->prepare(context_);
  link_.send(control::Staged{generation, staged_->failed_fallbacks});
  fault_point("worker.staged");
}

// Milliseconds of work, for which requests do not wait. A rollback has nothing to load and is not held up on a busy
// machine.
BuiltChain HelperThread::build(const control::InForce& in_force) {
  const std::vector<const Chain*> existing = chains();
  const auto build_and_prepare = [&] {
    BuiltChain built = build_chain(context_, in_force, newest().counters, existing);
    if (built.failures.empty()) built.chain->prepare(context_);
    return built;
  };
  return all_loaded(in_force, existing) ? build_and_prepare() : quietly(build_and_prepare);
}

void HelperThread::handle(const control::Commit& commit) {
  fault_point("worker.commit_received");
  if (staged_ && staged_->generation == commit.generation) {
    hand_over(std::move(staged_), Acknowledge::kToAgent);
  } else if (pending_.chain && pending_.chain->generation == commit.generation) {
    pending_.acknowledge = Acknowledge::kToAgent;
  } else if (!pending_.chain && serving_->generation == commit.generation) {
    link_.send(control::Serving{.generation = commit.generation, .pause_ns = 0});
  } else {
    link_.send(control::StageFailed{.generation = commit.generation,
                                    .module = {},
                                    .code = std::string(word_of(ErrorCode::kProtocol)),
                                    .message = "this generation is not staged here"});
  }
}

void HelperThread::handle(const control::Abort& abort) {
  if (staged_ && staged_->generation == abort.generation) staged_.reset();
}

void HelperThread::hand_over(std::unique_ptr<Chain> chain, Acknowledge acknowledge) {
  const Chain* not_taken = handover_.next.exchange(chain.get(), std::memory_order_acq_rel);
  if (pending_.chain && pending_.chain.get() != not_taken) passed_.push_back(std::move(pending_.chain));
  pending_ = {std::move(chain), acknowledge, Clock::now()};
  handover_.loop_wake.signal();
  fault_point("worker.chain_handed_over");
}

void HelperThread::see_what_is_served() {
  if (!pending_.chain || handover_.serving.load(std::memory_order_acquire) != pending_.chain.get()) return;
  const std::unique_ptr<Chain> out_of_service = std::exchange(serving_, std::move(pending_.chain));
  if (pending_.acknowledge == Acknowledge::kToAgent) {
    link_.send(control::Serving{.generation = serving_->generation,
                                .pause_ns = handover_.pause_ns.load(std::memory_order_relaxed)});
    fault_point("worker.serving_told");
  }
  passed_.clear();
  next_maintenance_ = {};
}

// The event loop answers a drill's number when it has its turn.
void HelperThread::pass_on_probe() {
  const Counters& counters = *serving_->counters;
  if (counters.layout().break_glass.probe.load(std::memory_order_relaxed) ==
      counters.slot().probe_seen.load(std::memory_order_relaxed)) {
    return;
  }
  handover_.loop_wake.signal();
}

std::vector<const Chain*> HelperThread::chains() const {
  std::vector<const Chain*> all{serving_.get()};
  for (const auto& chain : passed_) all.push_back(chain.get());
  for (const Chain* chain : {pending_.chain.get(), staged_.get()}) {
    if (chain != nullptr) all.push_back(chain);
  }
  return all;
}

// Cheap where nothing is to be done; at least as often as every kIdleWait, so that an instance that could not be
// made is tried again.
void HelperThread::maintain_instances() {
  const bool asked = handover_.instances_wanted.exchange(false, std::memory_order_acq_rel);
  if (!asked && Clock::now() < next_maintenance_) return;
  next_maintenance_ = Clock::now() + kIdleWait;
  newest().maintain(context_);
}

void HelperThread::send_events() {
  next_events_ = Clock::now() + kIdleWait;
  while (events_.size() > 0 && send_one_batch()) {
  }
}

// Events that cannot be sent stay in the ring; what does not fit there is dropped and counted by the loop.
bool HelperThread::send_one_batch() {
  if (!link_.connected()) return false;
  control::Events batch;
  const std::size_t count = std::min(events_.size(), control::kMaxEventsPerMessage);
  for (std::size_t i = 0; i < count; ++i) batch.events.push_back(to_event(events_.at(i)));
  if (!link_.try_send(std::move(batch))) return false;
  events_.pop(count);
  return true;
}

}  // namespace secbeat::worker
