#include "secbeat/fleet/rollout.hpp"

#include <array>

#include "json_reader.hpp"

namespace secbeat::fleet {
namespace {

constexpr std::array<std::string_view, 9> kStateWords{"staging", "committing", "observing", "paused", "reverting",
                                                      "done",    "failed",     "reverted",  "aborted"};
constexpr std::array<std::string_view, 6> kNodeWords{"waiting",  "staged", "committed",
                                                     "reverted", "failed", "unreachable"};
constexpr std::array<std::string_view, 2> kKindWords{"reload", "rollback"};
constexpr std::array<std::string_view, 3> kAskedWords{"nothing", "pause", "abort"};
constexpr std::size_t kMaxNodeError = 256;        // thousands of them are in one message
constexpr std::size_t kMaxTarget = kMaxSentence;  // names of nodes

template <class Enum, class Words>
std::string_view word_in(const Words& words, Enum value) {
  return words[static_cast<std::size_t>(value)];
}

Json json_of(const RolloutNode& node) {
  Json json{{"node", node.node}, {"state", word_of(node.state)}};
  if (!node.error.empty()) json["error"] = cut(node.error, kMaxNodeError);
  if (!node.code.empty()) json["code"] = cut(node.code, kMaxWord);
  if (node.downtime_ms != 0) json["downtime_ms"] = node.downtime_ms;
  if (node.unchanged) json["unchanged"] = true;
  if (node.baseline) json["baseline"] = json_of(*node.baseline);
  return json;
}

Json json_of(const std::vector<RolloutNode>& nodes) {
  Json list = Json::array();
  for (const RolloutNode& node : nodes) list.push_back(json_of(node));
  return list;
}

Json json_of(const RolloutOptions& options) {
  Json json{{"target", cut(options.target, kMaxTarget)},
            {"canary", cut(options.canary, kMaxWavesText)},
            {"waves", cut(options.waves, kMaxWavesText)},
            {"observe_seconds", options.observe_seconds},
            {"observes_last", options.observes_last}};
  if (options.max_unavailable) json["max_unavailable"] = *options.max_unavailable;
  return json;
}

RolloutNode read_node(const Reader& reader) {
  RolloutNode node{.node = reader.name("node"),
                   .state = static_cast<NodeState>(reader.one_of("state", kNodeWords)),
                   .error = reader.text_if("error", kMaxSentence),
                   .code = reader.text_if("code"),
                   .downtime_ms = reader.number_if("downtime_ms"),
                   .unchanged = reader.flag_if("unchanged")};
  if (reader.has("baseline")) node.baseline = read_counts(reader.object("baseline"));
  return node;
}

std::vector<RolloutNode> read_nodes(const Reader& reader, const char* key) {
  std::vector<RolloutNode> nodes;
  reader.each(key, [&](const Reader& item) { nodes.push_back(read_node(item)); });
  return nodes;
}

RolloutOptions read_options(const Reader& reader) {
  RolloutOptions options{.target = reader.text("target", kMaxTarget),
                         .canary = reader.text("canary", kMaxWavesText),
                         .waves = reader.text("waves", kMaxWavesText),
                         .observe_seconds = reader.number("observe_seconds"),
                         .observes_last = reader.flag("observes_last")};
  if (reader.has("max_unavailable")) options.max_unavailable = reader.number("max_unavailable");
  return options;
}

RolloutState state_of(const Reader& reader, const char* key) {
  return static_cast<RolloutState>(reader.one_of(key, kStateWords));
}

Rollout read_rollout(const Reader& reader) {
  const Reader lease = reader.object("lease");
  Rollout rollout{.order = read_order(reader),
                  .kind = static_cast<RolloutKind>(reader.one_of("kind", kKindWords)),
                  .from_version = reader.text("from_version"),
                  .options = read_options(reader.object("options")),
                  .state = state_of(reader, "state"),
                  .resumes = state_of(reader, "resumes"),
                  .asked = static_cast<Asked>(reader.one_of("asked", kAskedWords)),
                  .wave = reader.number("wave"),
                  .left_out = read_nodes(reader, "left_out"),
                  .error = reader.text("error", kMaxSentence),
                  .code = reader.text("code"),
                  .begun_at = reader.text("begun_at"),
                  .ended_at = reader.text("ended_at"),
                  .holder = lease.text("holder"),
                  .beat = lease.number("beat")};
  reader.each("waves", [&](const Reader& item) {
    rollout.waves.push_back(
        {.nodes = read_nodes(item, "nodes"), .begun_at = item.text("begun_at"), .ended_at = item.text("ended_at")});
  });
  // Past the last wave only what has come to its end is, and the commit that makes the version the desired one.
  const RolloutState at = rollout.state == RolloutState::kPaused ? rollout.resumes : rollout.state;
  const bool may_be_past = at == RolloutState::kCommitting || at == RolloutState::kReverting || has_ended(at);
  if (rollout.wave > rollout.waves.size() || (rollout.wave == rollout.waves.size() && !may_be_past)) {
    reader.fault("wave", "there is no such wave");
  }
  if (rollout.resumes == RolloutState::kPaused) reader.fault("resumes", "a pause goes on with something else");
  return rollout;
}

Running read_running(const Reader& reader) {
  Running running{.rollout = reader.name("rollout"), .revision = reader.number("revision")};
  if (reader.has("given")) running.given = read_versions(reader, "given");
  return running;
}

std::string whole(const Rollout& rollout) {
  Json json = json_of(rollout.order);
  json["kind"] = word_in(kKindWords, rollout.kind);
  json["from_version"] = cut(rollout.from_version, kMaxWord);
  json["options"] = json_of(rollout.options);
  json["state"] = word_of(rollout.state);
  json["resumes"] = word_of(rollout.resumes);
  json["asked"] = word_in(kAskedWords, rollout.asked);
  json["wave"] = rollout.wave;
  json["waves"] = Json::array();
  for (const Wave& wave : rollout.waves) {
    json["waves"].push_back({{"nodes", json_of(wave.nodes)}, {"begun_at", wave.begun_at}, {"ended_at", wave.ended_at}});
  }
  json["left_out"] = json_of(rollout.left_out);
  json["error"] = cut(rollout.error, kMaxSentence / 4);
  json["code"] = cut(rollout.code, kMaxWord);
  json["begun_at"] = rollout.begun_at;
  json["ended_at"] = rollout.ended_at;
  json["lease"] = {{"holder", cut(rollout.holder, kMaxWord)}, {"beat", rollout.beat}};
  return dump(json);
}

}  // namespace

std::string_view word_of(RolloutState state) noexcept { return word_in(kStateWords, state); }
std::string_view word_of(NodeState state) noexcept { return word_in(kNodeWords, state); }
bool has_ended(RolloutState state) noexcept { return state >= RolloutState::kDone; }

std::string to_json(const Rollout& rollout) {
  std::string text = whole(rollout);
  if (text.size() <= kMaxRolloutBytes) return text;
  // Of thousands of nodes; the states are what somebody else needs to go on.
  Rollout shorter = rollout;
  const auto shorten = [](std::vector<RolloutNode>& nodes) {
    for (RolloutNode& node : nodes) {
      node.error.clear();
      node.baseline.reset();
    }
  };
  for (Wave& wave : shorter.waves) shorten(wave.nodes);
  shorten(shorter.left_out);
  return whole(shorter);
}

std::string to_json(const Running& running) {
  return dump({{"format", kFormat},
               {"rollout", running.rollout},
               {"revision", running.revision},
               {"given", json_of(running.given)}});
}

Result<Rollout> rollout_from_json(std::string_view text) {
  return read("rollout", text, &read_rollout, kMaxRolloutBytes);
}
Result<Running> running_from_json(std::string_view text) { return read("running", text, &read_running); }

}  // namespace secbeat::fleet
