// Attempts that would show a hole: each is a real system call, of which the kernel's answer is kept. An attempt that is
// not refused does no harm: it names what does not exist, or asks for what changes nothing.
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "secbeat/base/unique_fd.hpp"
#include "secbeat/engine/confine.hpp"

namespace secbeat::engine {
namespace {

constexpr const char* kFile = "/etc/passwd";
constexpr const char* kAbsent = "/nonexistent/secbeat-escape";

// A descriptor counts as success and is closed.
long opened(int fd) { return UniqueFd(fd) ? 0 : -1; }

long open_by_openat2() {
  struct {
    std::uint64_t flags, mode, resolve;
  } how{};
  return opened(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, kFile, &how, sizeof how)));
}

long make_pair() {
  int ends[2] = {-1, -1};
  const int made = ::socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
  const UniqueFd first(ends[0]);
  const UniqueFd second(ends[1]);
  return made;
}

// The words are bad on purpose: where programs may start, the answer is EFAULT and this process goes on.
long start_program() { return ::syscall(SYS_execve, "/bin/true", 1, nullptr); }
long start_program_by_descriptor() { return ::syscall(SYS_execveat, AT_FDCWD, "/bin/true", 1, nullptr, 0); }

long fork_process() {
  const long child = ::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (child == 0) ::_exit(0);
  return child;
}

long read_memory_by_pid() {
  char from = 'x';
  char into = 0;
  const iovec source{&from, 1};
  const iovec target{&into, 1};
  return ::process_vm_readv(::getpid(), &target, 1, &source, 1, 0);
}

long limit_of_parent() {
  rlimit limit{};
  return ::prlimit(::getppid(), RLIMIT_NOFILE, nullptr, &limit);
}

long open_by_name_of_a_descriptor_folder() { return opened(::open("/proc/self/fd/../environ", O_RDONLY)); }

// The same call in the table of another ABI; kernels without it answer that there is none, as a filter may not.
long open_by_x32() {
  constexpr long kX32 = 0x40000000;
  return opened(static_cast<int>(::syscall(kX32 + SYS_openat, AT_FDCWD, kFile, O_RDONLY)));
}

struct Try {
  const char* what;
  long (*run)();
};

constexpr Try kTries[] = {
    {"open a file", [] { return opened(::open(kFile, O_RDONLY)); }},
    {"open a file by openat2", open_by_openat2},
    {"open a file beside the descriptors", open_by_name_of_a_descriptor_folder},
    {"make a file", [] { return opened(::open(kAbsent, O_WRONLY | O_CREAT, 0600)); }},
    {"look at a file",
     [] {
       struct stat st{};
       return static_cast<long>(::stat(kFile, &st));
     }},
    {"list a folder", [] { return opened(::open("/", O_RDONLY | O_DIRECTORY)); }},
    {"rename a file", [] { return static_cast<long>(::rename(kAbsent, kAbsent)); }},
    {"remove a file", [] { return static_cast<long>(::unlink(kAbsent)); }},
    {"change the mode of a file", [] { return static_cast<long>(::chmod(kAbsent, 0600)); }},
    {"make an internet socket", [] { return opened(::socket(AF_INET, SOCK_STREAM, 0)); }},
    {"make a unix socket", [] { return opened(::socket(AF_UNIX, SOCK_STREAM, 0)); }},
    {"make a netlink socket", [] { return opened(::socket(AF_NETLINK, SOCK_RAW, 0)); }},
    {"make a pair of sockets", make_pair},
    {"start a program", start_program},
    {"start a program by execveat", start_program_by_descriptor},
    {"start a process", fork_process},
    {"trace a process", [] { return ::ptrace(PTRACE_PEEKDATA, ::getppid(), nullptr, nullptr); }},
    {"read the memory of a process", read_memory_by_pid},
    {"signal the parent", [] { return static_cast<long>(::kill(::getppid(), 0)); }},
    {"ask for the limits of the parent", limit_of_parent},
    {"open a file by a number of the x32 calls", open_by_x32},
    {"make an io_uring", [] { return ::syscall(SYS_io_uring_setup, 1, nullptr); }},
    {"add a key to the kernel", [] { return ::syscall(SYS_add_key, nullptr, nullptr, nullptr, 0, 0); }},
};

}  // namespace

std::vector<EscapeAttempt> attempt_escapes() {
  std::vector<EscapeAttempt> attempts;
  for (const Try& attempt : kTries) {
    errno = 0;
    const bool done = attempt.run() >= 0;
    const int error = errno;
    attempts.push_back(
        {attempt.what, !done && (error == EPERM || error == EACCES), done ? "done" : std::strerror(error)});
  }
  return attempts;
}

std::size_t count_open_descriptors() {
  constexpr int kLooked = 1024;
  std::size_t open = 0;
  for (int fd = STDERR_FILENO + 1; fd < kLooked; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) ++open;
  }
  return open;
}

}  // namespace secbeat::engine
