// What callers ask of the hub. Its thread is in worker_hub_thread.cpp.
#include "secbeat/agent/worker_hub.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <utility>

#include "worker_hub_impl.hpp"
#include "worker_hub_socket.hpp"

namespace secbeat::agent {
namespace {

using namespace std::chrono_literals;

// How soon the death or the birth of a worker that is not connected is seen.
constexpr auto kScanEvery = 10ms;

WorkerFailure late(const LiveWorker& worker, const DocumentPtr& document, Goal goal,
                   std::chrono::milliseconds timeout) {
  std::string text;
  if (worker.peer == nullptr) {
    text = fmt::format("it is alive and serves generation {}, but has not connected within {} ms", worker.generation,
                       timeout.count());
  } else if (goal == Goal::kStaged) {
    text = fmt::format("it did not get ready for generation {} within {} ms", document->generation(), timeout.count());
  } else {
    text = fmt::format("it serves generation {} and not {} after {} ms", worker.generation, document->generation(),
                       timeout.count());
  }
  return {worker.pid, "", {ErrorCode::kWorkersDisagree, std::move(text)}, true};
}

}  // namespace

Result<std::unique_ptr<WorkerHub>> WorkerHub::start(const control::StatePaths& paths, control::Scoreboard& scoreboard,
                                                    Options options) {
  auto listener = listen_for_workers(paths.socket(), options.worker_group);
  if (!listener) return std::unexpected(listener.error());
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  UniqueFd wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!epoll || !wake) return std::unexpected(io_error("cannot make the worker hub's descriptors"));
  auto hub = std::make_unique<WorkerHubImpl>(paths, scoreboard, std::move(options), std::move(*listener),
                                             std::move(epoll), std::move(wake));
  if (auto started = hub->start_thread(); !started) return std::unexpected(started.error());
  return hub;
}

WorkerHubImpl::WorkerHubImpl(const control::StatePaths& paths, control::Scoreboard& scoreboard, Options options,
                             UniqueFd listener, UniqueFd epoll, UniqueFd wake)
    : paths_(paths),
      scoreboard_(scoreboard),
      sink_(std::move(options.sink)),
      build_(std::move(options.build)),
      listener_(std::move(listener)),
      epoll_(std::move(epoll)),
      wake_(std::move(wake)),
      next_id_(0) {}

WorkerHubImpl::~WorkerHubImpl() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake();
  if (thread_.joinable()) thread_.join();
  ::unlink(paths_.socket().c_str());
}

