// How a module is started, asked, and thrown away.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <ctime>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "secbeat/engine/engine.hpp"
#include "testing.hpp"

namespace secbeat::engine {
namespace {

using testing::browser_get;
using testing::guest;
using ::testing::HasSubstr;
using testing::Host;
using ::testing::Not;
using testing::wasm;

constexpr std::string_view kAbi2 = R"((func (export "secbeat_abi") (result i32) (i32.const 2)))";

// Keeps where its last input was at 16 and gives it back as its inventory, so that a test reads what a guest reads.
constexpr std::string_view kEcho =
    "(i32.store (i32.const 16) (local.get $ptr)) "
    "(i32.store (i32.const 20) (local.get $len)) (i32.const 0)";
constexpr std::string_view kEchoExport = R"((func (export "inventory") (result i32) (i32.const 16)))";

Limits limits_with_pages(std::size_t pages) {
  Limits limits;
  limits.memory_bytes = pages << 16U;
  return limits;
}

CallErrorKind kind_of(const std::expected<Verdict, CallError>& verdict) {
  EXPECT_FALSE(verdict);
  return verdict ? CallErrorKind{} : verdict.error().kind;
}

TEST(Instance, GivesTheFourVerdicts) {
  Host host;
  for (int verdict = 0; verdict < 4; ++verdict) {
    const auto instance = host.instance(guest("(i32.const " + std::to_string(verdict) + ")"));
    EXPECT_EQ(instance->inspect(browser_get()), static_cast<Verdict>(verdict));
    EXPECT_TRUE(instance->usable());
  }
}

TEST(Instance, HasAbi1AndGetsBodiesWhereTheModuleSaysNothing) {
  Host host;
  const auto instance = host.instance(guest("(i32.const 0)"));
  EXPECT_EQ(instance->abi(), 1);
  EXPECT_TRUE(instance->needs_body());
}

TEST(Instance, AsksTheModuleForItsAbiAndNeeds) {
  Host host;
  const auto without = host.instance(
      guest("(i32.const 0)", std::string(kAbi2) + R"((func (export "secbeat_needs") (result i32) (i32.const 6)))"));
  EXPECT_EQ(without->abi(), 2);
  EXPECT_FALSE(without->needs_body());
  const auto with =
      host.instance(guest("(i32.const 0)", R"((func (export "secbeat_needs") (result i32) (i32.const 7)))"));
  EXPECT_TRUE(with->needs_body());
}

TEST(Instance, RefusesAnAbiThatItDoesNotKnow) {
  Host host;
  const auto made = host.create(guest("(i32.const 0)", R"((func (export "secbeat_abi") (result i32) (i32.const 3)))"));
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kInvalidWasm);
  EXPECT_THAT(made.error().message, HasSubstr("secbeat_abi returned 3"));
}

TEST(Instance, GivesAnAbi1ModuleTheRequestAsJson) {
  Host host;
  const auto instance = host.instance(guest(kEcho, kEchoExport));
  RequestView request = browser_get();
  request.body = "a=\"\n\xff";
  ASSERT_EQ(instance->inspect(request), Verdict::kAllow);
  const auto seen = nlohmann::json::parse(instance->inventory().value().value());
  EXPECT_EQ(seen.at("method"), "GET");
  EXPECT_EQ(seen.at("uri"), "/catalogue/item?id=42");
  EXPECT_EQ(seen.at("version"), "HTTP/1.1");
  EXPECT_EQ(seen.at("source_ip"), "192.0.2.10");
  EXPECT_EQ(seen.at("headers").at("cookie"), "session=0123456789abcdef; theme=dark");
  EXPECT_EQ(seen.at("body"), "a=\"\n\xEF\xBF\xBD");
}

TEST(Instance, GivesAnAbi2ModuleTheFrame) {
  // Blocks only where every field is as in the request below; else answers with the number of the first wrong check.
  const std::string reads_frame = guest(R"(
    (local $h i32)
    (if (i32.ne (i32.load (local.get $ptr)) (i32.const 0x32524253)) (then (return (i32.const 10))))
    (if (i32.ne (i32.load offset=4 (local.get $ptr)) (local.get $len)) (then (return (i32.const 11))))
    (if (i32.ne (i32.load offset=8 (local.get $ptr)) (i32.const 112)) (then (return (i32.const 12))))
    (if (i32.ne (i32.load offset=12 (local.get $ptr)) (i32.const 5)) (then (return (i32.const 13))))
    (if (i64.ne (i64.load offset=16 (local.get $ptr)) (i64.const 1763946003000)) (then (return (i32.const 14))))
    (if (i64.ne (i64.load offset=24 (local.get $ptr)) (i64.const 1000)) (then (return (i32.const 15))))
    (if (i32.ne (i32.load offset=36 (local.get $ptr)) (i32.const 3)) (then (return (i32.const 16))))
    (if (i32.ne (i32.load8_u (i32.add (local.get $ptr) (i32.load offset=40 (local.get $ptr)))) (i32.const 47))
      (then (return (i32.const 17))))
    (if (i32.ne (i32.load (i32.add (local.get $ptr) (i32.load offset=72 (local.get $ptr)))) (i32.const 0x6b636174))
      (then (return (i32.const 18))))
    (if (i32.ne (i32.load offset=96 (local.get $ptr)) (i32.const 50000)) (then (return (i32.const 19))))
    (if (i32.ne (i32.load offset=100 (local.get $ptr)) (i32.const 8080)) (then (return (i32.const 20))))
    (if (i32.ne (i32.load offset=104 (local.get $ptr)) (i32.const 7)) (then (return (i32.const 21))))
    (local.set $h (i32.add (local.get $ptr) (i32.load offset=108 (local.get $ptr))))
    (if (i32.ne (i32.load offset=4 (local.get $h)) (i32.const 4)) (then (return (i32.const 22))))
    (if (i32.ne (i32.load (i32.add (local.get $ptr) (i32.load (local.get $h)))) (i32.const 0x74736f68))
      (then (return (i32.const 23))))
    (i32.const 1))",
                                        kAbi2);
  Host host;
  const auto instance = host.instance(reads_frame);
  RequestView request = browser_get();
  request.body = "tack";
  request.body_total_len = 1000;
  request.flags = abi::kBodyTruncated | abi::kTls;
  const auto verdict = instance->inspect(request);
  ASSERT_TRUE(verdict) << verdict.error().message;
  EXPECT_EQ(*verdict, Verdict::kBlock);
}

