// Where versions are counted when there are more of them than series.
#include "counters.hpp"

#include <gtest/gtest.h>

#include <numeric>

namespace secbeat::worker {
namespace {

constexpr std::uint64_t kTooMany = 5;

std::vector<std::uint64_t> ids_up_to(std::uint64_t last) {
  std::vector<std::uint64_t> ids(last);
  std::iota(ids.begin(), ids.end(), std::uint64_t{1});
  return ids;
}

void count_one(control::Series& series) {
  series.verdicts[0] += 1;
  series.errors[1] += 1;
  series.buckets[2] += 1;
  series.sum_ns += 10;
}

std::uint64_t allowed(const Counters& counters) {
  std::uint64_t sum = counters.slot().others.verdicts[0];
  for (const control::Series& series : counters.slot().series) sum += series.verdicts[0];
  return sum;
}

class CountersTest : public ::testing::Test {
 protected:
  std::shared_ptr<Counters> counters_ = Counters::in_private_memory().value();
  const std::vector<std::uint64_t> all_ = ids_up_to(control::kMaxSeries + kTooMany);
};

TEST_F(CountersTest, VersionsBeyondTheSeriesAreCountedTogetherAndNoneIsLost) {
  for (int round = 0; round < 2; ++round) {
    for (const std::uint64_t id : all_) count_one(counters_->series_for(id, all_));
  }
  EXPECT_EQ(allowed(*counters_), 2 * all_.size());
  EXPECT_EQ(counters_->slot().others.verdicts[0], 2 * kTooMany);
  EXPECT_EQ(counters_->series_for(1, all_).verdicts[0], 2U) << "those that have a series keep it";
  EXPECT_EQ(counters_->slot().others.version_id, 0U);
}

TEST_F(CountersTest, AVersionThatFindsASeriesLaterIsNotCountedTwice) {
  for (const std::uint64_t id : all_) count_one(counters_->series_for(id, all_));
  std::vector<std::uint64_t> fewer = all_;
  fewer.erase(fewer.begin());  // version 1 is not loaded any more
  control::Series& found = counters_->series_for(all_.back(), fewer);
  EXPECT_EQ(found.version_id, all_.back());
  EXPECT_EQ(found.verdicts[0], 0U);
  count_one(found);
  EXPECT_EQ(counters_->slot().others.verdicts[0], kTooMany) << "what was counted together stays there";
  EXPECT_EQ(allowed(*counters_), all_.size()) << "one more, and the one of the version that has left is gone";
}

TEST_F(CountersTest, ACountThatMovesToAnotherPlaceMovesWhole) {
  for (const std::uint64_t id : all_) count_one(counters_->series_for(id, all_));
  counters_->slot().requests = 7;
  const auto next = Counters::in_private_memory().value();
  count_one(next->series_for(all_.back(), all_));
  next->take_over(*counters_, all_);
  EXPECT_EQ(allowed(*next), all_.size() + 1);
  EXPECT_EQ(next->slot().requests, 7U);
  EXPECT_EQ(next->series_for(1, all_).sum_ns, 10U);
}

}  // namespace
}  // namespace secbeat::worker
