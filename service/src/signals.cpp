#include "secbeat/service/signals.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace secbeat::service {

Signals::Signals() {
  ::sigemptyset(&set_);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR2}) ::sigaddset(&set_, signal);
  ::pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  struct sigaction ignore{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, nullptr);
  ::sigaction(SIGXFSZ, &ignore, nullptr);  // a limit on file sizes is met as a full disk is
  fd_ = UniqueFd(::signalfd(-1, &set_, SFD_CLOEXEC));
}

int Signals::wait(std::chrono::milliseconds timeout) const {
  pollfd wanted{fd_.get(), POLLIN, 0};
  signalfd_siginfo info{};
  if (::poll(&wanted, 1, static_cast<int>(timeout.count())) <= 0) return 0;
  return ::read(fd_.get(), &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
}

void Signals::let_go() const { ::pthread_sigmask(SIG_UNBLOCK, &set_, nullptr); }

}  // namespace secbeat::service
