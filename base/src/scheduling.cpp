#include "secbeat/base/scheduling.hpp"

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <system_error>
#include <thread>

namespace secbeat {
namespace {

// struct sched_attr of sched_setattr(2): the kernel's header for it cannot stand beside <sched.h>.
struct SchedulingAttributes {
  std::uint32_t size = 0, policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0;  // ns; of an ordinary thread its slice
  std::uint64_t deadline = 0, period = 0;
};

constexpr std::uint64_t kShortestSlice = 100'000;
constexpr std::uint64_t kLongestSlice = 100'000'000;
constexpr int kQuiet = 10;  // nice

// Of the calling thread, in ns.
void set_slice(std::uint64_t slice) noexcept {
  SchedulingAttributes attributes;
  if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return;
  if (attributes.runtime == 0) return;  // of a kernel that knows no slices
  attributes.runtime = slice;
  static_cast<void>(::syscall(SYS_sched_setattr, 0, &attributes, 0));
}

}  // namespace

void wake_on_time() noexcept {
  ::prctl(PR_SET_TIMERSLACK, 1);  // ns
  set_slice(kShortestSlice);
}

// Linux has a nice value for each thread; what lowers itself may not rise again without a privilege, hence a thread.
void run_quietly(const std::function<void()>& work) {
  std::thread thread;
  try {
    thread = std::thread([&work] {
      ::pthread_setname_np(::pthread_self(), "secbeat-quiet");
      ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kQuiet);
      set_slice(kLongestSlice);  // whoever wakes with a shorter one goes first
      work();
    });
  } catch (const std::system_error&) {
    return work();
  }
  thread.join();
}

}  // namespace secbeat
