#include "secbeat/orchestrator/program.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "api/fleet_context.hpp"
#include "api/rule_subject.hpp"
#include "secbeat/agent/nats_options.hpp"
#include "secbeat/base/own_programs.hpp"
#include "secbeat/http/server.hpp"
#include "secbeat/orchestrator/fleet_archive.hpp"
#include "secbeat/orchestrator/fleet_rules.hpp"
#include "secbeat/orchestrator/rollouts.hpp"
#include "secbeat/orchestrator/unused_objects.hpp"
#include "secbeat/service/log.hpp"
#include "secbeat/service/notify.hpp"
#include "secbeat/service/signals.hpp"

namespace secbeat::orchestrator {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kRefused = "NATS has ended the connection for good: look at [nats] and at its server's log";
constexpr milliseconds kBetweenLooksAtNats{1000};  // whether the connection has ended
constexpr milliseconds kTryAgain{500};             // where NATS is not there yet
constexpr milliseconds kBetweenLooksAtBuckets{5000};
constexpr std::chrono::hours kBetweenCleanings{1};
constexpr std::chrono::seconds kBeyondCompile{15};  // that a node may need beside its compile timeout

http::Settings api_settings(const agent::Config& config) {
  return {.listen = config.api,
          .keys = config.api_keys,
          .tls_certificate = config.tls_certificate,
          .tls_key = config.tls_key,
          .limits = {.module_bytes = config.max_module_bytes}};
}

Settings rollout_settings(const agent::Config& config, const ArchivedRollouts& archived) {
  Settings settings;
  settings.name = config.orchestrator.name;
  if (!config.archive.is_nowhere()) {
    settings.is_archived = [&archived](const fleet::Rollout& rollout) { return archived.has(rollout); };
  }
  settings.timeouts.reach = config.orchestrator.stage_timeout;
  settings.timeouts.work = config.compile_timeout + kBeyondCompile;
  settings.gates = {
      .min_errors = config.watch.min_errors,
      .error_percent = config.watch.error_percent,
      .min_requests = config.watch.min_requests,
      .min_baseline_requests = config.watch.min_baseline_requests,
      .block_percent = config.watch.block_percent,
      .p99_factor = config.watch.p99_factor,
      .p99_floor_ns = static_cast<std::uint64_t>(std::chrono::nanoseconds(config.watch.p99_floor).count())};
  return settings;
}

RuleLimits rule_limits(const agent::Config& config) {
  return {.min_confidence = config.orchestrator.min_confidence,
          .max_active = config.orchestrator.max_active_rules,
          .default_ttl = config.orchestrator.default_ttl,
          .max_new_per_minute = config.orchestrator.max_new_rules_per_minute};
}

class Orchestrator {
 public:
  Orchestrator(const agent::Config& config, std::unique_ptr<fleet::Connection> connection)
      : config_(config),
        connection_(std::move(connection)),
        rollouts_(*connection_, rollout_settings(config, archived_)),
        rules_({.connection = *connection_,
                .rollouts = rollouts_,
                .clock = clock_,
                .limits = rule_limits(config),
                .shipped = find_own_guest(agent::kRulesModule)}),
        server_(http::Server::create(api_settings(config), orchestrator_service(), clock_)),
        context_{.connection = *connection_,
                 .rollouts = rollouts_,
                 .rules = rules_,
                 .clock = clock_,
                 .limits = api_settings(config).limits,
                 .ready = ready_,
                 .stopping = stopping_,
                 .waiting = waiting_,
                 .access = &server_->access(),
                 .archive = &shown_archive_} {}

  Result<void> begin() {
    rules_.start();
    if (auto listening = server_->listen(&context_); !listening) return listening;
    auto subject = RuleSubject::listen(*connection_, rules_, clock_);
    if (!subject) return std::unexpected(subject.error());
    subject_ = *std::move(subject);
    preparing_ = std::jthread([this](const std::stop_token& ending) { prepare(ending); });
    spdlog::info("ready: API {}://{}/api/v1, metrics at /metrics; NATS {}",
                 config_.tls_certificate.empty() ? "http" : "https", to_text(Listen{config_.api.host, server_->port()}),
                 connection_->connected() ? "is reached" : "is awaited");
    return {};
  }

  void end() {
    stopping_ = true;
    rollouts_.let_go();
    preparing_ = {};
    subject_.reset();
    rules_.stop();  // calls that wait for it end
    server_->stop();
  }

  // NATS does not let it in, and would not the next time.
  [[nodiscard]] bool is_refused() const { return connection_->has_ended(); }

