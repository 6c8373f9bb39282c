#include <gmock/gmock.h>

#include <array>
#include <cstdio>
#include <fstream>

#include "api_test_support.hpp"

namespace secbeat::agent {
namespace {

using testing::HasSubstr;
using testing::Not;

class MetricsTest : public ApiTest {
 protected:
  MetricsTest() {
    control::Slot slot;
    slot.name = "universal-waf";
    slot.current = 6;
    slot.previous = 5;
    slot.versions = {{6, "v2", std::string(64, 'b'), "", "", 100, ""}, {5, "v1", std::string(64, 'a'), "", "", 90, ""}};
    reloader_.document.generation = 9;
    reloader_.document.slots = {slot};
    reloader_.total_rows = {{"universal-waf", 15, 0, 0.008, {}}};
    HistoryRow row;
    row.stages.compile_ms = 41.5;
    reloader_.history_rows = {row};
    hub_.worker_list = {{11, 0, 9, 0, true}, {12, 1, 8, 0, true}, {13, 2, 9, 0, false}};
  }

  std::string scrape() {
    const Answer answer = get("/metrics");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.headers.at("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    return answer.body;
  }

  void count(std::size_t worker, std::uint64_t version_id, std::size_t series_index) {
    control::Series& series = scoreboard_->layout().workers[worker].series[series_index];
    series.version_id = version_id;
    series.verdicts[0] = 100;
    series.verdicts[1] = 7;
    series.errors[1] = 2;
    series.buckets[2] = 90;
    series.buckets[control::kInspectionBuckets - 1] = 17;
    series.sum_ns = 500000000;
  }
};

TEST_F(MetricsTest, ShowsReloadsAsPromised) {
  start();
  const std::string text = scrape();
  EXPECT_THAT(text, HasSubstr("\nwasm_reload_total{module=\"universal-waf\"} 15\n"));
  EXPECT_THAT(text, HasSubstr("\nwasm_reload_failures_total{module=\"universal-waf\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("\nwasm_reload_duration_seconds{module=\"universal-waf\"} 0.008\n"));
  EXPECT_THAT(text, HasSubstr("\nsecbeat_reload_stage_seconds{stage=\"compile\"} 0.0415\n"));
}

TEST_F(MetricsTest, ShowsZeroForAModuleThatWasNeverReloaded) {
  reloader_.total_rows.clear();
  start();
  EXPECT_THAT(scrape(), HasSubstr("\nwasm_reload_total{module=\"universal-waf\"} 0\n"));
}

TEST_F(MetricsTest, SumsOverWorkersByVersion) {
  start();
  count(0, 6, 0);
  count(3, 6, 1);
  count(3, 99, 2);  // a version that has left
  const std::string text = scrape();
  const std::string labels = "{module=\"universal-waf\",version=\"v2\"";
  EXPECT_THAT(text, HasSubstr("\nsecbeat_requests_total" + labels + ",verdict=\"allow\"} 200\n"));
  EXPECT_THAT(text, HasSubstr("\nsecbeat_requests_total" + labels + ",verdict=\"block\"} 14\n"));
  EXPECT_THAT(text,
              HasSubstr("\nsecbeat_requests_total{module=\"universal-waf\",version=\"v1\",verdict=\"allow\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("\nsecbeat_wasm_errors_total" + labels + ",kind=\"deadline\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("\nsecbeat_inspection_seconds_count" + labels + "} 214\n"));
  EXPECT_THAT(text, HasSubstr("\nsecbeat_inspection_seconds_sum" + labels + "} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nsecbeat_inspection_seconds_bucket" + labels + ",le=\"2e-06\"} 180\n"));
  EXPECT_THAT(text, HasSubstr("\nsecbeat_inspection_seconds_bucket" + labels + ",le=\"+Inf\"} 214\n"));
}

TEST_F(MetricsTest, ShowsVersionsForWhichWorkersHadNoSeriesTogether) {
  start();
  EXPECT_THAT(scrape(), Not(HasSubstr("(others)")));
  scoreboard_->layout().workers[0].others.verdicts[1] = 3;
  scoreboard_->layout().workers[5].others.verdicts[1] = 4;
  EXPECT_THAT(scrape(),
              HasSubstr("\nsecbeat_requests_total{module=\"(others)\",version=\"(others)\",verdict=\"block\"} 7\n"));
}

TEST_F(MetricsTest, ShowsWhatIsInForceAndWhoServesIt) {
  start();
  scoreboard_->layout().workers[1].events_dropped = 3;
  const std::string text = scrape();
  EXPECT_THAT(text, HasSubstr("\nsecbeat_workers{state=\"serving\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nsecbeat_workers{state=\"outdated\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nsecbeat_workers{state=\"disconnected\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nsecbeat_versions_loaded 2\n"));
  EXPECT_THAT(text, HasSubstr("\nsecbeat_events_dropped_total 3\n"));
  EXPECT_THAT(text, HasSubstr("\nsecbeat_module_info{module=\"universal-waf\",version=\"v2\",sha256=\"" +
                              std::string(64, 'b') + "\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nprocess_open_fds "));
}

TEST_F(MetricsTest, ShowsWhatTheVersionInForceCosts) {
  start();
  EXPECT_THAT(scrape(), Not(HasSubstr("secbeat_module_cost_fuel"))) << "nothing was counted";
  reloader_.cost_list = {{"universal-waf", "v2", 1234567}};
  EXPECT_THAT(scrape(), HasSubstr("\nsecbeat_module_cost_fuel{module=\"universal-waf\",version=\"v2\"} 1234567\n"));
}

TEST_F(MetricsTest, HasHelpAndTypeForEachFamilyAndNothingForPromtoolToFind) {
  start();
  count(0, 6, 0);
  const std::string text = scrape();
  const auto file = folder_ / "metrics.txt";
  std::ofstream(file) << text;
  ASSERT_EQ(std::system("command -v promtool >/dev/null"), 0)
      << "promtool is missing (Debian's prometheus): scripts/bootstrap.sh test installs it";
  std::FILE* promtool = ::popen(("promtool check metrics <" + file.string() + " 2>&1").c_str(), "r");
  ASSERT_NE(promtool, nullptr);
  std::string found;
  std::array<char, 512> line{};
  while (std::fgets(line.data(), line.size(), promtool) != nullptr) found += line.data();
  EXPECT_EQ(::pclose(promtool), 0);
  EXPECT_EQ(found, "");
}

TEST_F(MetricsTest, IsWellFormedWhereNothingIsInForce) {
  reloader_.document = {};
  reloader_.total_rows.clear();
  start();
  const std::string text = scrape();
  EXPECT_THAT(text, Not(HasSubstr("secbeat_requests_total")));
  EXPECT_THAT(text, HasSubstr("\nsecbeat_versions_loaded 0\n"));
}

}  // namespace
}  // namespace secbeat::agent
