// The hub's thread: the only one that touches the sockets.
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <exception>
#include <system_error>
#include <utility>

#include "worker_hub_impl.hpp"
#include "worker_hub_socket.hpp"

namespace secbeat::agent {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kListenerId = 0;
constexpr std::uint64_t kWakeId = 1;
constexpr std::uint64_t kFirstPeerId = 2;

// Twice the workers that there can be: a reload of nginx doubles them for a while.
constexpr std::size_t kMaxPeers = 2 * control::kMaxWorkers;
constexpr auto kHelloWithin = 5s;
constexpr auto kTick = 100ms;        // for what is due at a time: hello, another try, accepting again
constexpr auto kComplainEvery = 1s;  // a peer that is refused comes again ten times a second
constexpr int kMessagesPerTurn = 32;
constexpr int kEventsPerWait = 64;

}  // namespace

Result<void> WorkerHubImpl::start_thread() {
  next_id_ = kFirstPeerId;
  if (!watch(listener_.get(), kListenerId, EPOLLIN, EPOLL_CTL_ADD) ||
      !watch(wake_.get(), kWakeId, EPOLLIN, EPOLL_CTL_ADD)) {
    return std::unexpected(io_error("cannot watch the workers' socket"));
  }
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are main()'s
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return fail(ErrorCode::kIo, std::string("cannot start the worker hub's thread: ") + error.what());
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::pthread_setname_np(thread_.native_handle(), "secbeat-hub");
  return {};
}

void WorkerHubImpl::run() noexcept {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
    }
    try {
      step();
    } catch (const std::exception& error) {  // memory that cannot be had: what is due is done at the next step
      spdlog::error("worker hub: {}", error.what());
    }
  }
}

int WorkerHubImpl::patience() const {
  bool tick = accept_again_.has_value();
  for (const auto& [id, peer] : peers_) tick = tick || !peer.hello() || peer.waits_for_retry();
  return tick ? static_cast<int>(std::chrono::milliseconds(kTick).count()) : -1;
}

void WorkerHubImpl::step() {
  std::array<epoll_event, kEventsPerWait> events{};
  const int count = ::epoll_wait(epoll_.get(), events.data(), kEventsPerWait, patience());
  for (int i = 0; i < count; ++i) {
    const std::uint64_t id = events[static_cast<std::size_t>(i)].data.u64;
    if (id == kWakeId) {
      std::uint64_t value = 0;
      [[maybe_unused]] const ssize_t taken = ::read(wake_.get(), &value, sizeof value);
    } else if (id == kListenerId) {
      accept_all();
    } else {
      read(id);
    }
  }
  settle();
}

bool WorkerHubImpl::watch(int socket, std::uint64_t id, std::uint32_t events, int operation) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  return ::epoll_ctl(epoll_.get(), operation, socket, &event) == 0;
}

void WorkerHubImpl::accept_all() {
  for (;;) {
    auto accepted = accept_worker(listener_.get());
    if (!accepted) {
      if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
      // No descriptors or no memory: the connection stays in the queue, and so would the event.
      complain(fmt::format("cannot take a worker's connection: {}", accepted.error().message));
      if (watch(listener_.get(), kListenerId, 0, EPOLL_CTL_MOD)) accept_again_ = now() + kTick;
      return;
    }
    const auto& who = accepted->credentials;
    if (peers_.size() >= kMaxPeers) {
      complain(fmt::format("process {} is refused: {} connections are open", who.pid, peers_.size()));
      continue;
    }
    const std::uint64_t id = next_id_++;
    if (!watch(accepted->socket.get(), id, EPOLLIN, EPOLL_CTL_ADD)) continue;
    const std::lock_guard lock(mutex_);
    peers_.try_emplace(id, std::move(accepted->socket), who.pid, who.uid, now());
  }
}

void WorkerHubImpl::read(std::uint64_t id) {
  const auto found = peers_.find(id);
  if (found == peers_.end()) return;  // closed by an event of the same wait
  Peer& peer = found->second;
  for (int i = 0; i < kMessagesPerTurn; ++i) {
    auto received = control::receive_message(peer.socket());
    if (received && !received->has_value()) return;
    if (!received) {
      if (received.error().code == ErrorCode::kIo) {
        if (peer.hello()) spdlog::info("worker {} disconnected", peer.pid());
      } else {
        complain(fmt::format("process {} sent what is no message and is disconnected: {}", peer.pid(),
                             received.error().message));
      }
      close(id);
      return;
    }
    if (!handle(peer, std::move(**received))) {
      close(id);
      return;
    }
  }
}

bool WorkerHubImpl::handle(Peer& peer, control::Message message) {
  if (const auto* hello = std::get_if<control::Hello>(&message)) return on_hello(peer, *hello);
  if (!peer.hello()) {
    complain(fmt::format("process {} is disconnected: its first message is no hello", peer.pid()));
    return false;
  }
  if (const auto* events = std::get_if<control::Events>(&message)) {
    on_events(peer, *events);
    return true;
  }
  const std::lock_guard lock(mutex_);
  if (const auto* staged = std::get_if<control::Staged>(&message)) {
    tell_fallbacks(peer, staged->failed_fallbacks);
    peer.on_staged(*staged);
  } else if (const auto* failed = std::get_if<control::StageFailed>(&message)) {
    spdlog::warn("worker {} cannot serve generation {}: module {}: {} ({})", peer.pid(), failed->generation,
                 failed->module, failed->message, failed->code);
    peer.on_stage_failed(*failed, now());
  } else if (const auto* serving = std::get_if<control::Serving>(&message)) {
    peer.on_serving(serving->generation, now());
    if (transaction_ && transaction_->document->generation() == serving->generation) {
      transaction_->max_pause_ns = std::max(transaction_->max_pause_ns, serving->pause_ns);
    }
  } else {
    complain(fmt::format("worker {} is disconnected: it sent a message that only agents send", peer.pid()));
    return false;
  }
  return true;
}

