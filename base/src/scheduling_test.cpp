#include "secbeat/base/scheduling.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <memory>
#include <stdexcept>

namespace secbeat {
namespace {

int nice_of_this_thread() { return ::getpriority(PRIO_PROCESS, static_cast<id_t>(::gettid())); }

// ns; 0: this kernel knows no slices.
std::uint64_t slice_of_this_thread() {
  std::array<std::uint64_t, 6> attributes{};  // sched_attr: size and policy, flags, nice and priority, runtime, …
  if (::syscall(SYS_sched_getattr, 0, attributes.data(), sizeof attributes, 0) != 0) return 0;
  return attributes[3];
}

TEST(Quietly, WorksBelowTheCallerAndLeavesItAsItIs) {
  const int before = nice_of_this_thread();
  const int during = quietly([] { return nice_of_this_thread(); });
  EXPECT_GE(during, 10);
  EXPECT_EQ(nice_of_this_thread(), before);
}

TEST(Quietly, LetsThreadsWithShorterSlicesPass) {
  const std::uint64_t before = slice_of_this_thread();
  if (before == 0) GTEST_SKIP() << "this kernel knows no slices";
  EXPECT_GT(quietly([] { return slice_of_this_thread(); }), before);
  EXPECT_EQ(slice_of_this_thread(), before);
}

TEST(Quietly, HandsOverWhatTheWorkReturns) {
  const std::unique_ptr<int> made = quietly([] { return std::make_unique<int>(7); });
  EXPECT_EQ(*made, 7);
}

TEST(Quietly, ThrowsHereWhatIsThrownThere) {
  EXPECT_THROW(quietly([]() -> int { throw std::runtime_error("no"); }), std::runtime_error);
}

}  // namespace
}  // namespace secbeat
