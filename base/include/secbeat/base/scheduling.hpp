// How soon a thread runs once it is woken, and whom it lets pass.
#pragma once

#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace secbeat {

// For the calling thread, when it sleeps most of the time and must be on time: timers without slack, and slices of
// 0.1 ms, the shortest there are. Linux then runs it as soon as it wakes, before threads whose slices are longer
// (EEVDF, since 6.12, sched_setattr(2)); its share of a busy processor stays what it is. Needs no privilege. Older
// kernels know no slices, and where something is refused nothing changes.
void wake_on_time() noexcept;

// Runs `work` on a thread of its own that lets ordinary ones pass (nice 10, as the compile child, and the longest
// slices, so that whoever wakes goes first), and waits for its end. Processes that it starts inherit that. The thread
// has the caller's signal mask; where none can be had, the calling thread does the work itself.
void run_quietly(const std::function<void()>& work);

// The same for work that returns something; what it throws is thrown here.
template <typename Work>
  requires(!std::is_void_v<std::invoke_result_t<Work>>)
std::invoke_result_t<Work> quietly(Work&& work) {
  std::optional<std::invoke_result_t<Work>> result;
  std::exception_ptr thrown;
  run_quietly([&] {
    try {
      result.emplace(std::forward<Work>(work)());
    } catch (...) {
      thrown = std::current_exception();
    }
  });
  if (thrown) std::rethrow_exception(thrown);
  return *std::move(result);
}

}  // namespace secbeat