// Who may say what it serves: a process of ours, or one that the scoreboard knows by its pid. The kernel says who
// it is.
bool WorkerHubImpl::on_hello(Peer& peer, const control::Hello& hello) {
  if (peer.hello() || hello.pid != peer.pid() || hello.slot >= control::kMaxWorkers) {
    complain(fmt::format("process {} is refused: its hello names process {} and slot {}", peer.pid(), hello.pid,
                         hello.slot));
    return false;
  }
  const bool owns_slot = scoreboard_.layout().workers[hello.slot].pid.load(std::memory_order_acquire) == hello.pid;
  if (!owns_slot && peer.uid() != 0 && peer.uid() != ::geteuid()) {
    complain(fmt::format("process {} of user {} is refused: slot {} of the scoreboard is not its own", peer.pid(),
                         peer.uid(), hello.slot));
    return false;
  }
  if (owns_slot) close_others_of(hello.slot);
  spdlog::info("worker {} connected: slot {}, build {}, serves generation {}", hello.pid, hello.slot, hello.build,
               hello.generation);
  tell_other_build(hello);
  tell_fallbacks(peer, hello.failed_fallbacks);
  const std::lock_guard lock(mutex_);
  peer.introduce(hello, owns_slot);
  return true;
}

void WorkerHubImpl::tell_fallbacks(const Peer& peer, const std::string& failed) {
  if (failed.empty()) return;
  spdlog::warn("worker {} has less to fall back to: {}; it is made again where its module is there", peer.pid(),
               failed);
}

// Once for a build, and not for each worker of it.
void WorkerHubImpl::tell_other_build(const control::Hello& hello) {
  if (hello.build == build_ || hello.build == other_build_) return;
  other_build_ = hello.build;
  spdlog::warn(
      "worker {} runs build {} of the nginx module, and this is build {}: install both from one build and "
      "restart nginx (a reload keeps the module that is loaded)",
      hello.pid, hello.build, build_);
}

// A helper thread that connects again has left its old connection, whether the kernel has told us yet or not.
void WorkerHubImpl::close_others_of(std::uint32_t slot) {
  for (auto it = peers_.begin(); it != peers_.end();) {
    const Peer& peer = it->second;
    const std::uint64_t id = (it++)->first;
    if (peer.hello() && peer.owns_slot() && peer.hello()->slot == slot) close(id);
  }
}

void WorkerHubImpl::on_events(const Peer& peer, const control::Events& events) {
  if (!sink_) return;
  try {
    for (const control::Event& event : events.events) sink_(peer.pid(), event);
  } catch (const std::exception& error) {
    complain(fmt::format("events of worker {} are lost: {}", peer.pid(), error.what()));
  }
}

// One step for every peer, then out with what is queued.
void WorkerHubImpl::settle() {
  const SteadyTime time = now();
  if (accept_again_ && time >= *accept_again_ && watch(listener_.get(), kListenerId, EPOLLIN, EPOLL_CTL_MOD)) {
    accept_again_.reset();
  }
  std::vector<std::uint64_t> broken;
  {
    const std::lock_guard lock(mutex_);
    const DocumentPtr wanted = transaction_ ? transaction_->document : target_;
    const Goal goal = transaction_ ? transaction_->goal : Goal::kServing;
    const Peer::Retry retry = transaction_ ? Peer::Retry::kNo : Peer::Retry::kYes;
    for (auto& [id, peer] : peers_) {
      if (!peer.hello()) {
        if (time - peer.accepted() >= kHelloWithin) broken.push_back(id);
        continue;
      }
      if (!wanted || wanted->fits()) peer.bring_to(wanted, goal, retry, time);
      const bool waited = peer.has_unsent();
      if (auto flushed = peer.flush(); !flushed) {
        complain(fmt::format("worker {} is disconnected: {}", peer.pid(), flushed.error().message));
        broken.push_back(id);
      } else if (waited || peer.has_unsent()) {
        watch(peer.socket(), id, peer.has_unsent() ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
      }
    }
  }
  for (const std::uint64_t id : broken) close(id);
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
}

void WorkerHubImpl::close(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  peers_.erase(id);  // closing the descriptor ends epoll's interest in it
}

void WorkerHubImpl::complain(const std::string& line) {
  const SteadyTime time = now();
  if (time < next_complaint_) {
    ++complaints_left_out_;
    return;
  }
  next_complaint_ = time + kComplainEvery;
  spdlog::warn("{}{}", line,
               complaints_left_out_ == 0 ? "" : fmt::format(" ({} such lines left out)", complaints_left_out_));
  complaints_left_out_ = 0;
}

}  // namespace secbeat::agent
