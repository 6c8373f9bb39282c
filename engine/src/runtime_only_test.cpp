// Linked with Wasmtime's runtime without compiler, as the nginx module is.
#include <gtest/gtest.h>

#include "secbeat/engine/engine.hpp"

namespace secbeat::engine {
namespace {

TEST(RuntimeOnly, RunsWhatTheCompilerMade) {
  const auto engine = Engine::create();
  ASSERT_TRUE(engine) << engine.error().message;
  const auto tested = self_test(**engine);
  EXPECT_TRUE(tested) << tested.error().message;
}

}  // namespace
}  // namespace secbeat::engine
