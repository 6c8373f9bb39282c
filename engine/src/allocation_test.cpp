// The request path of ABI 2 allocates nothing once its buffers have grown. Counts every operator new of this binary.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "testing.hpp"

namespace {
std::atomic<std::size_t> allocations{0};
}

// Not inlined, or the compiler takes malloc and delete for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* const memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace secbeat::engine {
namespace {

// What inspections of `request` allocate, after one that warms up.
std::size_t allocations_of(Instance& instance, const RequestView& request) {
  EXPECT_TRUE(instance.inspect(request));
  const std::size_t before = allocations.load();
  for (int i = 0; i < 100; ++i) {
    if (!instance.inspect(request)) ADD_FAILURE();
  }
  return allocations.load() - before;
}

TEST(Inspect, AllocatesNothing) {
  const auto engine = Engine::create();
  ASSERT_TRUE(engine);
  testing::Host host;
  const auto abi2 =
      host.instance(testing::guest("(i32.const 1)", R"((func (export "secbeat_abi") (result i32) (i32.const 2)))"));
  EXPECT_EQ(allocations_of(*abi2, testing::browser_get()), 0U);
  const auto abi1 = host.instance(testing::guest("(i32.const 1)"));
  EXPECT_EQ(allocations_of(*abi1, testing::browser_get()), 0U);
}

}  // namespace
}  // namespace secbeat::engine
