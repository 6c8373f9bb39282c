// What the next agent has to know of the watches of this one: data_dir/watches.json.
//
// That a version is to be watched, and for how long, stands in the in-force document already (loaded_at). Here stands
// what does not: which watches an operator has ended, and the baseline that a running one compares with. A file that is
// lost or damaged costs no more than that.
//
// Thread safety: free functions and value types.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "figures.hpp"
#include "secbeat/base/error.hpp"

namespace secbeat::agent {

struct WatchNote {
  std::uint64_t version_id = 0;
  WatchState state = WatchState::kRunning;
  std::optional<Figures> baseline;

  bool operator==(const WatchNote&) const = default;
};
using WatchNotes = std::map<std::string, WatchNote, std::less<>>;  // by module, the last one

std::string to_json(const WatchNotes& notes);
// Empty for anything that is not such a text.
std::optional<WatchNotes> watch_notes_from_json(std::string_view text);

// Where the file is there and cannot be read as notes, the log tells and none are taken.
WatchNotes read_watch_notes(const std::filesystem::path& file);
// Without waiting for the disk.
Result<void> write_watch_notes(const std::filesystem::path& file, const WatchNotes& notes);

}  // namespace secbeat::agent
