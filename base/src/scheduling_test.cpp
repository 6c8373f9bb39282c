#include "secbeat/base/scheduling.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <memory>
#include <stdexcept>

namespace secbeat {
namespace {

int nice_of_this_thread() { return ::getpriority(PRIO_PROCESS, static_cast<id_t>(::gettid())); }

TEST(Quietly, WorksBelowTheCallerAndLeavesItAsItIs) {
  const int before = nice_of_this_thread();
  const int during = quietly([] { return nice_of_this_thread(); });
  EXPECT_GE(during, 10);
  EXPECT_EQ(nice_of_this_thread(), before);
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