TEST(Instance, IsNoMoreUsableAfterATrap) {
  Host host;
  const auto instance = host.instance(guest("unreachable"));
  const auto verdict = instance->inspect(browser_get());
  EXPECT_EQ(kind_of(verdict), CallErrorKind::kTrap);
  EXPECT_EQ(verdict.error().message, "inspect_request failed: wasm trap: wasm `unreachable` instruction executed");
  EXPECT_FALSE(instance->usable());
  EXPECT_EQ(instance->verdict_detail().message, "");
}

TEST(Instance, SaysWhereAGuestReadOutsideOfItsMemory) {
  Host host;
  const auto verdict = host.instance(guest("(i32.load (i32.const 0x7fffffff))"))->inspect(browser_get());
  EXPECT_EQ(kind_of(verdict), CallErrorKind::kTrap);
  EXPECT_THAT(verdict.error().message, HasSubstr("out of bounds memory access"));
  EXPECT_THAT(verdict.error().message, Not(HasSubstr("\n")));
}

TEST(Instance, StopsAnEndlessLoop) {
  Host host;
  const auto instance = host.instance(guest("(loop $l (br $l)) (i32.const 0)"));
  const auto verdict = instance->inspect(browser_get());
  EXPECT_EQ(kind_of(verdict), CallErrorKind::kDeadline);
  EXPECT_EQ(verdict.error().message, "inspect_request used more than 5 ms of CPU time");
  EXPECT_FALSE(instance->usable());
}

