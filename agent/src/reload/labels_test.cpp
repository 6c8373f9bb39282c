#include "labels.hpp"

#include <gtest/gtest.h>

namespace secbeat::agent {
namespace {

struct LabelCase {
  const char* what;
  LabelFamilies families;
  std::optional<std::string> embedded;
  const char* sha256;
  const char* label;
  bool warns;
};

const LabelCase kLabelCases[] = {
    {"the first without an embedded version", {}, std::nullopt, "a", "v1", false},
    {"counting goes on", {{"", {4, "x"}}}, std::nullopt, "a", "v5", false},
    {"an embedded version as embedded", {}, "1.4.2", "a", "1.4.2", false},
    {"a leading v is kept", {}, "v1.4.2", "a", "v1.4.2", false},
    {"another configuration of the same bytes", {{"1.4.2", {1, "a"}}}, "1.4.2", "a", "1.4.2+2", false},
    {"other bytes of the same version", {{"1.4.2", {1, "a"}}}, "1.4.2", "b", "1.4.2+2", true},
    {"numbers of a family never come again", {{"1.4.2", {7, "a"}}}, "1.4.2", "a", "1.4.2+8", false},
    {"build metadata gets one identifier more", {{"1.0.0+rc", {1, "a"}}}, "1.0.0+rc", "a", "1.0.0+rc.2", false},
    {"a counted label that a module has embedded", {{"", {1, "x"}}, {"v2", {1, "y"}}}, std::nullopt, "a", "v3", false},
    {"an embedded label that was counted", {{"", {3, "x"}}}, "v2", "a", "v2+2", true},
    {"an embedded label that another family has given", {{"1.4.2", {3, "x"}}}, "1.4.2+3", "a", "1.4.2+3.2", true},
    {"an embedded label that no family has given yet", {{"1.4.2", {2, "x"}}}, "1.4.2+3", "a", "1.4.2+3", false},
};

TEST(Labels, AreEmbeddedOnesOrCountedAndNeverComeTwice) {
  for (const LabelCase& given : kLabelCases) {
    const NewLabel next = next_label(given.families, given.embedded, given.sha256);
    EXPECT_EQ(next.label, given.label) << given.what;
    EXPECT_EQ(!next.warning.empty(), given.warns) << given.what << ": " << next.warning;
    EXPECT_FALSE(label_used(given.families, next.label)) << given.what;
  }
}

TEST(Labels, TheNextOneDiffersFromEveryOneBeforeWhateverIsEmbedded) {
  LabelFamilies families;
  std::map<std::string, int> seen;
  const std::optional<std::string> embedded[] = {std::nullopt, "v2", "v3", "1.0.0", "1.0.0+2", "v2+2", "1.0.0+2.2"};
  for (int i = 0; i < 200; ++i) {
    const NewLabel next = next_label(families, embedded[static_cast<std::size_t>(i * 5) % std::size(embedded)], "a");
    EXPECT_EQ(++seen[next.label], 1) << next.label;
    families[next.family] = {next.number, "a"};
    EXPECT_TRUE(label_used(families, next.label));
  }
}

TEST(Labels, GivesTheLabelThatAFleetWantsOnce) {
  const LabelFamilies families{{"", {4, "x"}}, {"1.4.2", {2, "y"}}};
  EXPECT_FALSE(wanted_label(families, "v4"));
  EXPECT_FALSE(wanted_label(families, "1.4.2"));
  EXPECT_FALSE(wanted_label(families, "1.4.2+2"));
  EXPECT_FALSE(wanted_label(families, ""));
  const auto counted = wanted_label(families, "v9");
  ASSERT_TRUE(counted);
  EXPECT_EQ(counted->family, kCountedFamily);
  EXPECT_EQ(counted->number, 9);
  const auto other = wanted_label(families, "1.4.2+3");
  ASSERT_TRUE(other);
  LabelFamilies later = families;
  later[other->family] = {other->number, "z"};
  EXPECT_EQ(next_label(later, "1.4.2", "z").label, "1.4.2+4");
}

}  // namespace
}  // namespace secbeat::agent
