// The real server on a free port with a reloader and a hub that do what a test says, libcurl as a well-behaved
// client, and bare sockets for the others.
//
// Thread safety: the fakes may be used from any thread; the rest by the test's.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "api_http.hpp"
#include "secbeat/agent/api_server.hpp"
#include "secbeat/base/unique_fd.hpp"
#include "secbeat/http_testing/gate.hpp"

namespace secbeat::agent {

using http::Gate;
using http::kTestTimeout;

class FakeReloader final : public Reloader {
 public:
  // Set before requests are sent.
  std::function<Outcome<ReloadResult>(const Upload&)> on_reload;
  std::function<Outcome<RollbackResult>(const Rollback&)> on_rollback;
  std::function<Outcome<RemovalResult>(const Removal&)> on_remove;
  std::function<Outcome<VersionView>(const std::optional<std::string>&)> on_version;
  std::vector<VersionView> module_list;
  std::vector<HistoryRow> history_rows;  // newest first
  std::vector<KnownVersion> version_list;
  std::map<std::string, std::string, std::less<>> bytes_by_sha256;
  std::vector<ReloadTotals> total_rows;
  std::vector<CostInForce> cost_list;
  control::InForce document;
  std::map<std::uint64_t, std::string> labels;
  bool is_ready = true;
  std::optional<Failure> read_failure;  // of history, versions and bytes
  bool throws = false;                  // in every question
  std::optional<Operation> under_way;

  // What came last.
  [[nodiscard]] std::optional<Upload> last_upload() const;
  [[nodiscard]] std::optional<Rollback> last_rollback() const;
  [[nodiscard]] Page last_page() const;

  Outcome<ReloadResult> reload(const Upload& upload) override;
  Outcome<RollbackResult> rollback(const Rollback& rollback) override;
  Outcome<RemovalResult> remove(const Removal& removal) override {
    return on_remove ? on_remove(removal) : RemovalResult{};
  }
  Outcome<VersionView> version(const std::optional<std::string>& name) const override;
  [[nodiscard]] std::vector<VersionView> modules() const override { return may_throw(), module_list; }
  Outcome<std::vector<HistoryRow>> history(const std::optional<std::string>& name, Page page) const override;
  Outcome<KnownVersions> versions(const std::optional<std::string>& name, Page page) const override;
  Outcome<std::string> module_bytes(std::string_view sha256) const override;
  Outcome<std::string> config_bytes(std::string_view sha256) const override { return module_bytes(sha256); }
  [[nodiscard]] std::vector<ReloadTotals> totals() const override { return may_throw(), total_rows; }
  [[nodiscard]] std::vector<CostInForce> costs() const override { return may_throw(), cost_list; }
  [[nodiscard]] control::InForce in_force() const override { return may_throw(), document; }
  [[nodiscard]] std::string label_of(std::uint64_t version_id) const override;
  [[nodiscard]] std::optional<Operation> operation() const override { return may_throw(), under_way; }
  [[nodiscard]] bool ready() const override { return may_throw(), is_ready; }
  [[nodiscard]] std::vector<std::string> configured_names() const override { return {}; }
  Result<void> lift_quarantine(std::string_view, std::uint64_t) override { return {}; }
  Result<void> record(const HistoryRow&) override { return {}; }
  Outcome<RehearsedRollback> rehearse_rollback(const std::string&) override { return RehearsedRollback{}; }
  void set_keeper(VersionKeeper*) override {}
  void mend() override {}
  void shut_down() override {}

 private:
  void may_throw() const {
    if (throws) throw std::runtime_error("provoked");
  }

  mutable std::mutex mutex_;
  std::optional<Upload> last_upload_;      // guarded by mutex_
  std::optional<Rollback> last_rollback_;  // guarded by mutex_
  mutable Page last_page_;                 // guarded by mutex_
};

class FakeHub final : public WorkerHub {
 public:
  std::vector<WorkerStatus> worker_list;

  void set_target(const control::InForce&) override {}
  StageOutcome stage(const control::InForce&, std::chrono::milliseconds) override { return {}; }
  CommitOutcome commit(std::uint64_t, std::chrono::milliseconds) override { return {}; }
  void abort(std::uint64_t) override {}
  [[nodiscard]] std::vector<WorkerStatus> workers() const override { return worker_list; }
};

class FakeGlass final : public BreakGlass {
 public:
  std::vector<DrillFinding> findings;
  BreakGlassView seen;

  // What came last.
  [[nodiscard]] GlassDemand last_demand() const {
    const std::scoped_lock lock(mutex_);
    return last_demand_;
  }

  GlassResult freeze(const GlassDemand& demand) override { return note(demand, "Changes are frozen"); }
  GlassResult unfreeze(const GlassDemand& demand) override { return note(demand, "Changes are no longer frozen"); }
  GlassResult bypass(const GlassDemand& demand) override { return note(demand, "Requests pass uninspected"); }
  GlassResult end_bypass(const GlassDemand& demand) override { return note(demand, "Requests are inspected again"); }
  [[nodiscard]] BreakGlassView view() const override { return seen; }
  std::vector<DrillFinding> drill() override { return findings; }
  void stop() override {}

 private:
  GlassResult note(const GlassDemand& demand, std::string message) {
    const std::scoped_lock lock(mutex_);
    last_demand_ = demand;
    return {.message = std::move(message), .view = seen, .warnings = {}};
  }

  mutable std::mutex mutex_;
  GlassDemand last_demand_;  // guarded by mutex_
};

struct Answer {
  int status = 0;
  std::string body;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string failure;                         // libcurl's, or empty

  [[nodiscard]] Json json() const { return Json::parse(body); }
};

// A connected bare socket.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port);
  // False where the peer takes no more.
  bool send(std::string_view bytes);
  // All up to the end of the connection, or up to `enough`.
  std::string receive(std::string_view enough = {});

 private:
  UniqueFd socket_;
};

struct Field {
  std::string name;
  std::string value;
};
inline constexpr std::string_view kTestBoundary = "----secbeat-test";
std::string multipart_body(const std::vector<Field>& fields);

class ApiTest : public ::testing::Test {
 protected:
  ApiTest();
  ~ApiTest() override;

  void start();  // with `config` as it is then

  static void spdlog_off();  // where a test provokes what is logged

  Answer get(const std::string& path, const std::vector<std::string>& headers = {}) const;
  Answer post(const std::string& path, const std::string& body, const std::vector<std::string>& headers) const;
  Answer upload(const std::string& path, const std::vector<Field>& fields) const;
  Answer request(const std::string& method, const std::string& path) const;
  Answer request_with(const std::string& method, const std::string& path, const std::vector<std::string>& headers,
                      const std::optional<std::string>& body) const;

  std::filesystem::path folder_;
  Config config_;
  FakeReloader reloader_;
  FakeHub hub_;
  FakeGlass glass_;
  EventLog events_;
  RealClock clock_;
  std::unique_ptr<control::Scoreboard> scoreboard_;
  std::unique_ptr<ApiServer> server_;
};

}  // namespace secbeat::agent