// With a budget of wall-clock time this fails: fifteen busy threads on the same processor make the call take about
// sixteen times the CPU time that it uses, and the budget is four times that.
TEST(Instance, WaitingForABusyProcessorIsNotTheGuestsFault) {
  Host host;
  const std::string work = guest(
      "(global.set $i (i32.const 0)) (loop $l (global.set $i (i32.add (global.get $i) (i32.const 1))) "
      "(br_if $l (i32.lt_u (global.get $i) (i32.const 20000000)))) (i32.const 0)",
      "(global $i (mut i32) (i32.const 0))");
  Limits patient;
  patient.call_budget = std::chrono::seconds(60);
  const auto cpu_time = [] {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
  };
  std::jthread([&] {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(::sched_getcpu()), &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);  // its children inherit it
    const auto alone = host.instance(work, patient);
    const auto before = cpu_time();
    ASSERT_TRUE(alone->inspect(browser_get()));
    Limits limits;
    limits.call_budget = std::chrono::ceil<std::chrono::milliseconds>(4 * (cpu_time() - before));
    const auto hurried = host.instance(work, limits);
    std::vector<std::jthread> busy;
    for (int i = 0; i < 15; ++i) {
      busy.emplace_back([](const std::stop_token& stop) {
        while (!stop.stop_requested()) continue;
      });
    }
    EXPECT_TRUE(hurried->inspect(browser_get()));
  }).join();
}

TEST(Instance, StopsAnEndlessLoopInAnyThread) {
  Host host;
  const auto instance = host.instance(guest("(loop $l (br $l)) (i32.const 0)"));
  std::jthread([&] { EXPECT_EQ(kind_of(instance->inspect(browser_get())), CallErrorKind::kDeadline); }).join();
}

TEST(Instance, TurnsEveryFaultOfAGuestIntoAnErrorInAnyThread) {
  Host host;
  for (const std::string_view fault :
       {"unreachable", "(i32.load (i32.const -4))", "(i32.div_u (i32.const 1) (i32.const 0))", "(call $deep)",
        "(call_indirect (result i32) (i32.const 9))", "(i32.trunc_f32_s (f32.const nan))"}) {
    const auto instance = host.instance(guest(fault,
                                              "(table 4 funcref) (func $deep (result i32) (call $deep) drop "
                                              "(call $deep))"));
    std::jthread([&] { EXPECT_EQ(kind_of(instance->inspect(browser_get())), CallErrorKind::kTrap) << fault; }).join();
  }
}

TEST(Instance, MayMoveBetweenThreads) {
  Host host;
  const auto instance = host.instance(guest("(i32.const 1)"));
  for (int i = 0; i < 4; ++i) {
    std::jthread([&] { EXPECT_EQ(instance->inspect(browser_get()), Verdict::kBlock); }).join();
  }
  EXPECT_EQ(instance->inspect(browser_get()), Verdict::kBlock);
}

TEST(Instance, SurvivesAGuestThatOverflowsItsStack) {
  Host host;
  const auto verdict = host.instance(guest("(call $deep (i32.const 1))",
                                           "(func $deep (param i32) (result i32) "
                                           "(i32.add (call $deep (local.get 0)) (i32.const 1)))"))
                           ->inspect(browser_get());
  EXPECT_EQ(kind_of(verdict), CallErrorKind::kTrap);
  EXPECT_THAT(verdict.error().message, HasSubstr("call stack exhausted"));
}

TEST(Instance, CountsAVerdictOutOfRangeAsAnError) {
  Host host;
  for (const std::string_view wrong : {"7", "4", "-1"}) {
    const auto instance = host.instance(guest("(i32.const " + std::string(wrong) + ")"));
    const auto verdict = instance->inspect(browser_get());
    EXPECT_EQ(kind_of(verdict), CallErrorKind::kBadVerdict);
    EXPECT_EQ(verdict.error().message, "inspect_request returned " + std::string(wrong) + ", expected 0 to 3");
    EXPECT_FALSE(instance->usable());
  }
}

