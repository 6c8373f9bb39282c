// The configuration of a node, or of an orchestrator: the TOML file, parsed and checked whole before anything starts.
// docs/configuration.md describes the keys; examples/secbeat.toml is the commented sample.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/archive/location.hpp"
#include "secbeat/base/error.hpp"
#include "secbeat/base/listen.hpp"
#include "secbeat/control/in_force.hpp"
#include "secbeat/engine/cost.hpp"
#include "secbeat/engine/limits.hpp"
#include "secbeat/http/settings.hpp"

namespace secbeat::agent {

using http::ApiKey;
using http::Role;
using http::word_of;

enum class Nginx : std::uint8_t { kManaged, kExternal };
enum class FileWatch : std::uint8_t { kAuto, kPoll };  // auto: inotify as well
enum class Rehearse : std::uint8_t { kYes, kNo };      // validate_before_reload

struct ModuleConfig {
  std::string name;                       // empty: the embedded name, else the file's stem
  std::filesystem::path module;           // absolute after loading
  std::filesystem::path config;           // absolute; empty: none
  std::filesystem::path rule_tests = {};  // absolute; empty: none
  bool config_is_explicit = false;        // a missing explicit file is an error, a missing default one is not
  control::OnError on_error = control::OnError::kPrevious;
  engine::Isolation isolation = engine::Isolation::kInstance;
};

// [waf.wasm.watch]: how long a new version is watched, and what takes it back. 0 as a limit of a share or a time: that
// one is not looked at.
struct WatchLimits {
  std::chrono::seconds seconds{60};  // 0: nothing is watched
  std::uint64_t min_errors = 20;
  double error_percent = 5;                    // of the requests since the swap, or of the last second
  std::uint64_t min_requests = 500;            // of the new version, before shares and times are judged
  std::uint64_t min_baseline_requests = 1000;  // of the version before it
  double block_percent = 25;                   // points above the share of the version before
  double rate_limit_percent = 25;              // the same
  double p99_factor = 5;                       // of the version before
  std::chrono::microseconds p99_floor{2000};   // a p99 below it is never too long

  bool operator==(const WatchLimits&) const = default;
};

// [waf.wasm.gates] and fuel_limit of [waf.wasm]: which uploads need force because of what they would do.
struct GateLimits {
  engine::Costing costing = engine::Costing::kRun;
  std::uint64_t fuel_limit = 0;           // of the most expensive sample request; 0: no limit
  double max_cost_growth = 10;            // times the cost of the version in force; 0: no limit
  std::uint64_t cost_floor = 10'000'000;  // a cost below it has not grown too much
  double max_rules_lost_percent = 50;     // how far the number of rules may fall; 0: no limit

  bool operator==(const GateLimits&) const = default;
};

// Whose file it is. An orchestrator's has [orchestrator], [rules], [api], [nats] and [archive], and nothing else.
enum class Program : std::uint8_t { kNode, kOrchestrator };

// [orchestrator] and [rules]. Its gates are Config::watch, its log level and limits those of Config.
struct OrchestratorConfig {
  std::string name;            // default: the host's name
  std::uint32_t replicas = 1;  // of what lies in JetStream
  std::chrono::seconds stage_timeout{10};

  // [rules]: what may come from a generator of rules
  double min_confidence = 0.8;
  std::uint32_t max_active_rules = 1000;
  std::chrono::seconds default_ttl{3600};
  std::uint32_t max_new_rules_per_minute = 60;
};

struct Config {
  std::filesystem::path file;

  // [waf.wasm]; the first module is the one of `[waf.wasm] module`, then [[waf.wasm.modules]] in order
  std::vector<ModuleConfig> modules;
  control::OnError on_error = control::OnError::kPrevious;     // of modules that the file does not name
  engine::Isolation isolation = engine::Isolation::kInstance;  // of those as well
  bool hot_reload_enabled = true;
  std::uint32_t keep_previous_versions = 2;
  Rehearse rehearse = Rehearse::kYes;
  engine::Limits limits;
  std::size_t max_module_bytes = 4194304;
  std::uint64_t max_body_bytes = 131072;
  control::BodyOverLimit body_over_limit = control::BodyOverLimit::kInspect;

  // [waf.wasm.reload]
  bool auto_reload_on_file_change = false;
  FileWatch file_watch = FileWatch::kAuto;
  std::chrono::milliseconds file_poll{1000};
  std::chrono::milliseconds file_settle{300};
  std::chrono::seconds max_reload_frequency{10};
  std::chrono::seconds compile_timeout{30};
  std::size_t compile_memory_bytes = std::size_t{2} << 30U;

  WatchLimits watch;  // [waf.wasm.watch]
  GateLimits gates;   // [waf.wasm.gates]

  // [waf.rate_limit]
  double rate_limit_per_second = 10;
  std::uint32_t rate_limit_burst = 20;

  Listen api{"127.0.0.1", 9090};  // [api]
  bool api_insecure = false;
  std::vector<ApiKey> api_keys;           // none: whoever reaches the API may do everything
  std::filesystem::path tls_certificate;  // absolute; empty: no TLS
  std::filesystem::path tls_key;          // absolute; given where the certificate is

  // [proxy]
  Nginx nginx = Nginx::kManaged;
  Listen proxy{"127.0.0.1", 8000};
  std::string upstream;                  // "host:port"; required for kManaged
  std::uint32_t workers = 0;             // 0: the cores
  std::string worker_user = "www-data";  // only when started as root
  std::filesystem::path nginx_binary;    // empty: found on PATH and in /usr/sbin
  bool receipt = false;                  // answers name the version that decided (X-SecBeat-Receipt)
  bool access_log = true;

  // [node]
  std::string node_name;  // default: the host's name
  std::map<std::string, std::string> labels;
  std::filesystem::path data_dir;
  std::filesystem::path state_dir;
  std::string log_level = "info";  // "debug", "info", "warn", "error"

  archive::Location archive;  // [archive]

  // [nats]; paths are absolute, and empty where they are not given
  std::string nats_url;  // empty: the node is in no fleet
  std::filesystem::path nats_credentials;
  std::string nats_nkey;
  std::filesystem::path nats_nkey_seed;
  std::filesystem::path nats_tls_ca;
  std::filesystem::path nats_tls_certificate;
  std::filesystem::path nats_tls_key;

  OrchestratorConfig orchestrator;

  std::vector<std::string> notices;  // keys that are accepted and do nothing yet: told at start

  // [waf.wasm]
  bool require_signature = false;
  std::filesystem::path trusted_keys;  // a folder; empty: signatures are not checked
};

// Reads, parses and checks the file. kConfig: "<file>:<line>: <key>: <what is wrong>", all faults of a
// file that parses are in the message, a line each.
Result<Config> load_config(const std::filesystem::path& file, Program program = Program::kNode);
// The same for text; `file` only names it and anchors relative paths.
Result<Config> parse_config(std::string_view text, const std::filesystem::path& file, Program program = Program::kNode);

}  // namespace secbeat::agent
