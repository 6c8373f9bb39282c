#include "watch_notes.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

using Json = nlohmann::json;

constexpr int kFormat = 1;
constexpr std::size_t kMaxFileBytes = std::size_t{256} * 1024;     // each of 16 modules needs less than 1 KiB
constexpr std::uint64_t kLongestTimeMs = std::uint64_t{1} << 53U;  // of a baseline; sums of two stay numbers
constexpr std::array kStates = {WatchState::kRunning, WatchState::kPassed, WatchState::kEnded, WatchState::kSuperseded,
                                WatchState::kRolledBack};

template <std::size_t N>
bool read(const Json& from, const char* key, std::array<std::uint64_t, N>& to) {
  const auto list = from.find(key);
  if (list == from.end() || !list->is_array() || list->size() != N) return false;
  for (std::size_t i = 0; i < N; ++i) {
    if (!(*list)[i].is_number_unsigned()) return false;
    to[i] = (*list)[i].get<std::uint64_t>();
  }
  return true;
}

std::optional<WatchNote> note_of(const Json& json) {
  if (!json.is_object()) return std::nullopt;
  const auto id = json.find("version_id");
  const auto state = json.find("state");
  if (id == json.end() || !id->is_number_unsigned() || state == json.end() || !state->is_string()) return std::nullopt;
  const auto known = std::ranges::find(kStates, state->get<std::string>(), [](WatchState s) { return word_of(s); });
  if (known == kStates.end()) return std::nullopt;
  WatchNote note{.version_id = id->get<std::uint64_t>(), .state = *known, .baseline = std::nullopt};
  if (const auto baseline = json.find("baseline"); baseline != json.end() && baseline->is_object()) {
    Figures& figures = note.baseline.emplace();
    if (!read(*baseline, "verdicts", figures.verdicts) || !read(*baseline, "errors", figures.errors) ||
        !read(*baseline, "buckets", figures.buckets)) {
      return std::nullopt;
    }
    const auto time = baseline->find("time_ms");
    if (time == baseline->end() || !time->is_number_unsigned() || *time > kLongestTimeMs) return std::nullopt;
    figures.time = std::chrono::milliseconds(time->get<std::int64_t>());
  }
  return note;
}

}  // namespace

std::string to_json(const WatchNotes& notes) {
  Json modules = Json::object();
  for (const auto& [name, note] : notes) {
    Json& module = modules[name];
    module = {{"version_id", note.version_id}, {"state", word_of(note.state)}};
    if (!note.baseline) continue;
    module["baseline"] = {{"verdicts", note.baseline->verdicts},
                          {"errors", note.baseline->errors},
                          {"buckets", note.baseline->buckets},
                          {"time_ms", note.baseline->time.count()}};
  }
  return Json{{"format", kFormat}, {"modules", std::move(modules)}}.dump() + "\n";
}

std::optional<WatchNotes> watch_notes_from_json(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || json.value("format", Json()) != kFormat) return std::nullopt;
  const auto modules = json.find("modules");
  if (modules == json.end() || !modules->is_object()) return std::nullopt;
  WatchNotes notes;
  for (const auto& [name, module] : modules->items()) {
    auto note = note_of(module);
    if (!note) return std::nullopt;
    notes.emplace(name, *std::move(note));
  }
  return notes;
}

WatchNotes read_watch_notes(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return {};
  const auto text = read_file(file, kMaxFileBytes);
  auto notes = text ? watch_notes_from_json(*text) : std::nullopt;
  if (!notes) {
    spdlog::warn("{} cannot be used ({}): a watch that an operator had ended may begin again", file.string(),
                 text ? "it is damaged" : text.error().message);
  }
  return notes.value_or(WatchNotes{});
}

Result<void> write_watch_notes(const std::filesystem::path& file, const WatchNotes& notes) {
  return write_file_unsynced(file, to_json(notes), 0600);
}

}  // namespace secbeat::agent
