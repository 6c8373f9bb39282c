#include "secbeat/engine/engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <set>

#include "secbeat/base/files.hpp"
#include "testing.hpp"

namespace secbeat::engine {
namespace {

using testing::artifact_of;
using testing::guest;
using ::testing::HasSubstr;
using testing::Host;

TEST(Engine, PassesItsSelfTest) {
  Host host;
  const auto tested = self_test(host.engine());
  EXPECT_TRUE(tested) << tested.error().message;
}

TEST(Engine, RefusesToStartWithASmallStack) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_STACK, &before), 0);
  const rlimit small = {.rlim_cur = rlim_t{512} << 10U, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_STACK, &small), 0);
  const auto engine = Engine::create();
  ASSERT_EQ(::setrlimit(RLIMIT_STACK, &before), 0);
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, ErrorCode::kConfig);
  EXPECT_THAT(engine.error().message, HasSubstr("ulimit -s 1024"));
}

TEST(Engine, NamesEachKindOfErrorDifferently) {
  std::set<std::string_view> words;
  for (std::size_t i = 0; i < kCallErrorKinds; ++i) words.insert(word_of(static_cast<CallErrorKind>(i)));
  EXPECT_EQ(words, (std::set<std::string_view>{"trap", "deadline", "memory", "bad_verdict"}));
}

TEST(Artifact, IsRefusedWithAnyBitFlipped) {
  Host host;
  const std::string bytes = artifact_of(guest("(i32.const 0)"));
  const std::string sha256 = sha256_hex(bytes);
  ASSERT_TRUE(Artifact::load(host.engine(), bytes, sha256));
  for (std::size_t at = 0; at < bytes.size(); at += bytes.size() / 50) {
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ 1);
    const auto loaded = Artifact::load(host.engine(), flipped, sha256);
    ASSERT_FALSE(loaded) << "byte " << at;
    EXPECT_EQ(loaded.error().code, ErrorCode::kArtifactRejected);
    EXPECT_THAT(loaded.error().message, HasSubstr("SHA-256"));
  }
}

TEST(Artifact, IsRefusedWhenItIsTruncatedOrNoArtifactAtAll) {
  Host host;
  const std::string bytes = artifact_of(guest("(i32.const 0)"));
  for (const std::string& wrong : {bytes.substr(0, bytes.size() / 2), bytes.substr(0, 16), std::string("hello"),
                                   std::string(), guest("(i32.const 0)")}) {
    const auto loaded = Artifact::load(host.engine(), wrong, sha256_hex(wrong));
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().code, ErrorCode::kArtifactRejected) << loaded.error().message;
  }
}

TEST(Artifact, OutlivesItsDescriptorAndServesManyInstances) {
  Host host;
  const std::string bytes = artifact_of(guest("(i32.const 2)"));
  auto artifact = Artifact::load(host.engine(), bytes, sha256_hex(bytes));
  ASSERT_TRUE(artifact);
  std::vector<std::unique_ptr<Instance>> instances;
  for (int i = 0; i < 20; ++i) {
    auto made = Instance::create(host.engine(), *artifact, Limits{}, "");
    ASSERT_TRUE(made) << made.error().message;
    instances.push_back(std::move(*made));
  }
  artifact->reset();
  for (const auto& instance : instances) EXPECT_EQ(instance->inspect(testing::browser_get()), Verdict::kLog);
}

}  // namespace
}  // namespace secbeat::engine
