// Where a worker counts: its slot of the scoreboard, or memory of its own where there is no scoreboard.
//
// A chain refers to the counters that it was built with, so that counting moves to another place (a scoreboard
// that appears or is replaced while the worker runs) by the same swap that changes a version.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "secbeat/base/error.hpp"
#include "secbeat/control/scoreboard.hpp"

namespace secbeat::worker {

// Thread safety: the mapping is constant; a slot's numbers are written by the event loop. series_for() and
// take_over() are called by one thread at a time, for numbers that the loop does not write.
class Counters {
 public:
  // Claims a slot. kIo where there is no scoreboard, kProtocol for one of another layout, kInternal: all slots taken.
  static Result<std::shared_ptr<Counters>> open(const std::filesystem::path& path, std::int32_t pid,
                                                std::int32_t parent_pid);
  static Result<std::shared_ptr<Counters>> in_private_memory();
  ~Counters();
  Counters(const Counters&) = delete;
  Counters& operator=(const Counters&) = delete;

  [[nodiscard]] control::ScoreboardLayout& layout() const noexcept { return *layout_; }
  [[nodiscard]] control::WorkerSlot& slot() const noexcept { return *slot_; }
  // Of the scoreboard; kNoSlot for private memory.
  [[nodiscard]] std::uint32_t slot_index() const noexcept { return slot_index_; }
  static constexpr std::uint32_t kNoSlot = UINT32_MAX;

  // Whether these counters are in the file that has this path now.
  [[nodiscard]] bool are_in(const std::filesystem::path& path) const noexcept;

  // Where a version is counted. Versions in `keep` keep their numbers; where there are more than the scoreboard
  // has series, those that come last are counted together, in the slot's `others`. Nothing is counted twice or lost: a
  // version that finds a series later begins there at 0.
  control::Series& series_for(std::uint64_t version_id, const std::vector<std::uint64_t>& keep) noexcept;

  // Adds what `other` has counted, so that sums go on when counting moves here.
  void take_over(const Counters& other, const std::vector<std::uint64_t>& keep) noexcept;

 private:
  struct FileId {
    dev_t device = 0;
    ino_t inode = 0;
    bool operator==(const FileId&) const = default;
  };
  static std::optional<FileId> file_at(const std::filesystem::path& path) noexcept;

  Counters() = default;

  std::unique_ptr<control::Scoreboard> scoreboard_;
  void* private_memory_ = nullptr;
  control::ScoreboardLayout* layout_ = nullptr;
  control::WorkerSlot* slot_ = nullptr;
  std::uint32_t slot_index_ = kNoSlot;
  std::optional<FileId> file_;
};

}  // namespace secbeat::worker
