// Ends what waits for it, from another thread, once and for good.
#pragma once

#include <functional>
#include <mutex>

#include "secbeat/base/unique_fd.hpp"

namespace secbeat::agent {

// Thread safety: every method may be called from any thread.
class CancelToken {
 public:
  CancelToken();
  void cancel() noexcept;
  [[nodiscard]] bool cancelled() const noexcept;
  [[nodiscard]] int fd() const noexcept { return event_.get(); }  // readable once cancelled

  // For what cannot wait for a descriptor: runs `wake` on the cancelling thread, at once where that has been, as
  // long as this object lives. `wake` must not touch the token.
  class Waker {
   public:
    Waker(const CancelToken& token, std::function<void()> wake);
    ~Waker();
    Waker(const Waker&) = delete;
    Waker& operator=(const Waker&) = delete;

   private:
    const CancelToken& token_;
  };

 private:
  UniqueFd event_;
  mutable std::mutex mutex_;
  mutable std::function<void()> wake_;  // guarded by mutex_
};

}  // namespace secbeat::agent
