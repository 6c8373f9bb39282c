#include "secbeat/fleet/documents.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "secbeat/fleet/names.hpp"

namespace secbeat::fleet {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kMaxDepth = 6;
constexpr std::size_t kMaxWord = 128;
constexpr std::size_t kMaxSentence = 4096;
constexpr std::uint64_t kMaxNumber = std::uint64_t{1} << 53U;  // what every reader of JSON holds
constexpr std::array<std::string_view, 3> kProgressWords{"working", "done", "failed"};

struct Fault {
  std::string what;
};

bool is_sha256(std::string_view text) {
  return text.size() == 64 &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string cut(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return std::string(text);
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0U) == 0x80U) --limit;
  return std::string(text.substr(0, limit));
}

// The members of one object; throws Fault.
class Reader {
 public:
  Reader(const Json& json, std::string place) : json_(json), place_(std::move(place)) {
    if (!json.is_object()) throw Fault{fmt::format("{}: expected an object", place_)};
  }
  [[nodiscard]] std::uint64_t number(const char* key) const {
    const Json& value = member(key);
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > kMaxNumber) fault(key, "expected a whole number");
    return value.get<std::uint64_t>();
  }
  [[nodiscard]] std::string text(const char* key, std::size_t most = kMaxWord) const {
    const Json& value = member(key);
    if (!value.is_string()) fault(key, "expected a text");
    const auto& text = value.get_ref<const std::string&>();
    if (text.size() > most) fault(key, fmt::format("expected a text of at most {} bytes", most));
    return text;
  }
  [[nodiscard]] std::string name(const char* key) const {
    std::string text = this->text(key);
    if (!is_key(text)) fault(key, "expected a name");
    return text;
  }
  [[nodiscard]] std::string sha256(const char* key) const {
    std::string text = this->text(key);
    if (!is_sha256(text)) fault(key, "expected 64 lower-case hexadecimal digits");
    return text;
  }
  [[nodiscard]] bool flag(const char* key) const {
    const Json& value = member(key);
    if (!value.is_boolean()) fault(key, "expected true or false");
    return value.get<bool>();
  }
  template <class Read>
  void each(const char* key, Read read) const {
    const Json& list = member(key);
    if (!list.is_array() || list.size() > kMaxListed)
      fault(key, fmt::format("expected a list of at most {}", kMaxListed));
    for (std::size_t i = 0; i < list.size(); ++i) read(Reader(list[i], fmt::format("{}.{}[{}]", place_, key, i)));
  }
  [[nodiscard]] Reader object(const char* key) const { return {member(key), fmt::format("{}.{}", place_, key)}; }
  [[nodiscard]] std::map<std::string, std::string> texts(const char* key) const {
    std::map<std::string, std::string> found;
    const Reader inner = object(key);
    if (inner.json_.size() > kMaxWord) fault(key, fmt::format("expected at most {}", kMaxWord));
    for (const auto& [name, value] : inner.json_.items()) {
      if (name.size() > kMaxWord) fault(key, "a name is too long");
      found.emplace(name, inner.text(name.c_str()));
    }
    return found;
  }
  [[noreturn]] void fault(const char* key, std::string_view what) const {
    throw Fault{fmt::format("{}.{}: {}", place_, key, what)};
  }

 private:
  [[nodiscard]] const Json& member(const char* key) const {
    const auto found = json_.find(key);
    if (found == json_.end()) fault(key, "missing");
    return *found;
  }

  const Json& json_;
  std::string place_;
};

Json json_of(const VersionRef& version) {
  return {{"version", cut(version.label, kMaxWord)},
          {"sha256", version.sha256},
          {"size_bytes", version.size_bytes},
          {"config_sha256", version.config_sha256},
          {"config_size_bytes", version.config_size_bytes}};
}

VersionRef read_version(const Reader& reader) {
  VersionRef version{.label = reader.text("version"),
                     .sha256 = reader.sha256("sha256"),
                     .size_bytes = reader.number("size_bytes"),
                     .config_sha256 = reader.text("config_sha256"),
                     .config_size_bytes = reader.number("config_size_bytes")};
  if (!version.config_sha256.empty() && !is_sha256(version.config_sha256)) {
    reader.fault("config_sha256", "expected 64 lower-case hexadecimal digits, or nothing");
  }
  return version;
}

// Bytes that are not UTF-8 become U+FFFD.
std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

template <class T>
Result<T> read(std::string_view what, std::string_view text, T (*reads)(const Reader&)) {
  if (text.size() > kMaxDocumentBytes) {
    return fail(ErrorCode::kProtocol, fmt::format("{}: larger than {} bytes", what, kMaxDocumentBytes));
  }
  // Thrown out of the parser before anything deep has been made.
  const auto not_too_deep = [](int depth, Json::parse_event_t, Json&) {
    if (depth > kMaxDepth) throw Fault{fmt::format("JSON nests deeper than {} levels", kMaxDepth)};
    return true;
  };
  try {
    const Json json = Json::parse(text, not_too_deep);
    const Reader reader(json, std::string(what));
    const std::uint64_t format = reader.number("format");
    if (format == 0 || format > kFormat + 1) {
      reader.fault("format", fmt::format("this build reads formats up to {}; update it", kFormat + 1));
    }
    return reads(reader);
  } catch (const Fault& fault) {
    return fail(ErrorCode::kProtocol, fault.what);
  } catch (const Json::parse_error& error) {
    return fail(ErrorCode::kProtocol, fmt::format("{}: no JSON at byte {}", what, error.byte));
  } catch (const Json::exception&) {
    return fail(ErrorCode::kProtocol, fmt::format("{}: no JSON: a number is out of range", what));
  }
}

Desired read_desired(const Reader& reader) {
  Desired desired{.revision = reader.number("revision")};
  reader.each("modules", [&](const Reader& item) {
    DesiredModule module{.name = item.name("name"), .version = read_version(item), .revision = item.number("revision")};
    item.each("before", [&](const Reader& before) { module.before.push_back(read_version(before)); });
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
  });
  return status;
}

Order read_order(const Reader& reader) {
  return {.rollout = reader.name("rollout"),
          .module = reader.name("module"),
          .version = read_version(reader),
          .revision = reader.number("revision"),
          .expected_version = reader.text("expected_version"),
          .forced = reader.flag("forced"),
          .reason = reader.text("reason", kMaxSentence),
          .by = reader.text("by")};
}

OrderAnswer read_order_answer(const Reader& reader) {
  const std::string word = reader.text("progress");
  const auto found = std::ranges::find(kProgressWords, word);
  if (found == kProgressWords.end()) reader.fault("progress", "expected working, done or failed");
  return {.node = reader.name("node"),
          .rollout = reader.name("rollout"),
          .progress = static_cast<Progress>(found - kProgressWords.begin()),
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
    item["before"] = Json::array();
    for (const VersionRef& before : module.before) item["before"].push_back(json_of(before));
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

std::string to_json(const Order& order) {
  Json json = json_of(order.version);
  json["format"] = kFormat;
  json["rollout"] = order.rollout;
  json["module"] = order.module;
  json["revision"] = order.revision;
  json["expected_version"] = cut(order.expected_version, kMaxWord);
  json["forced"] = order.forced;
  json["reason"] = cut(order.reason, kMaxSentence / 4);
  json["by"] = cut(order.by, kMaxWord);
  return dump(json);
}

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
