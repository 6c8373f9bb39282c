#include "call_filter.hpp"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

namespace secbeat::engine {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "the numbers of system calls are those of x86-64 and arm64"
#endif

// --- calls by name, answered in the process ---------------------------------------------------------------------

// The registers of a call that was stopped.
class StoppedCall {
 public:
  explicit StoppedCall(void* context) : context_(*static_cast<ucontext_t*>(context)) {}
#if defined(__x86_64__)
  [[nodiscard]] std::uint64_t argument(int index) const {
    static constexpr std::array<int, 4> kRegisters{REG_RDI, REG_RSI, REG_RDX, REG_R10};
    return static_cast<std::uint64_t>(context_.uc_mcontext.gregs[kRegisters[static_cast<std::size_t>(index)]]);
  }
  void answer(long result) { context_.uc_mcontext.gregs[REG_RAX] = result; }
#else
  [[nodiscard]] std::uint64_t argument(int index) const { return context_.uc_mcontext.regs[index]; }
  void answer(long result) { context_.uc_mcontext.regs[0] = static_cast<std::uint64_t>(result); }
#endif

 private:
  ucontext_t& context_;
};

// The number in "/proc/self/fd/<n>"; -1: another name.
int descriptor_named(const char* path) noexcept {
  constexpr std::string_view kFolder = "/proc/self/fd/";
  constexpr int kMostDigits = 6;
  if (path == nullptr || std::string_view(path).substr(0, kFolder.size()) != kFolder) return -1;
  const std::string_view digits = std::string_view(path).substr(kFolder.size());
  if (digits.empty() || digits.size() > kMostDigits) return -1;
  int number = 0;
  for (const char digit : digits) {
    if (digit < '0' || digit > '9') return -1;
    number = number * 10 + (digit - '0');
  }
  return number;
}

long copy_descriptor(const char* path) noexcept {
  const int named = descriptor_named(path);
  const int copy = named < 0 ? -1 : ::fcntl(named, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return -EACCES;
  ::lseek(copy, 0, SEEK_SET);  // as if opened; the two share their place, and nobody reads both
  return copy;
}

// fstat() of older C libraries: newfstatat() of an empty name.
long look_at_descriptor(int fd, const char* path, struct stat* out, int flags) noexcept {
  if ((flags & AT_EMPTY_PATH) == 0 || path == nullptr || *path != '\0') return -EACCES;
  return ::syscall(SYS_fstat, fd, out) == 0 ? 0 : -errno;
}

void answer_call(int /*signal*/, siginfo_t* info, void* context) {
  const int kept = errno;
  StoppedCall call(context);
  if (info->si_syscall == SYS_openat) {
    call.answer(copy_descriptor(reinterpret_cast<const char*>(call.argument(1))));
  } else if (info->si_syscall == SYS_newfstatat) {
    call.answer(look_at_descriptor(static_cast<int>(call.argument(0)), reinterpret_cast<const char*>(call.argument(1)),
                                   reinterpret_cast<struct stat*>(call.argument(2)),
                                   static_cast<int>(call.argument(3))));
  } else {
    call.answer(-EPERM);
  }
  errno = kept;
}

// --- the filter -------------------------------------------------------------------------------------------------

// Little-endian: the lower half of an argument comes first.
constexpr std::uint32_t argument_offset(unsigned index) {
  return static_cast<std::uint32_t>(offsetof(seccomp_data, args) + index * sizeof(std::uint64_t));
}

class FilterProgram {
 public:
  FilterProgram() {
    load(offsetof(seccomp_data, arch));
    jump_if_equal(kArchitecture, 1, 0);
    finish(SECCOMP_RET_KILL_PROCESS);
    load(offsetof(seccomp_data, nr));
  }
  void allow(std::initializer_list<long> numbers) {
    for (const long number : numbers) decide(number, SECCOMP_RET_ALLOW);
  }
  void answer(long number, int error) { decide(number, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)); }
  void stop(std::initializer_list<long> numbers) {
    for (const long number : numbers) decide(number, SECCOMP_RET_TRAP);
  }
  // Only where the argument, of which `mask` counts, is one of the values.
  void allow_where(long number, unsigned argument, std::uint32_t mask, const std::vector<std::uint32_t>& values) {
    const auto length = static_cast<std::uint8_t>(2 + 2 * values.size() + 1);
    jump_if_equal(static_cast<std::uint32_t>(number), 0, length);
    load(argument_offset(argument));
    code_.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask));
    for (const std::uint32_t value : values) decide(value, SECCOMP_RET_ALLOW);
    finish(SECCOMP_RET_ERRNO | EPERM);
  }
  // Installs it; what was not named is not permitted.
  bool install() {
    finish(SECCOMP_RET_ERRNO | EPERM);
    const sock_fprog program{static_cast<unsigned short>(code_.size()), code_.data()};
    return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
  }

 private:
  void load(std::size_t offset) {
    code_.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)));
  }
  void jump_if_equal(std::uint32_t value, std::uint8_t yes, std::uint8_t no) {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no));
  }
  void finish(std::uint32_t action) { code_.push_back(BPF_STMT(BPF_RET | BPF_K, action)); }
  void decide(long value, std::uint32_t action) {
    jump_if_equal(static_cast<std::uint32_t>(value), 0, 1);
    finish(action);
  }

  std::vector<sock_filter> code_;
};

