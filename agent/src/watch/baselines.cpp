#include "baselines.hpp"

namespace secbeat::agent {

void Baseline::begin(SteadyTime now, const Figures& counted) {
  begun_ = counted;
  latest_ = counted;
  steps_.assign(1, {now, counted});
}

void Baseline::note(SteadyTime now, const Figures& counted) {
  latest_ = counted;
  if (now - steps_.back().first >= kStep) steps_.emplace_back(now, counted);
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
