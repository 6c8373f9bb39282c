#include "secbeat/control/protocol.hpp"

#include <algorithm>
#include <limits>

#include "document.hpp"
#include "secbeat/engine/module_info.hpp"

namespace secbeat::control {
namespace {

constexpr std::uint64_t kMaxPid = std::numeric_limits<std::int32_t>::max();
constexpr std::uint64_t kMaxUnixMs = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kMaxBuildBytes = 128;
constexpr std::size_t kMaxWordBytes = 64;
constexpr std::size_t kMaxMethodBytes = 64;
constexpr std::size_t kMaxAddressBytes = 64;  // the longest IPv6 address with a zone

// to_json() replaces each byte that is not UTF-8 by the three of U+FFFD, after the cut.
constexpr std::size_t kReplacementGrowth = 3;

// Cuts at a bound in bytes without cutting a UTF-8 character in two.
std::string_view cut(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  std::size_t end = most;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end);
}

Json json_of(const Event& event) {
  return {{"unix_ms", std::max<std::int64_t>(event.unix_ms, 0)},
          {"method", cut(event.method, kMaxMethodBytes)},
          {"uri", cut(event.uri, kMaxEventUri)},
          {"source_ip", cut(event.source_ip, kMaxAddressBytes)},
          {"module", cut(event.module, kMaxNameBytes)},
          {"version_id", event.version_id},
          {"kind", cut(event.kind, kMaxWordBytes)},
          {"rule", cut(event.rule, kMaxEventText)},
          {"message", cut(event.message, kMaxEventText)}};
}

constexpr std::string_view kFailedFallbacks = "failed_fallbacks";

// Left out where there is nothing to tell, as older builds do.
Json with_fallbacks(Json message, const std::string& failed) {
  if (!failed.empty()) message[std::string(kFailedFallbacks)] = cut(failed, kMaxFailureText);
  return message;
}

struct ToJson {
  Json operator()(const Hello& hello) const {
    return with_fallbacks({{"type", "hello"},
                           {"protocol", hello.protocol},
                           {"pid", hello.pid},
                           {"slot", hello.slot},
                           {"generation", hello.generation},
                           {"build", cut(hello.build, kMaxBuildBytes)},
                           {"parent_pid", hello.parent_pid}},
                          hello.failed_fallbacks);
  }
  Json operator()(const Stage& stage) const { return {{"type", "stage"}, {"in_force", json_of(stage.in_force)}}; }
  Json operator()(const Staged& staged) const {
    return with_fallbacks({{"type", "staged"}, {"generation", staged.generation}}, staged.failed_fallbacks);
  }
  Json operator()(const StageFailed& failed) const {
    return {{"type", "stage_failed"},
            {"generation", failed.generation},
            {"module", cut(failed.module, kMaxNameBytes)},
            {"code", cut(failed.code, kMaxWordBytes)},
            {"message", cut(failed.message, kMaxFailureText)}};
  }
  Json operator()(const Commit& commit) const { return {{"type", "commit"}, {"generation", commit.generation}}; }
  Json operator()(const Abort& abort) const { return {{"type", "abort"}, {"generation", abort.generation}}; }
  Json operator()(const Serving& serving) const {
    return {{"type", "serving"}, {"generation", serving.generation}, {"pause_ns", serving.pause_ns}};
  }
  Json operator()(const Events& events) const {
    Json list = Json::array();
    for (const Event& event : events.events) {
      if (list.size() == kMaxEventsPerMessage) break;
      list.push_back(json_of(event));
    }
    return {{"type", "events"}, {"events", std::move(list)}};
  }
};

// Empty or a module's name.
std::string read_module(ObjectReader& reader) {
  std::string name = reader.text("module", kMaxNameBytes);
  if (!name.empty() && !engine::is_module_name(name)) reader.fault("module", "not a module's name");
  return name;
}

std::string read_fallbacks(ObjectReader& reader) {
  if (!reader.has(kFailedFallbacks)) return {};
  return reader.text(kFailedFallbacks, kMaxFailureText * kReplacementGrowth);
}

Hello read_hello(ObjectReader& reader) {
  Hello hello;
  // First, because a later protocol may have other members.
  const std::uint64_t protocol = reader.number("protocol", 1, kMaxPid);
  if (protocol > static_cast<std::uint64_t>(kProtocolVersion)) {
    reader.fault("protocol", "version " + std::to_string(protocol) + ", this build speaks " +
                                 std::to_string(kProtocolVersion) + ": run agent and nginx module of one release");
    return hello;
  }
  hello.protocol = static_cast<int>(protocol);
  hello.pid = static_cast<std::int32_t>(reader.number("pid", 1, kMaxPid));
  hello.slot = static_cast<std::uint32_t>(reader.number("slot", 0, std::numeric_limits<std::uint32_t>::max()));
  hello.generation = reader.number("generation", 0, kAnyNumber);
  hello.build = reader.text("build", kMaxBuildBytes * kReplacementGrowth);
  hello.parent_pid = static_cast<std::int32_t>(reader.number("parent_pid", 0, kMaxPid));
  hello.failed_fallbacks = read_fallbacks(reader);
  return hello;
}

StageFailed read_stage_failed(ObjectReader& reader) {
  StageFailed failed;
  failed.generation = reader.number("generation", 0, kAnyNumber);
  failed.module = read_module(reader);
  failed.code = reader.text("code", kMaxWordBytes);
  failed.message = reader.text("message", kMaxFailureText * kReplacementGrowth);
  return failed;
}

Event read_event(const Json& json, const std::string& place, Faults& faults) {
  ObjectReader reader(json, place, faults);
  Event event;
  event.unix_ms = static_cast<std::int64_t>(reader.number("unix_ms", 0, kMaxUnixMs));
  event.method = reader.text("method", kMaxMethodBytes * kReplacementGrowth);
  event.uri = reader.text("uri", kMaxEventUri * kReplacementGrowth);
  event.source_ip = reader.text("source_ip", kMaxAddressBytes * kReplacementGrowth);
  event.module = read_module(reader);
  event.version_id = reader.number("version_id", 0, kAnyNumber);
  event.kind = reader.text("kind", kMaxWordBytes);
  event.rule = reader.text("rule", kMaxEventText * kReplacementGrowth);
  event.message = reader.text("message", kMaxEventText * kReplacementGrowth);
  return event;
}

Events read_events(ObjectReader& reader, Faults& faults) {
  Events events;
  for (const Json& item : reader.array("events", kMaxEventsPerMessage)) {
    events.events.push_back(read_event(item, item_place("events", events.events.size()), faults));
  }
  return events;
}

Message read_message(ObjectReader& reader, Faults& faults) {
  enum Type : std::uint8_t { kHello, kStage, kStaged, kStageFailed, kCommit, kAbort, kServing, kEvents };
  const auto type = static_cast<Type>(
      reader.one_of("type", {"hello", "stage", "staged", "stage_failed", "commit", "abort", "serving", "events"}));
  switch (type) {
    case kHello:
      return read_hello(reader);
    case kStage:
      return Stage{read_in_force(reader.object("in_force"), "in_force", faults)};
    case kStaged:
      return Staged{reader.number("generation", 0, kAnyNumber), read_fallbacks(reader)};
    case kStageFailed:
      return read_stage_failed(reader);
    case kCommit:
      return Commit{reader.number("generation", 0, kAnyNumber)};
    case kAbort:
      return Abort{reader.number("generation", 0, kAnyNumber)};
    case kServing:
      return Serving{reader.number("generation", 0, kAnyNumber), reader.number("pause_ns", 0, kAnyNumber)};
    case kEvents:
      break;
  }
  return read_events(reader, faults);
}

}  // namespace

std::string to_json(const Message& message) { return dump(std::visit(ToJson{}, message)); }

Result<Message> message_from_json(std::string_view text) {
  auto json = parse_object(text, kMaxMessageBytes);
  if (!json) return std::unexpected(json.error());
  Faults faults;
  ObjectReader reader(*json, "", faults);
  Message message = read_message(reader, faults);
  if (faults.first()) return std::unexpected(*faults.first());
  return message;
}

}  // namespace secbeat::control
