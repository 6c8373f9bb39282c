// What the event loop and the helper thread share: a chain on its way to the loop, the one that the loop serves,
// and two descriptors to wake each other.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <utility>

#include "chain.hpp"
#include "secbeat/base/error.hpp"
#include "secbeat/base/unique_fd.hpp"

namespace secbeat::worker {

// Thread safety: every method may be called from any thread.
class WakeUp {
 public:
  static Result<WakeUp> create() {
    UniqueFd fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!fd) return std::unexpected(io_error("eventfd"));
    return WakeUp(std::move(fd));
  }
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  void signal() const noexcept { static_cast<void>(::eventfd_write(fd_.get(), 1)); }
  void clear() const noexcept {
    eventfd_t count = 0;
    static_cast<void>(::eventfd_read(fd_.get(), &count));
  }

 private:
  explicit WakeUp(UniqueFd fd) noexcept : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

struct Handover {
  Handover(WakeUp loop, WakeUp helper) noexcept : loop_wake(std::move(loop)), helper_wake(std::move(helper)) {}

  // Helper → loop. Owned by the helper thread, as every chain is.
  std::atomic<Chain*> next{nullptr};
  // Loop → helper: what the loop serves. Stored after `pause_ns`, with release order.
  std::atomic<const Chain*> serving{nullptr};
  std::atomic<std::uint64_t> pause_ns{0};
  // Loop → helper: instances are to be replaced. Set once until the helper thread has looked.
  std::atomic<bool> instances_wanted{false};

  WakeUp loop_wake;
  WakeUp helper_wake;

  void ask_for_instances() noexcept {
    if (!instances_wanted.exchange(true, std::memory_order_acq_rel)) helper_wake.signal();
  }
};

}  // namespace secbeat::worker
