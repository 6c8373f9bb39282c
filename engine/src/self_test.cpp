#include <string>

#include "secbeat/base/files.hpp"
#include "secbeat/engine/engine.hpp"
#include "self_test_artifact.hpp"

namespace secbeat::engine {
namespace {

std::unexpected<Error> self_test_failed(const std::string& why) {
  return fail(ErrorCode::kInternal, "The engine's self-test failed, this build cannot run rule modules: " + why);
}

}  // namespace

// The artifact is made by the compiler at build time, with the same settings and for any CPU of this architecture
// (tools/make_self_test_artifact.cpp). Its guest blocks exactly the requests whose frame it can read.
Result<void> self_test(const Engine& engine) {
  const std::string_view bytes(reinterpret_cast<const char*>(kSelfTestArtifact), kSelfTestArtifactSize);
  auto artifact = Artifact::load(engine, bytes, sha256_hex(bytes));
  if (!artifact) return self_test_failed(artifact.error().message);
  auto instance = Instance::create(engine, std::move(*artifact), Limits{}, {});
  if (!instance) return self_test_failed(instance.error().message);

  RequestView request;
  request.method = "GET";
  request.uri = "/";
  const auto verdict = (*instance)->inspect(request);
  if (!verdict) return self_test_failed(verdict.error().message);
  if (*verdict != Verdict::kBlock) return self_test_failed("the known module gives another verdict than it must");
  return {};
}

}  // namespace secbeat::engine
