// A request that every module allows costs no allocation. Counts every operator new of the thread that decides.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "worker_fixture.hpp"

namespace {
thread_local std::size_t allocations = 0;
}

// Not inlined, or the compiler takes malloc and delete for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* const memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace secbeat::worker::test {
namespace {

class WorkerAllocation : public WorkerTest {};

TEST_F(WorkerAllocation, IsNoneWhereEveryModuleAllows) {
  folders_.write_in_force(document_of(1, {slot_of("first", {folders_.version(1, "allow_all")}),
                                          slot_of("second", {folders_.version(2, "configurable", "forbidden")})}));
  start_worker();
  worker_->decide(get_request());
  const std::size_t before = allocations;
  for (int i = 0; i < 100; ++i) worker_->decide(get_request());
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(series(2).verdicts[0].load(), 101U);
}

}  // namespace
}  // namespace secbeat::worker::test