TEST(Instance, CallsATrapAtTheMemoryLimitOneOfMemory) {
  Host host;
  const auto hog = guest("(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable");
  const auto verdict = host.instance(hog, limits_with_pages(4))->inspect(browser_get());
  EXPECT_EQ(kind_of(verdict), CallErrorKind::kMemory);
  EXPECT_THAT(verdict.error().message, HasSubstr("262144 bytes"));
}

TEST(Instance, TakesARefusedGrowthThatTheGuestHandlesForNoError) {
  Host host;
  const auto careful = guest("(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (i32.const 1)");
  const auto instance = host.instance(careful, limits_with_pages(4));
  EXPECT_EQ(instance->inspect(browser_get()), Verdict::kBlock);
  EXPECT_TRUE(instance->usable());
}

TEST(Instance, RefusesAModuleThatStartsWithMoreMemoryThanItMayHave) {
  Host host;
  const auto made = host.create(
      wasm(R"((module (memory (export "memory") 5) (func (export "inspect_request") (param i32 i32) (result i32)
        (i32.const 0))))"),
      limits_with_pages(4));
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kMemoryLimit);
  EXPECT_EQ(made.error().message, "The module starts with 327680 bytes of memory, the limit is 262144 bytes");
}

TEST(Instance, NeverWritesOverDataOfAModuleWithoutAlloc) {
  // The memory is full of the guest's own data; any input inside of it would change the sum.
  const auto full = guest(R"(
    (local $i i32)
    (loop $l
      (if (i32.ne (i32.load8_u (local.get $i)) (i32.const 0)) (then (return (i32.const 1))))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 65536))))
    (if (i32.lt_u (local.get $ptr) (i32.const 65536)) (then (return (i32.const 1))))
    (i32.const 0))");
  Host host;
  const auto instance = host.instance(full);
  const std::string long_body(200'000, 'x');
  RequestView request = browser_get();
  for (const std::size_t length : {std::size_t{0}, std::size_t{70'000}, std::size_t{10}, long_body.size()}) {
    request.body = std::string_view(long_body).substr(0, length);
    EXPECT_EQ(instance->inspect(request), Verdict::kAllow) << length;
  }
}

TEST(Instance, MovesItsInputBehindPagesThatTheGuestHasAdded) {
  // Each call adds a page, fills it, and blocks when a page filled before was written over.
  const auto grows = guest(R"(
    (local $page i32)
    (if (i32.load (i32.const 32))
      (then (if (i32.ne (i32.load8_u (i32.load (i32.const 32))) (i32.const 0xAA)) (then (return (i32.const 1))))))
    (local.set $page (i32.mul (memory.grow (i32.const 1)) (i32.const 65536)))
    (memory.fill (local.get $page) (i32.const 0xAA) (i32.const 65536))
    (i32.store (i32.const 32) (local.get $page))
    (i32.const 0))");
  Host host;
  const auto instance = host.instance(grows);
  const std::string body(600'000, 'x');
  RequestView request = browser_get();
  for (std::size_t length = 1; length < body.size(); length *= 3) {
    request.body = std::string_view(body).substr(0, length);
    ASSERT_EQ(instance->inspect(request), Verdict::kAllow) << length;
  }
}

TEST(Instance, RefusesAModuleThatCanHaveNoInputAtAll) {
  Host host;
  const auto closed = wasm(R"((module (memory (export "memory") 1 1)
    (func (export "inspect_request") (param i32 i32) (result i32) (i32.const 0))))");
  const auto made = host.create(closed);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kMemoryLimit);
  const auto empty_alloc =
      host.create(guest("(i32.const 0)", R"((func (export "alloc") (param i32) (result i32) (i32.const 0)))"));
  ASSERT_FALSE(empty_alloc);
  EXPECT_EQ(empty_alloc.error().code, ErrorCode::kMemoryLimit);
}

TEST(Instance, ReportsARequestForWhichThereIsNoRoom) {
  Host host;
  const std::string body(300'000, 'x');
  RequestView request = browser_get();
  request.body = body;
  const auto without_alloc = host.instance(guest("(i32.const 0)"), limits_with_pages(4));
  EXPECT_EQ(kind_of(without_alloc->inspect(request)), CallErrorKind::kMemory);
  EXPECT_FALSE(without_alloc->usable());

  const auto small_alloc = host.instance(guest("(i32.const 0)", R"((func (export "alloc") (param i32) (result i32)
    (select (i32.const 0) (i32.const 1024) (i32.gt_u (local.get 0) (i32.const 60000)))))"));
  EXPECT_EQ(small_alloc->inspect(browser_get()), Verdict::kAllow);
  EXPECT_EQ(kind_of(small_alloc->inspect(request)), CallErrorKind::kMemory);
}

TEST(Instance, UsesTheExactLengthWhereAllocHasNoRoomForMore) {
  // A buffer of exactly 5000 bytes: the next power of two does not fit.
  Host host;
  const auto exact = host.instance(guest("(i32.const 0)", R"((func (export "alloc") (param i32) (result i32)
    (select (i32.const 0) (i32.const 1024) (i32.gt_u (local.get 0) (i32.const 5000)))))" +
                                                              std::string(kAbi2)));
  RequestView request;
  const std::string body(4888, 'x');  // with the frame's fixed part 5000 bytes
  request.body = body;
  EXPECT_EQ(exact->inspect(request), Verdict::kAllow);
}

