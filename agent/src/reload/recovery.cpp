#include "recovery.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>
#include <vector>

namespace secbeat::agent {
namespace fs = std::filesystem;
namespace {

constexpr int kMaxSetAside = 1000;
constexpr std::array<std::string_view, 2> kOfDatabase = {"-wal", "-shm"};

fs::path with_suffix(fs::path file, std::string_view suffix) { return file += suffix; }

control::Version version_of(const VersionRow& row) {
  return {.id = row.id,
          .label = row.label,
          .sha256 = row.sha256,
          .config_sha256 = row.config_sha256,
          .artifact_sha256 = row.artifact_sha256,
          .size_bytes = row.size_bytes,
          .loaded_at = row.created_at};
}

// The versions that `current` replaced, one after the other, as far as their bytes are there.
std::vector<control::Version> line_before(const Ledger& ledger, const VersionStore& store, const VersionRow& current,
                                          std::uint32_t keep) {
  std::vector<control::Version> before;
  std::uint64_t id = current.previous_id;
  while (id != 0 && before.size() < keep) {
    const auto row = ledger.version(id);
    if (!row || row->id >= current.id || !store.has_module(row->sha256)) break;
    before.push_back(version_of(*row));
    id = row->previous_id < id ? row->previous_id : 0;
  }
  return before;
}

}  // namespace

Result<fs::path> set_aside(const fs::path& file) {
  std::error_code error;
  for (int number = 1; number <= kMaxSetAside; ++number) {
    const fs::path place = with_suffix(file, fmt::format(".unusable-{}", number));
    if (fs::exists(place, error)) continue;
    fs::rename(file, place, error);
    if (error) break;
    for (const std::string_view suffix : kOfDatabase) {
      std::error_code none;  // most files have none of them
      fs::rename(with_suffix(file, suffix), with_suffix(place, suffix), none);
    }
    return place;
  }
  return fail(ErrorCode::kIo, fmt::format("{} cannot be used and cannot be moved aside{}; move it by hand and start "
                                          "again",
                                          file.string(), error ? ": " + error.message() : std::string()));
}

Result<UsableLedger> open_usable_ledger(const fs::path& file) {
  auto ledger = Ledger::open(file);
  if (ledger) return UsableLedger{*std::move(ledger), {}};
  const Error problem = ledger.error();
  if (problem.code == ErrorCode::kConfig) {
    auto place = set_aside(file);
    if (!place) return std::unexpected(place.error());
    ledger = Ledger::open(file);
    if (ledger) {
      return UsableLedger{*std::move(ledger), fmt::format("{}; it is kept as {}, and the history starts anew",
                                                          problem.message, place->filename().string())};
    }
  }
  auto in_memory = Ledger::open_in_memory(
      fmt::format("{}, so that nothing can be recorded and nothing is changed: give the node's data directory space "
                  "and write permission, then restart the agent (the site is served meanwhile)",
                  ledger.error().message));
  if (!in_memory) return std::unexpected(in_memory.error());
  return UsableLedger{*std::move(in_memory),
                      fmt::format("{}; what is in force is served, and changes are refused until the agent is started "
                                  "again with a disk that it can write to",
                                  ledger.error().message)};
}

Result<control::InForce> document_of_ledger(const Ledger& ledger, const VersionStore& store, std::uint32_t keep) {
  control::InForce document;
  const auto rows = ledger.last_in_force();
  if (!rows) return std::unexpected(rows.error());
  for (const VersionRow& row : *rows) {
    control::Slot slot;
    slot.name = row.name;
    slot.versions = line_before(ledger, store, row, keep);
    document.slots.push_back(
        with_current(std::move(slot), version_of(row), [&](std::uint64_t id) { return ledger.previous_id(id); }, keep));
    document.generation = std::max(document.generation, row.generation);
  }
  return document;
}

}  // namespace secbeat::agent