void WorkerHubImpl::wake() noexcept {
  const std::uint64_t one = 1;
  // It fails only where the counter is full, and then the thread is awake.
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

DocumentPtr WorkerHubImpl::document_of(const control::InForce& in_force) const {
  if (transaction_ && transaction_->document->in_force == in_force) return transaction_->document;
  if (target_ && target_->in_force == in_force) return target_;
  return std::make_shared<const Document>(in_force);
}

void WorkerHubImpl::set_target(const control::InForce& in_force) {
  {
    const std::lock_guard lock(mutex_);
    target_ = document_of(in_force);
    if (!target_->fits()) {
      spdlog::error("generation {} is too large for one message ({} bytes): workers load it only when they start",
                    target_->generation(), target_->stage_packet.size());
    }
    if (transaction_ && transaction_->document != target_) transaction_.reset();
  }
  wake();
}

StageOutcome WorkerHubImpl::stage(const control::InForce& in_force, std::chrono::milliseconds timeout) {
  DocumentPtr document;
  {
    const std::lock_guard lock(mutex_);
    document = document_of(in_force);
    if (!document->fits()) {
      return {{{0, "", {ErrorCode::kTooLarge, "the document is too large for one message to a worker"}}}, 0};
    }
    if (document->generation() == given_up_) return given_up(given_up_);
    transaction_ = Transaction{document};
  }
  wake();
  Tally tally = await(document, Goal::kStaged, timeout);
  return {std::move(tally.failures), tally.workers};
}

CommitOutcome WorkerHubImpl::commit(std::uint64_t generation, std::chrono::milliseconds timeout) {
  DocumentPtr document;
  {
    const std::lock_guard lock(mutex_);
    document = target_;
    if (!document || document->generation() != generation) {
      return {{{0, "", {ErrorCode::kInternal, fmt::format("generation {} is not the target", generation)}}}, 0, 0};
    }
    if (!is_under_way(document)) transaction_ = Transaction{document};
    transaction_->goal = Goal::kServing;
  }
  wake();
  Tally tally = await(document, Goal::kServing, timeout);
  CommitOutcome outcome{std::move(tally.failures), tally.workers, 0};
  {
    const std::lock_guard lock(mutex_);
    if (is_under_way(document)) {
      outcome.max_pause_ns = transaction_->max_pause_ns;
      transaction_.reset();
    }
  }
  wake();
  return outcome;
}

void WorkerHubImpl::abort(std::uint64_t generation) {
  {
    const std::lock_guard lock(mutex_);
    if (transaction_ && transaction_->document->generation() == generation) {
      transaction_.reset();
    } else {
      given_up_ = generation;
    }
    changed_.notify_all();
  }
  wake();
}

StageOutcome WorkerHubImpl::given_up(std::uint64_t generation) {
  return {{{0, "", {ErrorCode::kCancelled, fmt::format("generation {} was given up", generation)}}}, 0};
}

bool WorkerHubImpl::is_under_way(const DocumentPtr& document) const {
  return transaction_ && transaction_->document == document;
}

std::vector<LiveWorker> WorkerHubImpl::scan() const {
  std::vector<LiveWorker> live;
  for (const std::uint32_t i : scoreboard_.live_slots()) {
    const control::WorkerSlot& slot = scoreboard_.layout().workers[i];
    LiveWorker worker;
    worker.slot = i;
    worker.pid = slot.pid.load(std::memory_order_acquire);
    worker.generation = slot.generation.load(std::memory_order_relaxed);
    worker.serving_since_unix_ms = slot.serving_since_unix_ms.load(std::memory_order_relaxed);
    if (worker.pid > 0) live.push_back(worker);
  }
  return live;
}

const Peer* WorkerHubImpl::peer_of(const LiveWorker& worker) const {
  const auto found = std::find_if(peers_.begin(), peers_.end(), [&](const auto& entry) {
    const Peer& peer = entry.second;
    return peer.hello() && peer.owns_slot() && peer.hello()->slot == worker.slot && peer.pid() == worker.pid;
  });
  return found == peers_.end() ? nullptr : &found->second;
}

// As whom workers have connected, by what the kernel says of their sockets.
std::set<uid_t> WorkerHubImpl::users_of_workers() const {
  std::set<uid_t> users;
  for (const auto& [id, peer] : peers_) {
    if (peer.hello() && peer.owns_slot()) users.insert(peer.uid());
  }
  return users;
}

// Besides those of the scan: who has come since, and who never owned a slot and counts by its connection (it holds
// the scoreboard of another layout). A peer whose slot is not its own any more is leaving. Without those of the scan
// that have not connected and run as nobody who is a worker: any process that may write to the scoreboard can put the
// pid of any other into a slot, and changes would wait for it.
std::vector<LiveWorker> WorkerHubImpl::with_peers(std::vector<LiveWorker> scanned) const {
  std::set<const Peer*> matched;
  for (LiveWorker& worker : scanned) {
    worker.peer = peer_of(worker);
    matched.insert(worker.peer);
  }
  const std::set<uid_t> users = users_of_workers();
  std::erase_if(scanned, [&](const LiveWorker& worker) {
    if (worker.peer != nullptr || users.empty()) return false;
    const auto user = user_of(worker.pid);
    return user && !users.contains(*user);
  });
  for (const auto& [id, peer] : peers_) {
    if (!peer.hello() || matched.contains(&peer)) continue;
    const std::uint32_t index = peer.hello()->slot;
    const control::WorkerSlot& slot = scoreboard_.layout().workers[index];
    if (peer.owns_slot() && slot.pid.load(std::memory_order_acquire) != peer.pid()) continue;
    const std::uint64_t since = peer.owns_slot() ? slot.serving_since_unix_ms.load(std::memory_order_relaxed) : 0;
    scanned.push_back({peer.pid(), index, peer.serving(), since, &peer});
  }
  return scanned;
}

Tally WorkerHubImpl::tally(const DocumentPtr& document, Goal goal, const std::vector<LiveWorker>& scanned) const {
  const std::vector<LiveWorker> live = with_peers(scanned);
  Tally tally{live.size(), {}, {}};
  for (const LiveWorker& worker : live) {
    // A connected worker has arrived when it says so, because what it says carries its pause.
    const std::uint64_t serving = worker.peer != nullptr ? worker.peer->serving() : worker.generation;
    if (serving == document->generation()) continue;
    const bool connected = worker.peer != nullptr;
    const std::optional<WorkerFailure> failure = connected ? worker.peer->failure(document) : std::nullopt;
    if (failure) {
      tally.failures.push_back(*failure);
    } else if (!connected || goal == Goal::kServing || !worker.peer->is_staged(document)) {
      tally.pending.push_back(worker);
    }
  }
  return tally;
}

Tally WorkerHubImpl::await(const DocumentPtr& document, Goal goal, std::chrono::milliseconds timeout) {
  const SteadyTime deadline = now() + timeout;
  std::vector<LiveWorker> scanned;
  SteadyTime scan_due;  // at once
  std::unique_lock lock(mutex_);
  for (;;) {
    bool fresh = false;
    if (now() >= scan_due) {
      lock.unlock();
      scanned = scan();
      scan_due = now() + kScanEvery;
      fresh = true;
      lock.lock();
    }
    if (!is_under_way(document)) {
      return {0, given_up(document->generation()).failures, {}};
    }
    Tally found = tally(document, goal, scanned);
    if (found.pending.empty()) {
      if (fresh) return found;
      scan_due = now();  // somebody may have come since
      continue;
    }
    if (now() >= deadline) {
      for (const LiveWorker& worker : found.pending) {
        // Told by its slot only: it has swapped, and its helper thread has not come to say so.
        if (goal == Goal::kServing && worker.generation == document->generation()) continue;
        found.failures.push_back(late(worker, document, goal, timeout));
      }
      return found;
    }
    changed_.wait_until(lock, std::min(deadline, scan_due));
  }
}

std::vector<WorkerStatus> WorkerHubImpl::workers() const {
  std::vector<LiveWorker> scanned = scan();
  std::vector<WorkerStatus> status;
  const std::lock_guard lock(mutex_);
  for (const LiveWorker& worker : with_peers(std::move(scanned))) {
    status.push_back({worker.pid, worker.slot, worker.generation, worker.serving_since_unix_ms, worker.peer != nullptr,
                      worker.peer == nullptr || worker.peer->owns_slot(),
                      worker.peer == nullptr ? std::string() : worker.peer->failed_fallbacks()});
  }
  return status;
}

}  // namespace secbeat::agent
