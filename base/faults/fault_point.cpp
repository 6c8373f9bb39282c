// Fault points that work. A test writes a point's name into the file `fault-point` of the working directory, which each
// process maps when it starts: a point is armed without a system call, also in a process that may make none. The first
// process to come by takes it and ends, so that the one that is started in its place does not.
#include "secbeat/base/fault_point.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>

namespace secbeat {
namespace {

// Also known to tests/support/faults.py.
struct Armed {
  enum State : std::uint32_t { kIdle, kArmed, kTaken };
  std::atomic<std::uint32_t> state;
  char name[60];
};
static_assert(sizeof(Armed) == 64);

Armed* map_file() noexcept {
  const int fd = ::open("fault-point", O_RDWR | O_CLOEXEC);
  struct stat st{};
  void* place = MAP_FAILED;
  if (fd >= 0 && ::fstat(fd, &st) == 0 && st.st_size >= static_cast<off_t>(sizeof(Armed))) {
    place = ::mmap(nullptr, sizeof(Armed), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  }
  if (fd >= 0) ::close(fd);
  return place == MAP_FAILED ? nullptr : static_cast<Armed*>(place);
}

// Before main(), and in nginx when the master loads the module: workers inherit the mapping.
Armed* const armed = map_file();

}  // namespace

void fault_point(FaultPoint point) noexcept {
  if (armed == nullptr || armed->state.load(std::memory_order_acquire) != Armed::kArmed) return;
  if (point.name() != std::string_view(armed->name, ::strnlen(armed->name, sizeof armed->name))) return;
  std::uint32_t expected = Armed::kArmed;
  if (!armed->state.compare_exchange_strong(expected, Armed::kTaken)) return;
  ::kill(::getpid(), SIGKILL);
  ::_exit(137);  // a process that may not send signals
}

}  // namespace secbeat
