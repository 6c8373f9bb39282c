// What a worker serves when it starts, whatever state it finds.
#include <gtest/gtest.h>

#include <filesystem>

#include "worker_fixture.hpp"

namespace secbeat::worker::test {
namespace {

using control::OnError;

class WorkerStart : public WorkerTest {};

TEST_F(WorkerStart, ServesWhatIsInForceBeforeAnAgentIsThere) {
  const auto v1 = folders_.version(1, "generation_1");
  folders_.write_in_force(document_of(7, {slot_of("rules", {v1})}));
  start_worker();
  EXPECT_TRUE(log_.empty()) << log_.front();
  EXPECT_TRUE(worker_->has_modules());
  EXPECT_EQ(slot().generation.load(), 7U);
  EXPECT_GT(slot().serving_since_unix_ms.load(), 0U);

  const Decision passed = worker_->decide(get_request());
  EXPECT_EQ(passed.action, Action::kPass);
  EXPECT_EQ(passed.module, "rules");
  EXPECT_EQ(passed.version, "v1");
  EXPECT_EQ(passed.sha256, v1.sha256);
  EXPECT_EQ(worker_->decide(request_with("x-who")).action, Action::kBlock);
  EXPECT_EQ(slot().requests.load(), 2U);
  EXPECT_EQ(series(1).verdicts[0].load(), 1U);
  EXPECT_EQ(series(1).verdicts[1].load(), 1U);
}

TEST_F(WorkerStart, TellsAnAgentWhatItServes) {
  folders_.write_in_force(document_of(7, {slot_of("rules", {folders_.version(1, "allow_all")})}));
  FakeAgent agent(folders_.paths().socket());
  start_worker();
  const control::Hello hello = agent.accept();
  EXPECT_EQ(hello.generation, 7U);
  EXPECT_EQ(hello.pid, ::getpid());
  EXPECT_EQ(hello.parent_pid, ::getppid());
  EXPECT_EQ(hello.slot, 0U);
}

TEST_F(WorkerStart, GivesAConfigurationToItsModule) {
  folders_.write_in_force(document_of(1, {slot_of("rules", {folders_.version(1, "configurable", "forbidden")})}));
  start_worker();
  EXPECT_EQ(worker_->decide(get_request("/a/forbidden/place")).action, Action::kBlock);
  EXPECT_EQ(worker_->decide(get_request("/elsewhere")).action, Action::kPass);
}

TEST_F(WorkerStart, PassesEverythingWhereNothingIsInForce) {
  start_worker();
  EXPECT_TRUE(logged("nothing is in force"));
  EXPECT_FALSE(worker_->has_modules());
  EXPECT_FALSE(worker_->needs_body());
  EXPECT_EQ(worker_->decide(get_request()).action, Action::kPass);
  EXPECT_EQ(worker_->decide(get_request()).module, "");
}

TEST_F(WorkerStart, ServesWithoutAStateDirectory) {
  scoreboard_.reset();
  std::filesystem::remove_all(folders_.paths().state_dir);
  start_worker();
  EXPECT_TRUE(logged("memory of its own"));
  EXPECT_EQ(worker_->decide(get_request()).action, Action::kPass);
  worker_->stop();
}

TEST_F(WorkerStart, ServesWithADocumentThatIsBroken) {
  std::filesystem::create_directories(folders_.paths().in_force());
  start_worker();
  EXPECT_TRUE(logged("nothing is in force"));
  EXPECT_EQ(worker_->decide(get_request()).action, Action::kPass);
}

TEST_F(WorkerStart, FallsBackToThePreviousVersionOfACorruptedArtifact) {
  const auto v1 = folders_.version(1, "generation_1");
  const auto v2 = folders_.version(2, "generation_2");
  folders_.write_in_force(document_of(9, {slot_of("rules", {v2, v1})}));
  folders_.corrupt(v2);
  FakeAgent agent(folders_.paths().socket());
  start_worker();
  EXPECT_TRUE(logged("version v2 could not be loaded"));
  EXPECT_EQ(worker_->decide(get_request()).version, "v1");
  EXPECT_EQ(series(2).errors[4].load(), 1U);
  EXPECT_EQ(series(1).verdicts[0].load(), 1U);
  EXPECT_EQ(agent.accept().generation, 0U) << "generation 9 is not served";
  EXPECT_EQ(agent.events(1).front().kind, "no_instance");

  agent.send(control::Stage{document_of(9, {slot_of("rules", {v2, v1})})});
  const auto failed = agent.expect<control::StageFailed>();
  EXPECT_EQ(failed.generation, 9U);
  EXPECT_EQ(failed.module, "rules");
  EXPECT_EQ(failed.code, "artifact_rejected");
}

TEST_F(WorkerStart, SaysWhatItCannotFallBackToAndLoadsItWithTheNextGeneration) {
  const auto v1 = folders_.version(1, "generation_1");
  const auto v2 = folders_.version(2, "generation_2");
  const auto path = folders_.paths().artifact(v1.artifact_sha256);
  folders_.write_in_force(document_of(3, {slot_of("rules", {v2, v1})}));
  std::filesystem::rename(path, path.string() + ".away");
  FakeAgent agent(folders_.paths().socket());
  start_worker();
  const control::Hello hello = agent.accept();
  EXPECT_EQ(hello.generation, 3U) << "its current version serves";
  EXPECT_EQ(hello.failed_fallbacks.find("rules v1: "), 0U) << hello.failed_fallbacks;
  agent.send(control::Stage{document_of(4, {slot_of("rules", {v2, v1})})});
  EXPECT_EQ(agent.expect<control::Staged>().failed_fallbacks, hello.failed_fallbacks);
  std::filesystem::rename(path.string() + ".away", path);
  agent.send(control::Stage{document_of(5, {slot_of("rules", {v2, v1})})});
  EXPECT_EQ(agent.expect<control::Staged>().failed_fallbacks, "");
}

TEST_F(WorkerStart, RecoversWhenWhatWasMissingAppears) {
  const auto v1 = folders_.version(1, "generation_1");
  folders_.write_in_force(document_of(3, {slot_of("rules", {v1}, OnError::kClosed)}));
  const auto path = folders_.paths().artifact(v1.artifact_sha256);
  std::filesystem::rename(path, path.string() + ".away");
  FakeAgent agent(folders_.paths().socket());
  start_worker();
  EXPECT_EQ(worker_->decide(get_request()).action, Action::kUnavailable);
  EXPECT_EQ(agent.accept().generation, 0U);
  std::filesystem::rename(path.string() + ".away", path);
  EXPECT_EQ(bring_into_service(agent, document_of(3, {slot_of("rules", {v1}, OnError::kClosed)})).generation, 3U);
  EXPECT_EQ(worker_->decide(get_request()).version, "v1");
}

TEST_F(WorkerStart, RefusesAConfigurationThatIsNotTheOneInForce) {
  auto v1 = folders_.version(1, "configurable", "forbidden");
  std::filesystem::remove(folders_.paths().config(v1.config_sha256));
  std::filesystem::copy_file(folders_.paths().artifact(v1.artifact_sha256), folders_.paths().config(v1.config_sha256));
  folders_.write_in_force(document_of(1, {slot_of("rules", {v1}, OnError::kOpen)}));
  start_worker();
  EXPECT_TRUE(logged("could not be loaded"));
  EXPECT_EQ(worker_->decide(get_request("/forbidden")).action, Action::kPass);
  EXPECT_EQ(worker_->decide(get_request("/forbidden")).version, "");
}

TEST_F(WorkerStart, SaysWhetherAModuleNeedsBodies) {
  auto document = document_of(1, {slot_of("first", {folders_.version(1, "needs_no_body")})});
  document.max_body_bytes = 4711;
  document.body_over_limit = control::BodyOverLimit::kBlock;
  folders_.write_in_force(document);
  FakeAgent agent(folders_.paths().socket());
  start_worker();
  agent.accept();
  EXPECT_FALSE(worker_->needs_body());
  EXPECT_EQ(worker_->max_body_bytes(), 4711U);
  EXPECT_EQ(worker_->body_over_limit(), control::BodyOverLimit::kBlock);

  const auto reader = folders_.version(2, "body_reader");
  const auto fallback = [&](OnError policy) {
    return slot_of("second", {folders_.version(3, "needs_no_body"), reader}, policy);
  };
  bring_into_service(agent, document_of(2, {document.slots[0], fallback(OnError::kOpen)}));
  EXPECT_FALSE(worker_->needs_body());
  bring_into_service(agent, document_of(3, {document.slots[0], fallback(OnError::kPrevious)}));
  EXPECT_TRUE(worker_->needs_body()) << "the version that is fallen back to reads bodies";
}

TEST_F(WorkerStart, CountsOnFromTheWorkerThatHadTheSlotBefore) {
  folders_.write_in_force(document_of(1, {slot_of("rules", {folders_.version(1, "allow_all")})}));
  start_worker();
  worker_->decide(get_request());
  worker_->stop();
  EXPECT_EQ(slot().pid.load(), 0);
  start_worker();
  worker_->decide(get_request());
  EXPECT_EQ(slot().requests.load(), 2U);
  EXPECT_EQ(series(1).verdicts[0].load(), 2U);
}

TEST_F(WorkerStart, MovesItsCountersToAScoreboardThatAppears) {
  scoreboard_.reset();
  std::filesystem::remove(folders_.paths().scoreboard());
  folders_.write_in_force(document_of(5, {slot_of("rules", {folders_.version(1, "allow_all")})}));
  start_worker();
  worker_->decide(get_request());
  scoreboard_ = folders_.make_scoreboard();
  let_loop_swap();
  EXPECT_EQ(slot().generation.load(), 5U);
  EXPECT_EQ(slot().requests.load(), 1U);
  worker_->decide(get_request());
  EXPECT_EQ(slot().requests.load(), 2U);
  EXPECT_EQ(series(1).verdicts[0].load(), 2U);

  FakeAgent agent(folders_.paths().socket());
  EXPECT_EQ(agent.accept().slot, 0U);
}

}  // namespace
}  // namespace secbeat::worker::test
