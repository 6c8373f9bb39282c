#include "config_keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "config_values.hpp"
#include "secbeat/base/text.hpp"

namespace secbeat::agent {
namespace {

constexpr double kKiB = 1024;
constexpr double kMiB = 1024 * kKiB;
constexpr double kSecondsOfADay = 86400;
constexpr auto kMostFuel = static_cast<double>(engine::kMostFuel);  // more is not counted

bool flag(const Scalar& value) { return std::get<bool>(value); }
const std::string& text(const Scalar& value) { return std::get<std::string>(value); }
std::int64_t whole(const Scalar& value) { return std::get<std::int64_t>(value); }
double number(const Scalar& value) {
  const auto* integer = std::get_if<std::int64_t>(&value);
  return integer != nullptr ? static_cast<double>(*integer) : std::get<double>(value);
}
// REQUIRES: the key's range lies within T.
template <class T>
T whole_as(const Scalar& value) {
  return static_cast<T>(whole(value));
}

Told ok() { return {}; }
Told fault(std::string what) { return {std::move(what), {}}; }

Told store_path(std::string& to, const Scalar& value) {
  if (text(value).empty() || !is_plain_path(text(value))) {
    return fault("expected a path without quotes, '\\', '$', ';', braces and control characters");
  }
  to = text(value);
  return ok();
}

Told store_on_error(std::optional<control::OnError>& to, const Scalar& value) {
  if (text(value) == "previous") {
    to = control::OnError::kPrevious;
  } else if (text(value) == "open") {
    to = control::OnError::kOpen;
  } else if (text(value) == "closed") {
    to = control::OnError::kClosed;
  } else {
    return fault(fmt::format("expected \"previous\", \"open\" or \"closed\", got \"{}\"", printable(text(value))));
  }
  return ok();
}

Told store_isolation(std::optional<engine::Isolation>& to, const Scalar& value) {
  to = control::isolation_of(text(value));
  return to ? ok() : fault(fmt::format("expected \"instance\" or \"request\", got \"{}\"", printable(text(value))));
}

Told store_listen(Listen& to, const Scalar& value) {
  const auto listen = parse_listen(text(value));
  if (!listen) {
    return fault(fmt::format("expected an address and a port such as \"127.0.0.1:8000\" or \"[::1]:8000\", got \"{}\"",
                             printable(text(value))));
  }
  to = *listen;
  return ok();
}

Told store_name(std::string& to, const Scalar& value) {
  if (!is_name(text(value))) {
    return fault("expected a name: letters, digits, '.', '_', '-', at most 64, not beginning with '.' or '-'");
  }
  to = text(value);
  return ok();
}

Told store_word(std::string& to, const Scalar& value, std::initializer_list<std::string_view> words) {
  if (std::ranges::find(words, text(value)) == words.end()) {
    return fault(fmt::format("expected one of {}, got \"{}\"", fmt::join(words, ", "), printable(text(value))));
  }
  to = text(value);
  return ok();
}

Told store_role(Role& to, const Scalar& value) {
  for (const Role role : {Role::kViewer, Role::kOperator, Role::kAdmin}) {
    if (text(value) == word_of(role)) {
      to = role;
      return ok();
    }
  }
  return fault(fmt::format("expected \"viewer\", \"operator\" or \"admin\", got \"{}\"", printable(text(value))));
}

// What is given instead may be the key itself: it is not shown.
Told store_key_hash(std::string& to, const Scalar& value) {
  const auto hash = parse_sha256(text(value));
  if (!hash) return fault("expected the SHA-256 of the key, 64 hexadecimal digits; secbeat key new prints one");
  to = *hash;
  return ok();
}

// The other keys of [archive] may have come before it.
Told store_archive(archive::Location& to, const std::string& url) {
  auto location = archive::location_of(url);
  if (!location) return fault(std::move(location.error().message));
  if (!location->folder.empty() && !is_plain_path(location->folder.string())) {
    return fault("expected a path without quotes, '\\', '$', ';', braces and control characters");
  }
  to.folder = std::move(location->folder);
  to.bucket = std::move(location->bucket);
  to.prefix = std::move(location->prefix);
  return ok();
}

Told store_endpoint(std::string& to, const std::string& value) {
  if (!archive::is_endpoint(value)) return fault("expected \"https://host\" or \"https://host:port\"");
  to = value;
  return ok();
}

Told store_region(std::string& to, const std::string& value) {
  if (!archive::is_region(value)) return fault("expected a region, such as \"eu-central-1\"");
  to = value;
  return ok();
}

using D = Draft;
using N = std::string_view;
using S = Scalar;
constexpr auto kBool = KeyType::kBool;
constexpr auto kInteger = KeyType::kInteger;
constexpr auto kNumber = KeyType::kNumber;
constexpr auto kString = KeyType::kString;

Told store_file(std::filesystem::path& file, const S& v) {
  std::string path;
  Told told = store_path(path, v);
  file = path;
  return told;
}

// In the order of docs/configuration.md. Ranges: the least that works to the most that a node can bear.
constexpr auto kKeys = std::to_array<Key>({
    // clang-format off
    {"waf.wasm.module", kString, 0, 0, [](D& d, N, const S& v) { return store_path(d.main.module, v); }},
    {"waf.wasm.config", kString, 0, 0, [](D& d, N, const S& v) { return store_path(d.main.config.emplace(), v); }},
    {"waf.wasm.rule_tests", kString, 0, 0, [](D& d, N, const S& v) { return store_path(d.main.rule_tests, v); }},
    {"waf.wasm.hot_reload_enabled", kBool, 0, 0, [](D& d, N, const S& v) { d.config.hot_reload_enabled = flag(v); return ok(); }},
    {"waf.wasm.keep_previous_versions", kInteger, 0, 8, [](D& d, N, const S& v) { d.config.keep_previous_versions = whole_as<std::uint32_t>(v); return ok(); }},
    {"waf.wasm.validate_before_reload", kBool, 0, 0, [](D& d, N, const S& v) { d.config.rehearse = flag(v) ? Rehearse::kYes : Rehearse::kNo; return ok(); }},
    {"waf.wasm.on_error", kString, 0, 0, [](D& d, N, const S& v) { return store_on_error(d.main.on_error, v); }},
    {"waf.wasm.isolation", kString, 0, 0, [](D& d, N, const S& v) { return store_isolation(d.main.isolation, v); }},
    {"waf.wasm.deadline_ms", kInteger, 1, 1000, [](D& d, N, const S& v) { d.config.limits.call_budget = std::chrono::milliseconds(whole(v)); return ok(); }},
    {"waf.wasm.configure_deadline_ms", kInteger, 1, 60000, [](D& d, N, const S& v) { d.config.limits.configure_budget = std::chrono::milliseconds(whole(v)); return ok(); }},
    {"waf.wasm.memory_limit_mib", kInteger, 1, 1024, [](D& d, N, const S& v) { d.config.limits.memory_bytes = whole_as<std::size_t>(v) << 20U; return ok(); }},
    {"waf.wasm.fuel_limit", kInteger, 0, kMostFuel, [](D& d, N, const S& v) { d.config.gates.fuel_limit = whole_as<std::uint64_t>(v); return ok(); }},
    {"waf.wasm.max_module_bytes", kInteger, kKiB, 64 * kMiB, [](D& d, N, const S& v) { d.config.max_module_bytes = whole_as<std::size_t>(v); return ok(); }},
    {"waf.wasm.max_body_bytes", kInteger, 0, 16 * kMiB, [](D& d, N, const S& v) { d.config.max_body_bytes = whole_as<std::uint64_t>(v); return ok(); }},
    {"waf.wasm.body_over_limit", kString, 0, 0, [](D& d, N, const S& v) {
       std::string word;
       Told told = store_word(word, v, {"inspect", "block"});
       d.config.body_over_limit = word == "block" ? control::BodyOverLimit::kBlock : control::BodyOverLimit::kInspect;
       return told;
     }},
    {"waf.wasm.require_signature", kBool, 0, 0, [](D& d, N, const S& v) { d.config.require_signature = flag(v); return ok(); }},
    {"waf.wasm.trusted_keys", kString, 0, 0, [](D& d, N, const S& v) {
       std::string path;
       Told told = store_path(path, v);
       d.config.trusted_keys = path;
       return told;
     }},

    {"waf.wasm.modules[].name", kString, 0, 0, [](D& d, N, const S& v) {
       if (text(v).starts_with('_')) return fault("expected a name that begins with a letter or a digit");
       return store_name(d.further.back().name, v);
     }},
    {"waf.wasm.modules[].module", kString, 0, 0, [](D& d, N, const S& v) { return store_path(d.further.back().module, v); }},
    {"waf.wasm.modules[].config", kString, 0, 0, [](D& d, N, const S& v) { return store_path(d.further.back().config.emplace(), v); }},
    {"waf.wasm.modules[].rule_tests", kString, 0, 0, [](D& d, N, const S& v) { return store_path(d.further.back().rule_tests, v); }},
    {"waf.wasm.modules[].on_error", kString, 0, 0, [](D& d, N, const S& v) { return store_on_error(d.further.back().on_error, v); }},
    {"waf.wasm.modules[].isolation", kString, 0, 0, [](D& d, N, const S& v) { return store_isolation(d.further.back().isolation, v); }},

    {"waf.wasm.reload.auto_reload_on_file_change", kBool, 0, 0, [](D& d, N, const S& v) { d.config.auto_reload_on_file_change = flag(v); return ok(); }},
    {"waf.wasm.reload.file_watch", kString, 0, 0, [](D& d, N, const S& v) {
       std::string word;
       Told told = store_word(word, v, {"auto", "poll"});
       d.config.file_watch = word == "poll" ? FileWatch::kPoll : FileWatch::kAuto;
       return told;
     }},
    {"waf.wasm.reload.file_poll_ms", kInteger, 100, 60000, [](D& d, N, const S& v) { d.config.file_poll = std::chrono::milliseconds(whole(v)); return ok(); }},
    {"waf.wasm.reload.file_settle_ms", kInteger, 50, 60000, [](D& d, N, const S& v) { d.config.file_settle = std::chrono::milliseconds(whole(v)); return ok(); }},
    {"waf.wasm.reload.max_reload_frequency_seconds", kInteger, 0, kSecondsOfADay, [](D& d, N, const S& v) { d.config.max_reload_frequency = std::chrono::seconds(whole(v)); return ok(); }},
    {"waf.wasm.reload.compile_timeout_seconds", kInteger, 1, 600, [](D& d, N, const S& v) { d.config.compile_timeout = std::chrono::seconds(whole(v)); return ok(); }},
    {"waf.wasm.reload.compile_memory_mib", kInteger, 64, 65536, [](D& d, N, const S& v) { d.config.compile_memory_bytes = whole_as<std::size_t>(v) << 20U; return ok(); }},

    {"waf.wasm.watch.seconds", kInteger, 0, kSecondsOfADay, [](D& d, N, const S& v) { d.config.watch.seconds = std::chrono::seconds(whole(v)); return ok(); }},
    {"waf.wasm.watch.min_errors", kInteger, 1, 1e6, [](D& d, N, const S& v) { d.config.watch.min_errors = whole_as<std::uint64_t>(v); return ok(); }},
    {"waf.wasm.watch.error_percent", kNumber, 0, 100, [](D& d, N, const S& v) { d.config.watch.error_percent = number(v); return ok(); }},
    {"waf.wasm.watch.min_requests", kInteger, 50, 1e9, [](D& d, N, const S& v) { d.config.watch.min_requests = whole_as<std::uint64_t>(v); return ok(); }},
    {"waf.wasm.watch.min_baseline_requests", kInteger, 50, 1e9, [](D& d, N, const S& v) { d.config.watch.min_baseline_requests = whole_as<std::uint64_t>(v); return ok(); }},
    {"waf.wasm.watch.block_percent", kNumber, 0, 100, [](D& d, N, const S& v) { d.config.watch.block_percent = number(v); return ok(); }},
    {"waf.wasm.watch.rate_limit_percent", kNumber, 0, 100, [](D& d, N, const S& v) { d.config.watch.rate_limit_percent = number(v); return ok(); }},
    {"waf.wasm.watch.p99_factor", kNumber, 0, 1e6, [](D& d, N, const S& v) { d.config.watch.p99_factor = number(v); return ok(); }},
    {"waf.wasm.watch.p99_floor_us", kInteger, 0, 1e6, [](D& d, N, const S& v) { d.config.watch.p99_floor = std::chrono::microseconds(whole(v)); return ok(); }},

    {"waf.wasm.gates.count_cost", kBool, 0, 0, [](D& d, N, const S& v) { d.config.gates.costing = flag(v) ? engine::Costing::kRun : engine::Costing::kSkip; return ok(); }},
    {"waf.wasm.gates.max_cost_growth", kNumber, 0, 1e6, [](D& d, N, const S& v) { d.config.gates.max_cost_growth = number(v); return ok(); }},
    {"waf.wasm.gates.cost_floor", kInteger, 0, kMostFuel, [](D& d, N, const S& v) { d.config.gates.cost_floor = whole_as<std::uint64_t>(v); return ok(); }},
    {"waf.wasm.gates.max_rules_lost_percent", kNumber, 0, 100, [](D& d, N, const S& v) { d.config.gates.max_rules_lost_percent = number(v); return ok(); }},

    {"waf.rate_limit.requests_per_second", kNumber, 0.001, 1e6, [](D& d, N, const S& v) { d.config.rate_limit_per_second = number(v); return ok(); }},
    {"waf.rate_limit.burst", kInteger, 1, 1e6, [](D& d, N, const S& v) { d.config.rate_limit_burst = whole_as<std::uint32_t>(v); return ok(); }},

    {"proxy.nginx", kString, 0, 0, [](D& d, N, const S& v) {
       std::string word;
       Told told = store_word(word, v, {"managed", "external"});
       d.config.nginx = word == "external" ? Nginx::kExternal : Nginx::kManaged;
       return told;
     }},
    {"proxy.listen", kString, 0, 0, [](D& d, N, const S& v) { return store_listen(d.config.proxy, v); }},
    {"proxy.upstream", kString, 0, 0, [](D& d, N, const S& v) {
       if (!is_host_and_port(text(v))) {
         return fault(fmt::format("expected \"host:port\" of the site to protect, got \"{}\"", printable(text(v))));
       }
       d.config.upstream = text(v);
       return ok();
     }},
    {"proxy.workers", kInteger, 0, 64, [](D& d, N, const S& v) { d.config.workers = whole_as<std::uint32_t>(v); return ok(); }},
    {"proxy.user", kString, 0, 0, [](D& d, N, const S& v) { return store_name(d.config.worker_user, v); }},
    {"proxy.nginx_binary", kString, 0, 0, [](D& d, N, const S& v) {
       std::string path;
       Told told = store_path(path, v);
       d.config.nginx_binary = path;
       return told;
     }},
    {"proxy.receipt", kBool, 0, 0, [](D& d, N, const S& v) { d.config.receipt = flag(v); return ok(); }},
    {"proxy.access_log", kBool, 0, 0, [](D& d, N, const S& v) { d.config.access_log = flag(v); return ok(); }},

    {"api.listen", kString, 0, 0, [](D& d, N, const S& v) { return store_listen(d.config.api, v); }},
    {"api.insecure", kBool, 0, 0, [](D& d, N, const S& v) { d.config.api_insecure = flag(v); return ok(); }},
    {"api.keys[].name", kString, 0, 0, [](D& d, N, const S& v) { return store_name(d.api_keys.back().name, v); }},
    {"api.keys[].role", kString, 0, 0, [](D& d, N, const S& v) { return store_role(d.api_keys.back().role, v); }},
    {"api.keys[].sha256", kString, 0, 0, [](D& d, N, const S& v) { return store_key_hash(d.api_keys.back().sha256, v); }},
    {"api.keys[].sha256_file", kString, 0, 0, [](D& d, N, const S& v) {
       std::string path;
       Told told = store_path(path, v);
       d.api_keys.back().file = path;
       return told;
     }},
    {"api.tls_certificate", kString, 0, 0, [](D& d, N, const S& v) {
       std::string path;
       Told told = store_path(path, v);
       d.config.tls_certificate = path;
       return told;
     }},
    {"api.tls_key", kString, 0, 0, [](D& d, N, const S& v) {
       std::string path;
       Told told = store_path(path, v);
       d.config.tls_key = path;
       return told;
     }},

    {"node.name", kString, 0, 0, [](D& d, N, const S& v) { return store_name(d.config.node_name, v); }},
    {"node.labels.*", kString, 0, 0, [](D& d, N name, const S& v) {
       if (!is_name(name) || !is_name(text(v))) {
         return fault("expected label and value of letters, digits, '.', '_', '-', at most 64");
       }
       d.config.labels[std::string(name)] = text(v);
       return ok();
     }},
    {"node.data_dir", kString, 0, 0, [](D& d, N, const S& v) {
       std::string path;
       Told told = store_path(path, v);
       d.config.data_dir = path;
       return told;
     }},
    {"node.state_dir", kString, 0, 0, [](D& d, N, const S& v) {
       std::string path;
       Told told = store_path(path, v);
       d.config.state_dir = path;
       return told;
     }},
    {"node.log_level", kString, 0, 0, [](D& d, N, const S& v) { return store_word(d.config.log_level, v, {"debug", "info", "warn", "error"}); }},

    {"nats.url", kString, 0, 0, [](D& d, N, const S& v) {
       if (!text(v).starts_with("nats://") && !text(v).starts_with("tls://")) return fault("expected nats://host:port or tls://host:port");
       d.config.nats_url = text(v);
       return ok();
     }},
    {"nats.credentials", kString, 0, 0, [](D& d, N, const S& v) { return store_file(d.config.nats_credentials, v); }},
    {"nats.nkey", kString, 0, 0, [](D& d, N, const S& v) { return store_name(d.config.nats_nkey, v); }},
    {"nats.nkey_seed", kString, 0, 0, [](D& d, N, const S& v) { return store_file(d.config.nats_nkey_seed, v); }},
    {"nats.tls_ca", kString, 0, 0, [](D& d, N, const S& v) { return store_file(d.config.nats_tls_ca, v); }},
    {"nats.tls_certificate", kString, 0, 0, [](D& d, N, const S& v) { return store_file(d.config.nats_tls_certificate, v); }},
    {"nats.tls_key", kString, 0, 0, [](D& d, N, const S& v) { return store_file(d.config.nats_tls_key, v); }},

    {"archive.url", kString, 0, 0, [](D& d, N, const S& v) { return store_archive(d.config.archive, text(v)); }},
    {"archive.endpoint", kString, 0, 0, [](D& d, N, const S& v) { return store_endpoint(d.config.archive.endpoint, text(v)); }},
    {"archive.region", kString, 0, 0, [](D& d, N, const S& v) { return store_region(d.config.archive.region, text(v)); }},
    {"archive.credentials", kString, 0, 0, [](D& d, N, const S& v) { return store_file(d.config.archive.credentials, v); }},
    {"archive.tls_ca", kString, 0, 0, [](D& d, N, const S& v) { return store_file(d.config.archive.tls_ca, v); }},

    {"orchestrator.name", kString, 0, 0, [](D& d, N, const S& v) { return store_name(d.config.orchestrator.name, v); }},
    {"orchestrator.log_level", kString, 0, 0, [](D& d, N, const S& v) { return store_word(d.config.log_level, v, {"debug", "info", "warn", "error"}); }},
    {"orchestrator.replicas", kInteger, 1, 5, [](D& d, N, const S& v) { d.config.orchestrator.replicas = whole_as<std::uint32_t>(v); return ok(); }},
    {"orchestrator.max_module_bytes", kInteger, kKiB, 64 * kMiB, [](D& d, N, const S& v) { d.config.max_module_bytes = whole_as<std::size_t>(v); return ok(); }},
    {"orchestrator.stage_timeout_seconds", kInteger, 1, 600, [](D& d, N, const S& v) { d.config.orchestrator.stage_timeout = std::chrono::seconds(whole(v)); return ok(); }},
    {"orchestrator.compile_timeout_seconds", kInteger, 1, 600, [](D& d, N, const S& v) { d.config.compile_timeout = std::chrono::seconds(whole(v)); return ok(); }},
    {"orchestrator.gates.min_errors", kInteger, 1, 1e6, [](D& d, N, const S& v) { d.config.watch.min_errors = whole_as<std::uint64_t>(v); return ok(); }},
    {"orchestrator.gates.error_percent", kNumber, 0, 100, [](D& d, N, const S& v) { d.config.watch.error_percent = number(v); return ok(); }},
    {"orchestrator.gates.min_requests", kInteger, 1, 1e9, [](D& d, N, const S& v) { d.config.watch.min_requests = whole_as<std::uint64_t>(v); return ok(); }},
    {"orchestrator.gates.min_baseline_requests", kInteger, 1, 1e9, [](D& d, N, const S& v) { d.config.watch.min_baseline_requests = whole_as<std::uint64_t>(v); return ok(); }},
    {"orchestrator.gates.block_percent", kNumber, 0, 100, [](D& d, N, const S& v) { d.config.watch.block_percent = number(v); return ok(); }},
    {"orchestrator.gates.p99_factor", kNumber, 0, 1e6, [](D& d, N, const S& v) { d.config.watch.p99_factor = number(v); return ok(); }},
    {"orchestrator.gates.p99_floor_us", kInteger, 0, 1e6, [](D& d, N, const S& v) { d.config.watch.p99_floor = std::chrono::microseconds(whole(v)); return ok(); }},
    {"rules.min_confidence", kNumber, 0, 1, [](D& d, N, const S& v) { d.config.orchestrator.min_confidence = number(v); return ok(); }},
    {"rules.max_active_rules", kInteger, 1, 10000, [](D& d, N, const S& v) { d.config.orchestrator.max_active_rules = whole_as<std::uint32_t>(v); return ok(); }},
    {"rules.default_ttl_seconds", kInteger, 0, 366 * kSecondsOfADay, [](D& d, N, const S& v) { d.config.orchestrator.default_ttl = std::chrono::seconds(whole(v)); return ok(); }},
    {"rules.max_new_rules_per_minute", kInteger, 0, 6000, [](D& d, N, const S& v) { d.config.orchestrator.max_new_rules_per_minute = whole_as<std::uint32_t>(v); return ok(); }},
    // clang-format on
});

}  // namespace

std::vector<Key> config_keys(Program program) {
  const auto is_of = [program](const Key& key) {
    const bool of_orchestrator = key.path.starts_with("orchestrator.") || key.path.starts_with("rules.");
    if (program == Program::kNode) return !of_orchestrator;
    return of_orchestrator || key.path.starts_with("api.") || key.path.starts_with("nats.") ||
           key.path.starts_with("archive.");
  };
  std::vector<Key> keys;
  std::ranges::copy_if(kKeys, std::back_inserter(keys), is_of);
  return keys;
}

}  // namespace secbeat::agent
