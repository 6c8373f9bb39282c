#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <stop_token>
#include <thread>

#include "guest_table.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/engine/compile.hpp"
#include "secbeat/engine/module_info.hpp"

namespace secbeat::guests_test {
namespace {

using testing::HasSubstr;
using testing::Pair;

constexpr std::size_t kMaxFileBytes = std::size_t{64} << 20U;

std::filesystem::path file_of(const std::string& guest) {
  return std::filesystem::path(SECBEAT_GUESTS_DIR) / (guest + ".wasm");
}

// A folder that lives as long as one test.
class Folder {
 public:
  Folder() {
    std::string name = testing::TempDir() + "secbeat-guests-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::filesystem::path operator/(const char* name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

engine::CompileJob job_for(const GuestCase& guest, const Folder& folder) {
  engine::CompileJob job;
  job.module = file_of(guest.guest);
  job.output = folder / "artifact";
  job.limits = engine::Limits{};
  if (!guest.config.empty()) {
    job.config = folder / "config";
    std::ofstream(job.config) << guest.config;
  }
  return job;
}

class Guest : public testing::TestWithParam<GuestCase> {
 protected:
  void SetUp() override {
    auto made = engine::Engine::create();
    ASSERT_TRUE(made) << made.error().message;
    engine_ = std::move(*made);
    ticker_ = std::jthread([this](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        engine_->tick();
      }
    });
  }

  std::unique_ptr<engine::Instance> instance() {
    auto made = engine::Instance::create(*engine_, artifact_, engine::Limits{}, GetParam().config);
    EXPECT_TRUE(made) << made.error().message;
    return made ? std::move(*made) : nullptr;
  }
  void decide(const RequestCase& request);

  std::unique_ptr<engine::Engine> engine_;
  std::jthread ticker_;
  std::shared_ptr<const engine::Artifact> artifact_;
  std::unique_ptr<engine::Instance> instance_;
};

void Guest::decide(const RequestCase& request) {
  SCOPED_TRACE(request.uri.substr(0, 80) + (request.headers.empty() ? "" : ", " + request.headers.back().second));
  if (!instance_ || !instance_->usable()) instance_ = instance();
  ASSERT_TRUE(instance_);
  std::vector<engine::HeaderView> headers;
  headers.reserve(request.headers.size());
  for (const auto& [name, value] : request.headers) headers.push_back({name, value});
  engine::RequestView view;
  view.method = "GET";
  view.uri = request.uri;
  view.version = "HTTP/1.1";
  view.source_ip = request.source_ip;
  view.body = request.body;
  view.body_total_len = request.body.size();
  view.headers = headers;

  const auto verdict = instance_->inspect(view);
  if (request.error) {
    ASSERT_FALSE(verdict);
    EXPECT_EQ(engine::word_of(verdict.error().kind), engine::word_of(*request.error)) << verdict.error().message;
    EXPECT_FALSE(instance_->usable());
    return;
  }
  ASSERT_TRUE(verdict) << verdict.error().message;
  EXPECT_EQ(static_cast<int>(*verdict), static_cast<int>(request.verdict));
  const auto detail = instance_->verdict_detail();
  EXPECT_EQ(detail.rule, request.rule);
  if (!request.message.empty()) {
    EXPECT_EQ(detail.message, request.message);
  }
}

TEST_P(Guest, BehavesAsItsNameSays) {
  const GuestCase& guest = GetParam();
  const Folder folder;
  const auto report = engine::run_compile_job(job_for(guest, folder));
  ASSERT_TRUE(report) << report.error().message;
  if (const std::optional<Error> refusal = report->error; refusal.has_value()) {
    EXPECT_EQ(word_of(refusal->code), guest.error) << refusal->message;
    EXPECT_THAT(refusal->message, HasSubstr(guest.error_contains));
    return;
  }
  ASSERT_EQ(guest.error, "") << "the module was accepted";
  EXPECT_EQ(report->abi, guest.abi);
  EXPECT_EQ(report->needs_body, guest.needs_body);

  const auto bytes = read_file(folder / "artifact", kMaxFileBytes);
  ASSERT_TRUE(bytes) << bytes.error().message;
  auto artifact = engine::Artifact::load(*engine_, *bytes, report->artifact_sha256);
  ASSERT_TRUE(artifact) << artifact.error().message;
  artifact_ = std::move(*artifact);
  for (const RequestCase& request : guest.requests) decide(request);
}

TEST_P(Guest, EmbedsWhatItsFileSays) {
  const auto bytes = read_file(file_of(GetParam().guest), kMaxFileBytes);
  ASSERT_TRUE(bytes) << bytes.error().message;
  const auto info = engine::read_module_info(*bytes);
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->embedded_name.value_or(""), GetParam().embedded_name);
  EXPECT_EQ(info->embedded_version.value_or(""), GetParam().embedded_version);
}

std::string test_name(const testing::TestParamInfo<GuestCase>& info) {
  std::string name = info.param.guest + (info.param.config.empty() ? "" : "_configured");
  if (info.param.config.contains("rules")) name += std::to_string(info.index);  // one module with several documents
  for (char& c : name) {
    if (c == '-' || c == '.') c = '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, Guest, testing::ValuesIn(all_guest_cases()), test_name);

TEST(GuestTable, NamesEveryOddSource) {
  const auto cases = all_guest_cases();
  for (const auto& entry : std::filesystem::directory_iterator(SECBEAT_SOURCE_DIR "/guests/odd")) {
    if (entry.path().extension() != ".cpp") continue;
    const std::string stem = entry.path().stem();
    EXPECT_TRUE(std::ranges::any_of(cases, [&](const GuestCase& guest) { return guest.guest.starts_with(stem); }))
        << stem;
  }
}

TEST(GuestTable, ListsTheRulesOfHasInventory) {
  const Folder folder;
  const auto report = engine::run_compile_job(job_for({.guest = "has_inventory"}, folder));
  ASSERT_TRUE(report && report->inventory);
  EXPECT_EQ(*report->inventory, (engine::Inventory{{"admin-path", "727d6cc1bcbaaddd", {"access", "path"}},
                                                   {"Nikto", "a65db2a7819bc5c8", {}},
                                                   {"SQLMap", "dfc45a7e486cb75f", {}}}));
}

TEST(GuestTable, ListsTheRulesOfUniversalWafWithTheirTags) {
  const Folder folder;
  const auto report = engine::run_compile_job(job_for({.guest = "universal-waf", .config = R"({"rules":[
                 {"id":"sqli-1","tags":["sqli","pl1","t\"\\ä"],"field":"Query","pattern":"*--*","action":"Block"},
                 {"id":"plain","field":"URI","pattern":"/x","action":"Log"},
                 {"id":"empty","tags":[],"field":"URI","pattern":"/y","action":"Log"},
                 {"id":"off","tags":["old"],"enabled":false,"field":"URI","pattern":"/z","action":"Log"}]})"},
                                                      folder));
  ASSERT_TRUE(report && !report->error);
  ASSERT_TRUE(report->inventory);
  std::map<std::string, std::vector<std::string>> tags;
  for (const engine::InventoryRule& rule : *report->inventory) tags[rule.id] = rule.tags;
  EXPECT_THAT(tags,
              testing::UnorderedElementsAre(Pair("sqli-1", testing::ElementsAre("sqli", "pl1", "t\"\\ä")),
                                            Pair("plain", testing::IsEmpty()), Pair("empty", testing::IsEmpty())));
}

TEST(GuestTable, KeepsGenerationsApart) {
  std::set<std::string> hashes;
  for (const char* guest : {"generation_0", "generation_1", "generation_2", "generation_3", "bad-bot-blocker",
                            "bad-bot-blocker-1.1.0", "bad-bot-blocker-1.2.0"}) {
    const auto bytes = read_file(file_of(guest), kMaxFileBytes);
    ASSERT_TRUE(bytes) << bytes.error().message;
    EXPECT_TRUE(hashes.insert(sha256_hex(*bytes)).second) << guest;
  }
}

// It is uploaded, stored for each version and compiled on each node.
TEST(GuestTable, KeepsUniversalWafSmall) {
  constexpr std::uintmax_t kMostBytes = std::uintmax_t{100} << 10U;
  EXPECT_LE(std::filesystem::file_size(file_of("universal-waf")), kMostBytes);
}

}  // namespace
}  // namespace secbeat::guests_test
