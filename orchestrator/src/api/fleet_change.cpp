// POST /api/v1/wasm/{reload-fleet,deploy,rollback-fleet,sync-versions}
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>
#include <thread>

#include "fleet_context.hpp"
#include "fleet_documents.hpp"
#include "secbeat/engine/module_info.hpp"
#include "secbeat/fleet/contents.hpp"
#include "secbeat/http/text.hpp"

namespace secbeat::orchestrator {
namespace {

using http::Form;
using http::refuse;
using http::shown;

constexpr std::size_t kMaxReasonBytes = 1000;
constexpr std::size_t kMaxLabelBytes = 128;
constexpr std::size_t kMaxNameBytes = 64;
constexpr std::size_t kMaxTargetBytes = 65536;
constexpr std::uint64_t kMostSeconds = 86400;
// How long a call waits for its rollout, beyond what the rollout is told to observe. It goes on when nobody waits.
constexpr std::chrono::seconds kWaits{300};
constexpr std::chrono::milliseconds kLook{500};  // whether the orchestrator stops
// Calls that wait for rollouts that observe, which may take a day; the server works on four calls at once, and one
// stays for the others.
constexpr int kMostWaiting = 3;

OrRefusal<std::string> text_of(Form& form, std::string_view name, std::size_t limit) {
  auto text = http::take_text(form, name, limit);
  if (!text) return std::unexpected(text.error());
  return text->value_or("");
}

// `into` for each field that is given; the first refusal ends it.
struct TextField {
  std::string_view name;
  std::string& into;
  std::size_t limit;
};
OrRefusal<void> read_texts(Form& form, std::initializer_list<TextField> fields) {
  for (const TextField& field : fields) {
    auto text = text_of(form, field.name, field.limit);
    if (!text) return std::unexpected(text.error());
    field.into = *std::move(text);
  }
  return {};
}

OrRefusal<std::optional<std::uint64_t>> read_number(Form& form, std::string_view name, std::uint64_t most) {
  const auto text = http::take(form, name);
  if (!text) return std::nullopt;
  const auto number = http::whole_number<std::uint64_t>(*text);
  if (number && *number <= most) return number;
  return refuse(ErrorCode::kBadRequest,
                fmt::format("\"{}\" must be a whole number from 0 to {}, not \"{}\"", name, most, shown(*text)),
                {{"field", name}});
}

OrRefusal<void> check_module_name(std::string_view name) {
  if (name.empty() || engine::is_module_name(name)) return {};
  return refuse(ErrorCode::kBadRequest,
                fmt::format("\"{}\" cannot name a module: 1 to {} of A-Z a-z 0-9 . _ -, the first a letter or digit",
                            shown(name), kMaxNameBytes),
                {{"field", "name"}});
}

// Those that every node has.
std::set<std::string> common_modules(const std::vector<fleet::NodeStatus>& nodes) {
  std::set<std::string> common;
  for (const fleet::NodeStatus& node : nodes) {
    for (const fleet::ModuleStatus& module : node.modules) common.insert(module.name);
  }
  std::erase_if(common, [&](const std::string& name) {
    return !std::ranges::all_of(nodes, [&](const auto& node) { return node.find(name) != nullptr; });
  });
  return common;
}

// The module that is meant where no name is given: the only one that all nodes have, else the only one that is desired.
OrRefusal<std::string> only_module(const FleetContext& context) {
  const auto nodes = context.rollouts.nodes();
  if (!nodes) return std::unexpected(http::error_response(nodes.error()));
  const std::set<std::string> common = common_modules(*nodes);
  if (common.size() == 1) return *common.begin();
  const auto desired = context.rollouts.desired();
  if (!desired) return std::unexpected(http::error_response(desired.error()));
  if (desired->modules.size() == 1) return desired->modules.front().name;
  Json names = common;
  return refuse(ErrorCode::kBadRequest,
                names.empty() ? "Say which module: the field \"name\" (the file names none, and the fleet has none yet)"
                              : "Say which module: the field \"name\"",
                {{"field", "name"}, {"modules", std::move(names)}});
}

OrRefusal<std::string> object_of(const FleetContext& context, const std::string& sha256, std::size_t limit) {
  auto bytes = fleet::get_content(context.connection, sha256, limit);
  if (bytes) return *std::move(bytes);
  return std::unexpected(http::error_response(bytes.error()));
}

// What is not sent stays as it is desired: the module where only its configuration changes, and the other way round.
OrRefusal<void> complete(const FleetContext& context, FleetReload& wanted, bool has_file, bool has_config) {
  if (has_file && has_config) return {};
  const auto desired = context.rollouts.desired();
  if (!desired) return std::unexpected(http::error_response(desired.error()));
  const fleet::DesiredModule* module = desired->find(wanted.module);
  if (module == nullptr) {
    if (has_file) return {};
    return refuse(
        ErrorCode::kMissingFile,
        fmt::format("The fleet has no module {} yet whose configuration could change: send the field \"file\"",
                    wanted.module));
  }
  const auto& [sha256, into, limit] =
      has_file ? std::tie(module->version.config_sha256, wanted.config, context.limits.document_bytes)
               : std::tie(module->version.sha256, wanted.file, context.limits.module_bytes);
  if (sha256.empty()) return {};
  auto bytes = object_of(context, sha256, limit);
  if (!bytes) return std::unexpected(bytes.error());
  into = *std::move(bytes);
  if (!has_file) {  // the label of another configuration goes on from the version that the module embeds
    if (const auto info = engine::read_module_info(wanted.file)) wanted.embedded_version = info->embedded_version;
  }
  return {};
}

// The nodes say whether it holds.
OrRefusal<void> read_signature(Form& form, bool has_file, FleetReload& wanted) {
  auto signature = http::take(form, "signature");
  if (!signature) return {};
  if (!has_file) {
    return refuse(ErrorCode::kBadRequest, "The field \"signature\" is of a module: send it with the field \"file\"",
                  {{"field", "signature"}});
  }
  if (signature->empty() || signature->size() > fleet::kMaxSignatureText) {
    return refuse(
        ErrorCode::kBadRequest,
        fmt::format("The signature has {} bytes; it must have 1 to {}: send the text that secbeat sign writes",
                    signature->size(), fleet::kMaxSignatureText),
        {{"field", "signature"}});
  }
  wanted.signature = *std::move(signature);
  return {};
}

OrRefusal<void> read_module(const FleetContext& context, Form& form, FleetReload& wanted) {
  auto file = http::take(form, "file");
  auto config = http::take(form, "config");
  if (!file && !config) {
    return refuse(ErrorCode::kMissingFile,
                  "The field \"file\" with the module is missing (and there is no \"config\" to change alone)");
  }
  if (file && file->size() > context.limits.module_bytes) {
    return refuse(
        ErrorCode::kTooLarge,
        fmt::format("The module has {} bytes; the limit is {} bytes", file->size(), context.limits.module_bytes),
        {{"size_bytes", file->size()}, {"limit_bytes", context.limits.module_bytes}});
  }
  if (config) {
    if (auto checked = http::check_configuration(*config); !checked) return checked;
    wanted.config = *std::move(config);
  }
  const bool has_config = !wanted.config.empty();
  if (auto read = read_signature(form, file.has_value(), wanted); !read) return read;
  if (file) {
    const auto info = engine::read_module_info(*file);
    if (!info) return std::unexpected(http::error_response(info.error()));
    wanted.embedded_version = info->embedded_version;
    if (wanted.module.empty()) wanted.module = info->embedded_name.value_or("");
    wanted.file = *std::move(file);
  }
  if (wanted.module.empty()) {
    auto only = only_module(context);
    if (!only) return std::unexpected(only.error());
    wanted.module = *std::move(only);
  }
  return complete(context, wanted, !wanted.file.empty(), has_config);
}

OrRefusal<FleetReload> read_reload(const FleetContext& context, HttpRequest& request, bool& waits) {
  if (request.body.empty()) {
    return refuse(ErrorCode::kMissingFile,
                  "The request has no body; send the module as the field \"file\" of multipart/form-data");
  }
  auto form = http::read_multipart(request, http::names_of(request.route->fields));
  if (!form) return std::unexpected(form.error());
  std::string().swap(request.body);
  FleetReload wanted;
  wanted.by = request.caller.name;
  if (auto read = read_texts(*form, {{"name", wanted.module, kMaxNameBytes},
                                     {"expected_version", wanted.expected_version, kMaxLabelBytes},
                                     {"reason", wanted.reason, kMaxReasonBytes},
                                     {"target", wanted.options.target, kMaxTargetBytes},
                                     {"canary", wanted.options.canary, kMaxNameBytes},
                                     {"waves", wanted.options.waves, fleet::kMaxWavesText}});
      !read) {
    return std::unexpected(read.error());
  }
  if (wanted.options.target.empty()) wanted.options.target = "all";
  request.reason = wanted.reason;
  if (auto named = check_module_name(wanted.module); !named) return std::unexpected(named.error());
  const auto unavailable = read_number(*form, "max_unavailable", fleet::kMaxListed);
  if (!unavailable) return std::unexpected(unavailable.error());
  wanted.options.max_unavailable = *unavailable;
  const auto observe = read_number(*form, "observe_seconds", kMostSeconds);
  if (!observe) return std::unexpected(observe.error());
  wanted.options.observe_seconds = observe->value_or(0);
  // true where it is not given
  const auto no_wait = form->contains("wait") ? http::take_boolean(*form, "wait") : OrRefusal<bool>(true);
  if (!no_wait) return std::unexpected(no_wait.error());
  waits = *no_wait;
  const auto force = http::take_boolean(*form, "force");
  if (!force) return std::unexpected(force.error());
  if (*force) {
    if (auto may = http::require_role(request.caller, http::Role::kAdmin, "force"); !may)
      return std::unexpected(may.error());
    wanted.forced = true;
  }
  if (auto read = read_module(context, *form, wanted); !read) return std::unexpected(read.error());
  return wanted;
}

// One call that waits for long, for as long as it lives.
class Waiting {
 public:
  Waiting(std::atomic<int>& number, bool waits_long)
      : number_(number), share_(waits_long ? 1 : 0), before_(number.fetch_add(share_)) {}
  ~Waiting() { number_ -= share_; }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  [[nodiscard]] bool are_too_many() const { return share_ > 0 && before_ >= kMostWaiting; }