TEST(Instance, AsksAllocOnceAndAgainOnlyForALongerInput) {
  // Allow while alloc was called once and dealloc never, Log after two and one, else Block.
  const auto counting = guest(
      R"((if (i32.eq (i32.load (i32.const 8)) (i32.const 1))
           (then (return (select (i32.const 1) (i32.const 0) (i32.load (i32.const 12))))))
         (if (i32.and (i32.eq (i32.load (i32.const 8)) (i32.const 2)) (i32.eq (i32.load (i32.const 12)) (i32.const 1)))
           (then (return (i32.const 2))))
         (i32.const 1))",
      R"((func (export "alloc") (param i32) (result i32)
           (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1))) (i32.const 1024))
         (func (export "dealloc") (param i32 i32)
           (if (i32.ne (local.get 0) (i32.const 1024)) (then unreachable))
           (if (i32.ne (local.get 1) (i32.const 4096)) (then unreachable))
           (i32.store (i32.const 12) (i32.add (i32.load (i32.const 12)) (i32.const 1)))))");
  Host host;
  const auto instance = host.instance(counting);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(instance->inspect(browser_get()), Verdict::kAllow);
  const std::string body(10'000, 'x');
  RequestView longer = browser_get();
  longer.body = body;
  EXPECT_EQ(instance->inspect(longer), Verdict::kLog);
  EXPECT_EQ(instance->inspect(browser_get()), Verdict::kLog);
}

TEST(Instance, RefusesAnAllocThatPointsOutsideOfTheMemory) {
  Host host;
  const auto made =
      host.create(guest("(i32.const 0)", R"((func (export "alloc") (param i32) (result i32) (i32.const 65535)))"));
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kConfigureFailed);
  EXPECT_THAT(made.error().message, HasSubstr("outside of the module's memory"));
}

TEST(Instance, SharesTheBudgetOfACallBetweenAllocAndInspection) {
  Host host;
  const auto slow = host.instance(guest("(i32.const 0)", R"((func (export "alloc") (param i32) (result i32)
    (if (i32.gt_u (local.get 0) (i32.const 4096)) (then (loop $l (br $l)))) (i32.const 1024)))"));
  const std::string body(5'000, 'x');
  RequestView request = browser_get();
  request.body = body;
  const auto verdict = slow->inspect(request);
  EXPECT_EQ(kind_of(verdict), CallErrorKind::kDeadline);
  EXPECT_THAT(verdict.error().message, HasSubstr("alloc used more than 5 ms"));
}

}  // namespace
}  // namespace secbeat::engine
