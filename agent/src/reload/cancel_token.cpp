#include "cancel_token.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

namespace secbeat::agent {

CancelToken::CancelToken() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void CancelToken::cancel() noexcept {
  const std::uint64_t one = 1;
  // Fails only where the counter is full, and then it is cancelled.
  [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);
  const std::lock_guard lock(mutex_);
  if (wake_) wake_();
}

bool CancelToken::cancelled() const noexcept {
  pollfd wanted{event_.get(), POLLIN, 0};
  return ::poll(&wanted, 1, 0) == 1;
}

CancelToken::Waker::Waker(const CancelToken& token, std::function<void()> wake) : token_(token) {
  const std::lock_guard lock(token_.mutex_);
  token_.wake_ = std::move(wake);
  if (token_.cancelled()) token_.wake_();
}

CancelToken::Waker::~Waker() {
  const std::lock_guard lock(token_.mutex_);
  token_.wake_ = nullptr;
}

}  // namespace secbeat::agent
