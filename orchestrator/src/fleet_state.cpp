#include "fleet_state.hpp"

#include <fmt/format.h>
#include <openssl/rand.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "secbeat/fleet/names.hpp"

namespace secbeat::orchestrator {
namespace {

template <class T>
Result<Known<T>> read_key(fleet::Connection& connection, std::string_view bucket, std::string_view key,
                          Result<T> (*reads)(std::string_view)) {
  const auto entry = connection.get(bucket, key);
  if (!entry) return std::unexpected(entry.error());
  if (!*entry) return Known<T>{};
  auto value = reads((*entry)->value);
  if (!value) return std::unexpected(value.error());
  return Known<T>{*std::move(value), (*entry)->revision};
}

}  // namespace

Result<std::vector<Known<fleet::NodeStatus>>> read_nodes(fleet::Connection& connection) {
  const auto entries = connection.list(fleet::kNodesBucket);
  if (!entries) return std::unexpected(entries.error());
  std::vector<Known<fleet::NodeStatus>> nodes;
  for (const fleet::Entry& entry : *entries) {
    auto status = fleet::node_status_from_json(entry.value);
    if (!status || status->node != entry.key) {
      spdlog::warn("fleet: what {} reports cannot be read: {}", entry.key,
                   status ? "it has another name" : status.error().message);
      continue;
    }
    nodes.push_back({*std::move(status), entry.revision});
  }
  std::ranges::sort(nodes, {}, [](const auto& node) -> const std::string& { return node.value.node; });
  return nodes;
}

Result<Known<fleet::Desired>> read_desired(fleet::Connection& connection) {
  return read_key(connection, fleet::kDesiredBucket, fleet::kDesiredKey, &fleet::desired_from_json);
}

Result<Known<fleet::Running>> read_running(fleet::Connection& connection, std::string_view module) {
  return read_key(connection, fleet::kDesiredBucket, fleet::running_key(module), &fleet::running_from_json);
}

Result<std::map<std::string, fleet::Running>> read_all_running(fleet::Connection& connection) {
  const auto entries = connection.list(fleet::kDesiredBucket);
  if (!entries) return std::unexpected(entries.error());
  std::map<std::string, fleet::Running> all;
  const std::string prefix = fleet::running_key("");
  for (const fleet::Entry& entry : *entries) {
    if (!entry.key.starts_with(prefix)) continue;
    if (auto running = fleet::running_from_json(entry.value)) all[entry.key.substr(prefix.size())] = *running;
  }
  return all;
}

Result<Known<fleet::Rollout>> read_rollout(fleet::Connection& connection, std::string_view id) {
  if (!fleet::is_key(id)) return fail(ErrorCode::kUnknownRollout, "a rollout's id is letters, digits and '-'");
  auto known = read_key(connection, fleet::kRolloutsBucket, id, &fleet::rollout_from_json);
  if (known && known->revision == 0) return fail(ErrorCode::kUnknownRollout, fmt::format("no rollout {} is kept", id));
  return known;
}

Result<std::optional<fleet::Rollout>> under_way(fleet::Connection& connection, const fleet::Running& running) {
  if (running.rollout.empty()) return std::nullopt;
  auto rollout = read_rollout(connection, running.rollout);
  if (!rollout && rollout.error().code == ErrorCode::kUnknownRollout) return std::nullopt;
  if (!rollout) return std::unexpected(rollout.error());
  if (has_ended(rollout->value.state)) return std::nullopt;
  return std::move(rollout->value);
}

std::string new_id(std::string_view prefix) {
  std::array<unsigned char, 8> random{};
  if (RAND_bytes(random.data(), random.size()) != 1) throw std::runtime_error("no random numbers");
  std::string id = fmt::format("{}-", prefix);
  for (const unsigned char byte : random) id += fmt::format("{:02x}", byte);
  return id;
}

}  // namespace secbeat::orchestrator
