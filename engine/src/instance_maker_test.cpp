// Instances for one request each: isolation = "request".
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "secbeat/engine/engine.hpp"
#include "testing.hpp"

namespace secbeat::engine {
namespace {

using testing::browser_get;
using testing::guest;
using ::testing::HasSubstr;
using testing::Host;
using testing::wasm;

// Answers how often it was called before, in a global and in its memory.
constexpr std::string_view kCountsInAGlobal =
    "(global.set $calls (i32.add (global.get $calls) (i32.const 1))) (i32.sub (global.get $calls) (i32.const 1))";
constexpr std::string_view kGlobal = "(global $calls (mut i32) (i32.const 0))";
constexpr std::string_view kCountsInMemory =
    "(i32.store (i32.const 16) (i32.add (i32.load (i32.const 16)) (i32.const 1))) "
    "(i32.sub (i32.load (i32.const 16)) (i32.const 1))";

class InstanceMakerTest : public ::testing::Test {
 protected:
  std::unique_ptr<InstanceMaker> maker_of(std::string_view module, const Limits& limits = {}) {
    auto maker = InstanceMaker::create(host_.engine(), host_.load(module, Isolation::kRequest), limits);
    EXPECT_TRUE(maker) << maker.error().message;
    return maker ? std::move(*maker) : nullptr;
  }
  static std::expected<Verdict, CallError> decide(const InstanceMaker& maker) {
    auto instance = maker.make();
    if (!instance) return std::unexpected(instance.error());
    return (*instance)->inspect(browser_get());
  }

  Host host_;
};

TEST_F(InstanceMakerTest, NoInstanceMeetsWhatAnotherOneLeft) {
  for (const std::string& module : {guest(kCountsInAGlobal, kGlobal), guest(kCountsInMemory)}) {
    const auto maker = maker_of(module);
    for (int i = 0; i < 1000; ++i) ASSERT_EQ(decide(*maker), Verdict::kAllow) << i;
  }
}

TEST_F(InstanceMakerTest, AModuleWithConfigureIsRefusedWithWhatToDo) {
  const auto artifact =
      host_.load(guest("(i32.const 0)", R"((func (export "configure") (param i32 i32) (result i32) (i32.const 0)))"),
                 Isolation::kRequest);
  const auto maker = InstanceMaker::create(host_.engine(), artifact, Limits{});
  ASSERT_FALSE(maker);
  EXPECT_EQ(maker.error().code, ErrorCode::kConfigureFailed);
  EXPECT_THAT(maker.error().message, HasSubstr("isolation = \"instance\""));
}

TEST_F(InstanceMakerTest, SeveralLiveAtOnceAndAFailedOneHarmsNoOther) {
  const auto traps = maker_of(guest("(unreachable)"));
  const auto counts = maker_of(guest(kCountsInAGlobal, kGlobal));
  std::vector<std::unique_ptr<Instance>> instances;
  for (int i = 0; i < 4; ++i) {
    instances.push_back(counts->make().value());
    EXPECT_EQ(decide(*traps).error().kind, CallErrorKind::kTrap);
  }
  for (const auto& instance : instances) EXPECT_EQ(instance->inspect(browser_get()), Verdict::kAllow);
  for (const auto& instance : instances) EXPECT_EQ(instance->inspect(browser_get()), Verdict::kBlock);
}

TEST_F(InstanceMakerTest, WhenThePoolIsEmptyItIsAnErrorOfMemory) {
  const auto maker = maker_of(guest("(i32.const 0)"));
  std::vector<std::unique_ptr<Instance>> instances;
  auto made = maker->make();
  while (made && instances.size() < 1000) {
    instances.push_back(std::move(*made));
    made = maker->make();
  }
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().kind, CallErrorKind::kMemory);
  instances.pop_back();
  EXPECT_EQ(decide(*maker), Verdict::kAllow);
}

TEST_F(InstanceMakerTest, AStartFunctionThatNeverEndsIsRefused) {
  const auto artifact =
      host_.load(guest("(i32.const 0)", "(func $start (loop $l (br $l))) (start $start)"), Isolation::kRequest);
  Limits limits;
  limits.configure_budget = std::chrono::milliseconds(20);
  const auto maker = InstanceMaker::create(host_.engine(), artifact, limits);
  ASSERT_FALSE(maker);
  EXPECT_EQ(maker.error().code, ErrorCode::kConfigureFailed);
}

TEST_F(InstanceMakerTest, AnEndlessLoopIsStopped) {
  const auto maker = maker_of(guest("(loop $l (br $l)) (unreachable)"));
  EXPECT_EQ(decide(*maker).error().kind, CallErrorKind::kDeadline);
}

}  // namespace
}  // namespace secbeat::engine
