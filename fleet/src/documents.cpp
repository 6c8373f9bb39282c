#include "secbeat/fleet/documents.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "json_reader.hpp"

namespace secbeat::fleet {
namespace {

constexpr std::array<std::string_view, 3> kProgressWords{"working", "done", "failed"};

}  // namespace

Json json_of(const VersionRef& version) {
  Json json{{"version", cut(version.label, kMaxWord)},
            {"sha256", version.sha256},
            {"size_bytes", version.size_bytes},
            {"config_sha256", version.config_sha256},
            {"config_size_bytes", version.config_size_bytes}};
  if (!version.signature.empty()) json["signature"] = cut(version.signature, kMaxSignatureText);
  return json;
}

VersionRef read_version(const Reader& reader) {
  VersionRef version{.label = reader.text("version"),
                     .sha256 = reader.sha256("sha256"),
                     .size_bytes = reader.number("size_bytes"),
                     .config_sha256 = reader.text("config_sha256"),
                     .config_size_bytes = reader.number("config_size_bytes"),
                     .signature = reader.text_if("signature", kMaxSignatureText)};
  if (!version.config_sha256.empty() && !is_sha256(version.config_sha256)) {
    reader.fault("config_sha256", "expected 64 lower-case hexadecimal digits, or nothing");
  }
  return version;
}

Json json_of(const std::vector<VersionRef>& versions) {
  Json list = Json::array();
  for (const VersionRef& version : versions) list.push_back(json_of(version));
  return list;
}

std::vector<VersionRef> read_versions(const Reader& reader, const char* key) {
  std::vector<VersionRef> versions;
  reader.each(key, [&](const Reader& item) { versions.push_back(read_version(item)); });
  return versions;
}

Json json_of(const Counts& counts) {
  return {{"inspected", counts.inspected},
          {"blocked", counts.blocked},
          {"rate_limited", counts.rate_limited},
          {"errors", counts.errors},
          {"p99_ns", counts.p99_ns}};
}

Counts read_counts(const Reader& reader) {
  return {.inspected = reader.number_if("inspected"),
          .blocked = reader.number_if("blocked"),
          .rate_limited = reader.number_if("rate_limited"),
          .errors = reader.number_if("errors"),
          .p99_ns = reader.number_if("p99_ns")};
}

Json json_of(const Order& order) {
  Json json = json_of(order.version);
  json["format"] = kFormat;
  json["rollout"] = order.rollout;
  json["module"] = order.module;
  json["revision"] = order.revision;
  json["expected_version"] = cut(order.expected_version, kMaxWord);
  json["forced"] = order.forced;
  json["rollback"] = order.rollback;
  json["reason"] = cut(order.reason, kMaxSentence / 4);
  json["by"] = cut(order.by, kMaxWord);
  if (order.edits_rules) json["edits_rules"] = true;
  return json;
}

// The version before does not say what is a rollback; its rollbacks are forced.
Order read_order(const Reader& reader) {
  return {.rollout = reader.name("rollout"),
          .module = reader.name("module"),
          .version = read_version(reader),
          .revision = reader.number("revision"),
          .expected_version = reader.text("expected_version"),
          .forced = reader.flag("forced"),
          .rollback = reader.has("rollback") ? reader.flag("rollback") : reader.flag("forced"),
          .reason = reader.text("reason", kMaxSentence),
          .by = reader.text("by"),
          .edits_rules = reader.flag_if("edits_rules")};
}

namespace {

Desired read_desired(const Reader& reader) {
  Desired desired{.revision = reader.number("revision")};
  reader.each("modules", [&](const Reader& item) {
    DesiredModule module{.name = item.name("name"), .version = read_version(item), .revision = item.number("revision")};
    module.before = read_versions(item, "before");
    if (item.has("after")) module.after = read_versions(item, "after");
    if (module.revision > desired.revision) item.fault("revision", "newer than the document");
    desired.modules.push_back(std::move(module));
  });
  return desired;
}

NodeStatus read_node_status(const Reader& reader) {
  NodeStatus status{.node = reader.name("node"),
                    .labels = reader.texts("labels"),
                    .build = reader.text("build"),
                    .reported_at = reader.text("reported_at"),
                    .ready = reader.flag("ready")};
  reader.each("modules", [&](const Reader& item) {
    status.modules.push_back({.name = item.name("name"),
                              .version = read_version(item),
                              .reached = item.number("reached"),
                              .highest_label = item.number("highest_label"),
                              .drift = item.text("drift", kMaxSentence)});
    if (item.has("counts")) status.modules.back().counts = read_counts(item.object("counts"));
  });
  return status;
}

OrderAnswer read_order_answer(const Reader& reader) {
  return {.node = reader.name("node"),
          .rollout = reader.name("rollout"),
          .progress = static_cast<Progress>(reader.one_of("progress", kProgressWords)),
          .error = reader.text("error", kMaxSentence),
          .code = reader.text("code"),
          .downtime_ms = reader.number("downtime_ms"),
          .unchanged = reader.flag("unchanged")};
}

}  // namespace

std::string_view word_of(Progress progress) noexcept { return kProgressWords[static_cast<std::size_t>(progress)]; }

const DesiredModule* Desired::find(std::string_view name) const {
  const auto found = std::ranges::find(modules, name, &DesiredModule::name);
  return found == modules.end() ? nullptr : &*found;
}

const ModuleStatus* NodeStatus::find(std::string_view name) const {
  const auto found = std::ranges::find(modules, name, &ModuleStatus::name);
  return found == modules.end() ? nullptr : &*found;
}

std::string to_json(const Desired& desired) {
  Json modules = Json::array();
  for (const DesiredModule& module : desired.modules) {
    Json item = json_of(module.version);
    item["name"] = module.name;
    item["revision"] = module.revision;
    item["before"] = json_of(module.before);
    if (!module.after.empty()) item["after"] = json_of(module.after);
    modules.push_back(std::move(item));
  }
  return dump({{"format", kFormat}, {"revision", desired.revision}, {"modules", std::move(modules)}});
}

std::string to_json(const NodeStatus& status) {
  Json modules = Json::array();
  for (const ModuleStatus& module : status.modules) {
    Json item = json_of(module.version);
    item["name"] = module.name;
    item["reached"] = module.reached;
    item["highest_label"] = module.highest_label;
    item["drift"] = cut(module.drift, kMaxSentence / 4);
    if (module.counts) item["counts"] = json_of(*module.counts);
    modules.push_back(std::move(item));
  }
  return dump({{"format", kFormat},
               {"node", status.node},
               {"labels", Json(status.labels)},
               {"build", cut(status.build, kMaxWord)},
               {"reported_at", status.reported_at},
               {"ready", status.ready},
               {"modules", std::move(modules)}});
}

std::string to_json(const Order& order) { return dump(json_of(order)); }

std::string to_json(const OrderAnswer& answer) {
  return dump({{"format", kFormat},
               {"node", answer.node},
               {"rollout", answer.rollout},
               {"progress", word_of(answer.progress)},
               {"error", cut(answer.error, kMaxSentence / 4)},
               {"code", answer.code},
               {"downtime_ms", answer.downtime_ms},
               {"unchanged", answer.unchanged}});
}

Result<Desired> desired_from_json(std::string_view text) { return read("desired", text, &read_desired); }
Result<NodeStatus> node_status_from_json(std::string_view text) { return read("node", text, &read_node_status); }
Result<Order> order_from_json(std::string_view text) { return read("order", text, &read_order); }
Result<OrderAnswer> order_answer_from_json(std::string_view text) { return read("answer", text, &read_order_answer); }

}  // namespace secbeat::fleet