 private:
  std::atomic<int>& number_;
  const int share_;
  const int before_;
};

HttpResponse accepted(const std::string& rollout) {
  constexpr int kAcceptedStatus = 202;
  auto response = http::json_response(to_document(Accepted{rollout}), kAcceptedStatus);
  response.headers.emplace_back("Location", "/api/v1/rollouts/" + rollout);
  return response;
}

}  // namespace

HttpResponse handle_reload_fleet(const FleetContext& context, HttpRequest& request) {
  bool waits = true;
  const auto wanted = read_reload(context, request, waits);
  if (!wanted) return wanted.error();
  const auto rollout = context.rollouts.begin(*wanted);
  if (!rollout) return failure_response(rollout.error());
  const Waiting waiting(context.waiting, waits && wanted->options.observe_seconds > 0);
  if (!waits || waiting.are_too_many()) return accepted(*rollout);
  const auto until = context.clock.steady() + kWaits + std::chrono::seconds(wanted->options.observe_seconds);
  while (!context.stopping && context.clock.steady() < until) {
    const auto ended = context.rollouts.wait(*rollout, kLook);
    if (!ended) {
      if (ended.error().code == ErrorCode::kUnknownRollout) {
        return http::error_response(
            {ErrorCode::kNotFound, "Nothing is known of the rollout any more: " + ended.error().message});
      }
      spdlog::warn("rollout {}: {}", *rollout, ended.error().message);
      std::this_thread::sleep_for(kLook);
      continue;  // the rollout goes on, whatever this look at it met
    }
    if (!*ended) continue;
    const auto outcome = outcome_of(**ended);
    return outcome ? http::json_response(to_document(*outcome)) : failure_response(outcome.error());
  }
  return accepted(*rollout);
}

HttpResponse handle_rollback_fleet(const FleetContext& context, HttpRequest& request) {
  auto form = http::read_any_form(request, http::names_of(request.route->fields));
  if (!form) return form.error();
  FleetRollback wanted;
  wanted.by = request.caller.name;
  if (auto read = read_texts(*form, {{"name", wanted.module, kMaxNameBytes},
                                     {"to_version", wanted.to_version, kMaxLabelBytes},
                                     {"reason", wanted.reason, kMaxReasonBytes},
                                     {"target", wanted.target, kMaxTargetBytes}});
      !read) {
    return read.error();
  }
  if (wanted.target.empty()) wanted.target = "all";
  if (auto named = check_module_name(wanted.module); !named) return named.error();
  if (wanted.module.empty()) {
    auto only = only_module(context);
    if (!only) return only.error();
    wanted.module = *std::move(only);
  }
  request.reason = wanted.reason;
  const auto done = context.rollouts.rollback(wanted);
  if (!done) return failure_response(done.error());
  return http::json_response(to_document(RolledBack{*done, wanted.reason}));
}

HttpResponse handle_sync(const FleetContext& context, HttpRequest& request) {
  auto form = http::read_any_form(request, http::names_of(request.route->fields));
  if (!form) return form.error();
  FleetSync wanted;
  wanted.by = request.caller.name;
  if (auto read =
          read_texts(*form, {{"name", wanted.module, kMaxNameBytes}, {"reason", wanted.reason, kMaxReasonBytes}});
      !read) {
    return read.error();
  }
  if (auto named = check_module_name(wanted.module); !named) return named.error();
  request.reason = wanted.reason;
  const auto done = context.rollouts.sync(wanted);
  return done ? http::json_response(to_document(*done)) : failure_response(done.error());
}

}  // namespace secbeat::orchestrator
