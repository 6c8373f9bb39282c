#include "secbeat/control/in_force.hpp"

#include <algorithm>
#include <limits>
#include <set>

#include "document.hpp"
#include "secbeat/engine/module_info.hpp"

namespace secbeat::control {
namespace {

constexpr std::uint64_t kFormat = 1;

// Far above what a node is given; kMaxDocumentBytes is the bound that is met first.
constexpr std::size_t kMaxSlots = 64;
constexpr std::size_t kMaxVersions = 256;
constexpr std::size_t kMaxLabelBytes = 128;
constexpr std::size_t kMaxTimeBytes = 40;
constexpr std::uint64_t kMaxBudgetMs = 3'600'000;
constexpr std::uint64_t kMaxMemoryBytes = std::uint64_t{4} << 30U;  // what a 32-bit guest can address
constexpr std::uint64_t kMaxBodyBytes = std::uint64_t{1} << 30U;
constexpr double kMaxRate = 1e9;  // one request a nanosecond

constexpr std::string_view kOnErrorWords[] = {"previous", "open", "closed"};
constexpr std::string_view kIsolationWords[] = {"instance", "request"};
constexpr std::string_view kBodyOverLimitWords[] = {"inspect", "block"};

// A label stands in a response header, in log lines and in metrics.
bool is_label(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < '\x7f' && c != '"' && c != '\\' && c != '/' && c != ';';
  });
}

bool is_time(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || std::string_view("TZ:-+.").find(c) != std::string_view::npos;
  });
}

Json json_of(const Version& version) {
  return {{"id", version.id},
          {"label", version.label},
          {"sha256", version.sha256},
          {"config_sha256", version.config_sha256},
          {"artifact_sha256", version.artifact_sha256},
          {"size_bytes", version.size_bytes},
          {"loaded_at", version.loaded_at}};
}

Json json_of(const Slot& slot) {
  Json versions = Json::array();
  for (const Version& version : slot.versions) versions.push_back(json_of(version));
  return {{"name", slot.name},
          {"on_error", word_of(slot.on_error)},
          {"isolation", word_of(slot.isolation)},
          {"limits",
           {{"call_budget_ms", slot.limits.call_budget.count()},
            {"configure_budget_ms", slot.limits.configure_budget.count()},
            {"memory_bytes", slot.limits.memory_bytes}}},
          {"current", slot.current},
          {"previous", slot.previous},
          {"versions", std::move(versions)}};
}

Version read_version(const Json& json, const std::string& place, Faults& faults) {
  ObjectReader reader(json, place, faults);
  Version version;
  version.id = reader.number("id", 1, kAnyNumber);
  version.label = reader.text("label", kMaxLabelBytes);
  if (!is_label(version.label)) reader.fault("label", "expected visible ASCII without quote, slash and semicolon");
  version.sha256 = reader.sha256("sha256");
  version.config_sha256 = reader.optional_sha256("config_sha256");
  version.artifact_sha256 = reader.sha256("artifact_sha256");
  version.size_bytes = reader.number("size_bytes", 0, kAnyNumber);
  version.loaded_at = reader.text("loaded_at", kMaxTimeBytes);
  if (!is_time(version.loaded_at)) reader.fault("loaded_at", "expected a time such as 2025-11-24T01:00:03Z");
  return version;
}

engine::Limits read_limits(const Json& json, const std::string& place, Faults& faults) {
  ObjectReader reader(json, place, faults);
  engine::Limits limits;
  limits.call_budget = std::chrono::milliseconds(reader.number("call_budget_ms", 1, kMaxBudgetMs));
  limits.configure_budget = std::chrono::milliseconds(reader.number("configure_budget_ms", 1, kMaxBudgetMs));
  limits.memory_bytes = reader.number("memory_bytes", 1, kMaxMemoryBytes);
  return limits;
}

Slot read_slot(const Json& json, const std::string& place, Faults& faults) {
  ObjectReader reader(json, place, faults);
  Slot slot;
  slot.name = reader.text("name", kMaxNameBytes);
  if (!engine::is_module_name(slot.name))
    reader.fault("name", "expected 1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit first");
  slot.on_error =
      static_cast<OnError>(reader.one_of("on_error", {kOnErrorWords[0], kOnErrorWords[1], kOnErrorWords[2]}));
  // Documents of format 1 that are older than this key have none.
  if (reader.has("isolation")) {
    slot.isolation =
        static_cast<engine::Isolation>(reader.one_of("isolation", {kIsolationWords[0], kIsolationWords[1]}));
  }
  slot.limits = read_limits(reader.object("limits"), reader.place_of("limits"), faults);
  for (const Json& item : reader.array("versions", kMaxVersions)) {
    slot.versions.push_back(read_version(item, item_place(reader.place_of("versions"), slot.versions.size()), faults));
  }
  slot.current = reader.number("current", 0, kAnyNumber);
  if (slot.current != 0 && slot.current_version() == nullptr) reader.fault("current", "no version has this id");
  slot.previous = reader.number("previous", 0, kAnyNumber);
  if (slot.previous != 0 && slot.previous_version() == nullptr) reader.fault("previous", "no version has this id");
  return slot;
}

