#include "baselines.hpp"

namespace secbeat::agent {
namespace {

Figures at(SteadyTime now, Figures counted) {
  counted.time = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch());
  return counted;
}

}  // namespace

void Baseline::begin(SteadyTime now, const Figures& counted) {
  begun_ = at(now, counted);
  latest_ = begun_;
  steps_.assign(1, {now, begun_});
}

void Baseline::note(SteadyTime now, const Figures& counted) {
  latest_ = at(now, counted);
  if (now - steps_.back().first >= kStep) steps_.emplace_back(now, latest_);
  while (now - steps_.front().first > kWindow && steps_.size() > 1) steps_.pop_front();
}

void Baseline::end() {
  earlier_ = earlier_ + (latest_ - begun_);
  begun_ = latest_;
}

Figures Baseline::figures(std::uint64_t enough) const {
  const Figures recent = steps_.empty() ? Figures{} : latest_ - steps_.front().second;
  return recent.requests() >= enough ? recent : earlier_ + (latest_ - begun_);
}

const Baseline* Baselines::find(std::uint64_t version_id) const {
  const auto found = baselines_.find(version_id);
  return found == baselines_.end() ? nullptr : &found->second;
}

void Baselines::keep_only(const std::set<std::uint64_t>& version_ids) {
  std::erase_if(baselines_, [&](const auto& entry) { return !version_ids.contains(entry.first); });
}

}  // namespace secbeat::agent