// Of a new thread, and not of a new process or name space.
constexpr std::uint32_t kThreadFlags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
constexpr std::uint32_t kForbiddenCloneFlags = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                               CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_VFORK |
                                               CLONE_PTRACE | CLONE_UNTRACED;
constexpr std::uint32_t kWhole = 0xFFFFFFFFU;
constexpr std::uint32_t kNameOfMemory = 0x53564D41U;  // PR_SET_VMA; later than Debian 12's headers

void add_calls(FilterProgram& filter) {
  // Memory, threads, time, and what is open already.
  filter.allow({SYS_read,
                SYS_write,
                SYS_writev,
                SYS_pread64,
                SYS_lseek,
                SYS_close,
                SYS_fstat,
                SYS_ftruncate,
                SYS_mmap,
                SYS_munmap,
                SYS_mprotect,
                SYS_mremap,
                SYS_madvise,
                SYS_brk,
                SYS_memfd_create,
                SYS_futex,
                SYS_set_robust_list,
                SYS_rseq,
                SYS_membarrier,
                SYS_sched_yield,
                SYS_sched_getaffinity,
                SYS_getcpu,
                SYS_rt_sigaction,
                SYS_rt_sigprocmask,
                SYS_rt_sigreturn,
                SYS_sigaltstack,
                SYS_clock_gettime,
                SYS_clock_getres,
                SYS_clock_nanosleep,
                SYS_nanosleep,
                SYS_gettimeofday,
                SYS_getrandom,
                SYS_getpid,
                SYS_getppid,
                SYS_gettid,
                SYS_getuid,
                SYS_geteuid,
                SYS_getrusage,
                SYS_restart_syscall,
                SYS_exit,
                SYS_exit_group});
  filter.stop({SYS_openat, SYS_newfstatat});
  // Their arguments lie in memory, where a filter cannot look; the C library then takes the older call.
  filter.answer(SYS_clone3, ENOSYS);
  filter.answer(SYS_statx, ENOSYS);
  filter.allow_where(SYS_clone, 0, kThreadFlags | kForbiddenCloneFlags, {kThreadFlags});
  // Not F_SETOWN: it lets the kernel send signals to others.
  filter.allow_where(SYS_fcntl, 1, kWhole, {F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC, F_ADD_SEALS, F_GET_SEALS});
  filter.allow_where(SYS_prctl, 0, kWhole, {PR_SET_NAME, PR_GET_PDEATHSIG, kNameOfMemory});
  filter.allow_where(SYS_prlimit64, 0, kWhole, {0});  // its own limits, which it cannot raise
  const auto self = static_cast<std::uint32_t>(::getpid());
  filter.allow_where(SYS_kill, 0, kWhole, {self});
  filter.allow_where(SYS_tgkill, 0, kWhole, {self});  // abort()
#if defined(__x86_64__)
  filter.allow({SYS_time, SYS_getrlimit, SYS_arch_prctl});
#endif
}

}  // namespace

Result<bool> filter_calls() {
  struct sigaction action{};
  action.sa_sigaction = answer_call;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  if (::sigaction(SIGSYS, &action, nullptr) != 0) return std::unexpected(io_error("sigaction"));
  FilterProgram filter;
  add_calls(filter);
  if (filter.install()) return true;
  if (errno == EINVAL || errno == ENOSYS) return false;
  return std::unexpected(io_error("cannot filter system calls"));
}

}  // namespace secbeat::engine