void refuse_repeated(const InForce& in_force, const std::string& place, Faults& faults) {
  std::set<std::string_view> names;
  std::set<std::uint64_t> ids;
  for (const Slot& slot : in_force.slots) {
    if (!names.insert(slot.name).second) faults.add(place + ": two slots have the name " + slot.name);
    for (const Version& version : slot.versions) {
      if (!ids.insert(version.id).second)
        faults.add(place + ": two versions have the id " + std::to_string(version.id));
    }
  }
}

}  // namespace

std::string_view word_of(OnError policy) noexcept { return kOnErrorWords[static_cast<std::size_t>(policy)]; }

std::optional<OnError> on_error_of(std::string_view word) noexcept {
  const auto* const found = std::find(std::begin(kOnErrorWords), std::end(kOnErrorWords), word);
  if (found == std::end(kOnErrorWords)) return std::nullopt;
  return static_cast<OnError>(found - std::begin(kOnErrorWords));
}

std::string_view word_of(engine::Isolation isolation) noexcept {
  return kIsolationWords[static_cast<std::size_t>(isolation)];
}

std::optional<engine::Isolation> isolation_of(std::string_view word) noexcept {
  const auto* const found = std::find(std::begin(kIsolationWords), std::end(kIsolationWords), word);
  if (found == std::end(kIsolationWords)) return std::nullopt;
  return static_cast<engine::Isolation>(found - std::begin(kIsolationWords));
}

const Version* Slot::find(std::uint64_t id) const noexcept {
  if (id == 0) return nullptr;
  const auto found = std::find_if(versions.begin(), versions.end(), [&](const Version& v) { return v.id == id; });
  return found == versions.end() ? nullptr : &*found;
}

const Slot* InForce::find(std::string_view name) const noexcept {
  const auto found = std::find_if(slots.begin(), slots.end(), [&](const Slot& slot) { return slot.name == name; });
  return found == slots.end() ? nullptr : &*found;
}

Json json_of(const InForce& in_force) {
  Json slots = Json::array();
  for (const Slot& slot : in_force.slots) slots.push_back(json_of(slot));
  return {{"format", kFormat},
          {"generation", in_force.generation},
          {"max_body_bytes", in_force.max_body_bytes},
          {"body_over_limit", kBodyOverLimitWords[static_cast<std::size_t>(in_force.body_over_limit)]},
          {"rate_limit", {{"per_second", in_force.rate_limit_per_second}, {"burst", in_force.rate_limit_burst}}},
          {"slots", std::move(slots)}};
}

InForce read_in_force(const Json& json, const std::string& place, Faults& faults) {
  ObjectReader reader(json, place, faults);
  if (reader.number("format", 1, kAnyNumber) != kFormat) {
    reader.fault("format", "this build reads format " + std::to_string(kFormat) + " only");
    return {};
  }
  InForce in_force;
  in_force.generation = reader.number("generation", 0, kAnyNumber);
  in_force.max_body_bytes = reader.number("max_body_bytes", 0, kMaxBodyBytes);
  in_force.body_over_limit =
      static_cast<BodyOverLimit>(reader.one_of("body_over_limit", {kBodyOverLimitWords[0], kBodyOverLimitWords[1]}));
  ObjectReader rate(reader.object("rate_limit"), reader.place_of("rate_limit"), faults);
  in_force.rate_limit_per_second = rate.positive("per_second", kMaxRate);
  in_force.rate_limit_burst =
      static_cast<std::uint32_t>(rate.number("burst", 1, std::numeric_limits<std::uint32_t>::max()));
  for (const Json& item : reader.array("slots", kMaxSlots)) {
    in_force.slots.push_back(read_slot(item, item_place(reader.place_of("slots"), in_force.slots.size()), faults));
  }
  refuse_repeated(in_force, reader.place_of("slots"), faults);
  return in_force;
}

std::string to_json(const InForce& in_force) { return dump(json_of(in_force)); }

Result<InForce> in_force_from_json(std::string_view text) {
  auto json = parse_object(text, kMaxDocumentBytes);
  if (!json) return std::unexpected(json.error());
  Faults faults;
  InForce in_force = read_in_force(*json, "", faults);
  if (faults.first()) return std::unexpected(*faults.first());
  return in_force;
}

}  // namespace secbeat::control