  // Of the file, only who may use the API. What cannot be read changes nothing.
  void renew_access() {
    const auto fresh = agent::load_config(config_.file, agent::Program::kOrchestrator);
    const auto renewed = fresh ? server_->renew(api_settings(*fresh)) : std::unexpected(fresh.error());
    if (renewed) return spdlog::info("the API has {}", *renewed);
    spdlog::error("the API's keys and certificate stay as they are: {}", renewed.error().message);
  }

 private:
  // Makes the buckets where they are not there, at first and whenever somebody has deleted one. Once they are there,
  // rollouts that others have left are gone on with.
  void prepare(const std::stop_token& ending) {
    std::string told;
    bool was_ready = false;
    while (!ending.stop_requested()) {
      const int replicas = static_cast<int>(config_.orchestrator.replicas);
      auto prepared = rollouts_.prepare(replicas);
      if (prepared) prepared = rules_.prepare(replicas);
      if (prepared) {
        if (!ready_) spdlog::info("the fleet's buckets are there");
        if (!std::exchange(was_ready, true)) {
          rollouts_.take_over();
          start_archive();
          service::notify("READY=1\nSTATUS=Serving");
        }
        told.clear();
        clean_when_due();
      } else if (std::exchange(told, prepared.error().message) != prepared.error().message) {
        spdlog::warn("the fleet's buckets cannot be made: {}", told);
      }
      ready_ = prepared.has_value();
      std::unique_lock lock(mutex_);
      ended_.wait_for(lock, ending, prepared ? kBetweenLooksAtBuckets : kTryAgain, [] { return false; });
    }
  }

  void clean_when_due() {
    if (clock_.steady() < next_cleaning_) return;
    next_cleaning_ = clock_.steady() + kBetweenCleanings;
    const auto removed = remove_unused_objects(*connection_, clock_.now() - kKeptUnused);
    if (!removed) return spdlog::warn("objects that nobody wants any more stay: {}", removed.error().message);
    if (*removed > 0) spdlog::info("{} objects that nobody wants any more were removed from NATS", *removed);
  }

  void start_archive() {
    if (config_.archive.is_nowhere()) return;
    archive_ = FleetArchive::start(config_.archive, *connection_, rollouts_, &archived_);
    shown_archive_ = archive_.get();
  }

  const agent::Config& config_;
  RealClock clock_;
  std::atomic<bool> ready_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<int> waiting_{0};
  std::unique_ptr<fleet::Connection> connection_;
  ArchivedRollouts archived_;
  Rollouts rollouts_;
  FleetRules rules_;
  SteadyTime next_cleaning_{};             // the thread `preparing_`
  std::unique_ptr<FleetArchive> archive_;  // null: none; before the server, which shows it
  std::atomic<const FleetArchive*> shown_archive_{nullptr};
  std::unique_ptr<http::Server> server_;
  FleetContext context_;
  std::unique_ptr<RuleSubject> subject_;
  std::mutex mutex_;
  std::condition_variable_any ended_;
  std::jthread preparing_;
};

}  // namespace

Result<void> check_files(const agent::Config& config) { return http::Server::check_files(api_settings(config)); }

int run_orchestrator(const agent::Config& config) {
  service::log_to_standard_error(config.log_level);
  const service::Signals signals;  // before any thread, so that none gets them
  ::umask(077);
  spdlog::info("secbeat {} orchestrator {} starts with {}", SECBEAT_VERSION, config.orchestrator.name,
               config.file.string());
  for (const std::string& notice : config.notices) spdlog::warn("{}", notice);
  auto connection =
      fleet::Connection::start(agent::nats_options(config, "secbeat orchestrator " + config.orchestrator.name));
  if (!connection) {
    spdlog::critical("{}", connection.error().message);
    return 1;
  }
  Orchestrator orchestrator(config, *std::move(connection));
  if (auto begun = orchestrator.begin(); !begun) {
    spdlog::critical("{}", orchestrator.is_refused() ? kRefused : begun.error().message);
    return 1;
  }
  for (;;) {
    const int signal = signals.wait(kBetweenLooksAtNats);
    if (orchestrator.is_refused()) {
      spdlog::critical(kRefused);
      orchestrator.end();
      return 1;
    }
    if (signal == SIGHUP) {
      orchestrator.renew_access();
    } else if (signal == SIGTERM || signal == SIGINT) {
      spdlog::info("{}: the orchestrator ends", signal == SIGTERM ? "SIGTERM" : "SIGINT");
      signals.let_go();
      service::notify("STOPPING=1");
      orchestrator.end();
      return 0;
    }
  }
}

}  // namespace secbeat::orchestrator
