// What the event loop does not do: it allocates nothing for a request that every module allows, and a swap makes it
// neither allocate, free nor send. Counts every operator new and delete, and every send, of the thread that asks.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstdlib>
#include <new>

#include "worker_fixture.hpp"

namespace {
thread_local std::size_t allocations = 0;
thread_local std::size_t frees = 0;
thread_local std::size_t sends = 0;
}  // namespace

// Not inlined, or the compiler takes malloc and delete for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* const memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  ++frees;
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  ++frees;
  std::free(memory);
}

// In the place of libc's, for all of this program.
extern "C" ssize_t send(int socket, const void* bytes, std::size_t size, int flags) {
  ++sends;
  return ::sendto(socket, bytes, size, flags, nullptr, 0);
}

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

TEST_F(WorkerAllocation, IsNoneForCountingTheRuleThatBlocks) {
  folders_.write_in_force(document_of(1, {slot_of("blocks", {folders_.version(1, "block_when_header")})}));
  start_worker();
  worker_->decide(request_with("x-block"));
  const std::size_t before = allocations;
  for (int i = 0; i < 1000; ++i) worker_->decide(request_with("x-block"));
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(control::read_rules(scoreboard_->layout().rules).front().verdicts[0], 1001U);
}

TEST_F(WorkerAllocation, ASwapIsAPointerAndNothingElseToTheEventLoop) {
  FakeAgent agent(folders_.paths().socket());
  folders_.write_in_force(document_of(1, {slot_of("rules", {folders_.version(1, "generation_1")})}));
  start_worker();
  agent.accept();
  for (std::uint64_t generation = 2; generation < 12; ++generation) {
    // Nothing of the version before is wanted any more: somebody frees its instances, its code and its chain.
    agent.send(
        control::Stage{document_of(generation, {slot_of("rules", {folders_.version(generation, "allow_all")})})});
    agent.expect<control::Staged>();
    agent.send(control::Commit{generation});
    ASSERT_TRUE(loop_is_wanted());
    const std::size_t before[] = {allocations, frees, sends};
    worker_->on_wake();
    EXPECT_EQ(allocations, before[0]);
    EXPECT_EQ(frees, before[1]);
    EXPECT_EQ(sends, before[2]);
    EXPECT_EQ(agent.expect<control::Serving>().generation, generation) << "by the helper thread";
  }
  EXPECT_GT(sends, 0U) << "this thread's own, as the agent: the count counts";
}

}  // namespace
}  // namespace secbeat::worker::test
