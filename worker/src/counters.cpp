#include "counters.hpp"

#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <new>
#include <utility>

namespace secbeat::worker {
namespace {

void add(control::Counter& to, const control::Counter& from) noexcept {
  to.store(to.load(std::memory_order_relaxed) + from.load(std::memory_order_relaxed), std::memory_order_relaxed);
}

void add(control::Series& to, const control::Series& from) noexcept {
  for (std::size_t i = 0; i < control::kVerdicts; ++i) add(to.verdicts[i], from.verdicts[i]);
  for (std::size_t i = 0; i < control::kErrorKinds; ++i) add(to.errors[i], from.errors[i]);
  for (std::size_t i = 0; i < control::kInspectionBuckets; ++i) add(to.buckets[i], from.buckets[i]);
  add(to.sum_ns, from.sum_ns);
}

}  // namespace

std::optional<Counters::FileId> Counters::file_at(const std::filesystem::path& path) noexcept {
  struct stat st{};
  if (::stat(path.c_str(), &st) != 0) return std::nullopt;
  return FileId{st.st_dev, st.st_ino};
}

Result<std::shared_ptr<Counters>> Counters::open(const std::filesystem::path& path, std::int32_t pid,
                                                 std::int32_t parent_pid) {
  const std::optional<FileId> file = file_at(path);
  auto scoreboard = control::Scoreboard::open(path);
  if (!scoreboard) return std::unexpected(scoreboard.error());
  const std::optional<std::uint32_t> slot = (*scoreboard)->claim(pid, parent_pid);
  if (!slot) {
    return fail(ErrorCode::kInternal, "all " + std::to_string(control::kMaxWorkers) + " slots of " + path.string() +
                                          " belong to workers that live");
  }
  std::shared_ptr<Counters> counters(new Counters);
  counters->scoreboard_ = std::move(*scoreboard);
  counters->layout_ = &counters->scoreboard_->layout();
  counters->slot_ = &counters->layout_->workers[*slot];
  counters->slot_index_ = *slot;
  counters->file_ = file;
  return counters;
}

Result<std::shared_ptr<Counters>> Counters::in_private_memory() {
  // Mapped and not allocated: of the rate limiter's table only the pages in use take memory.
  void* memory =
      ::mmap(nullptr, sizeof(control::ScoreboardLayout), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return std::unexpected(io_error("mmap of private counters"));
  std::shared_ptr<Counters> counters(new Counters);
  counters->private_memory_ = memory;
  counters->layout_ = std::launder(static_cast<control::ScoreboardLayout*>(memory));
  counters->slot_ = &counters->layout_->workers[0];
  auto& seed = counters->layout_->header.hash_seed;
  if (::getrandom(&seed, sizeof seed, 0) != static_cast<ssize_t>(sizeof seed)) {
    return std::unexpected(io_error("getrandom"));
  }
  return counters;
}

Counters::~Counters() {
  if (scoreboard_) scoreboard_->release(slot_index_);
  if (private_memory_ != nullptr) ::munmap(private_memory_, sizeof(control::ScoreboardLayout));
}

bool Counters::are_in(const std::filesystem::path& path) const noexcept {
  return file_.has_value() && file_at(path) == file_;
}

control::Series& Counters::series_for(std::uint64_t version_id, const std::vector<std::uint64_t>& keep) noexcept {
  control::Series* series = control::Scoreboard::series_for(*slot_, version_id, keep);
  return series != nullptr ? *series : slot_->others;
}

void Counters::take_over(const Counters& other, const std::vector<std::uint64_t>& keep) noexcept {
  add(slot_->requests, other.slot_->requests);
  add(slot_->events_dropped, other.slot_->events_dropped);
  add(slot_->details_dropped, other.slot_->details_dropped);
  add(slot_->bypassed, other.slot_->bypassed);
  for (const control::Series& from : other.slot_->series) {
    const std::uint64_t id = from.version_id.load(std::memory_order_relaxed);
    if (id == 0) continue;
    add(series_for(id, keep), from);
  }
  add(slot_->others, other.slot_->others);
  // A scoreboard's are everybody's, and not for each worker to bring along: the agent remembers them.
  if (other.private_memory_ != nullptr)
    control::add_rules(layout_->rules, layout_->header.hash_seed, other.layout_->rules);
}

}  // namespace secbeat::worker
