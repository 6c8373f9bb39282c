#include "chain_state.hpp"

#include <gtest/gtest.h>

#include <map>
#include <sstream>

namespace secbeat::agent {
namespace {

// A story of versions: "A1" loads bytes A with configuration 1 as the next version, "<2" goes back to version 2,
// "<" goes back along the line. Versions are written by their number.
class Story {
 public:
  explicit Story(std::uint32_t keep) : keep_(keep) { slot_.name = "waf"; }

  void tell(const std::string& steps) {
    std::istringstream words(steps);
    for (std::string word; words >> word;) {
      if (word == "<") {
        go(*slot_.previous_version());
      } else if (word.front() == '<') {
        go(*slot_.find(std::stoull(word.substr(1))));
      } else {
        control::Version version;
        version.id = ++last_;
        version.sha256 = word.substr(0, 1);
        version.config_sha256 = word.substr(1);
        previous_[version.id] = slot_.current;
        go(version);
      }
    }
  }

  // "current previous | loaded versions, the one in force last first"
  [[nodiscard]] std::string state() const {
    std::ostringstream text;
    text << slot_.current << " " << slot_.previous << " |";
    for (const control::Version& version : slot_.versions) text << " " << version.id;
    return text.str();
  }

 private:
  void go(const control::Version& version) {
    slot_ = with_current(slot_, version, [this](std::uint64_t id) { return previous_[id]; }, keep_);
  }

  std::uint32_t keep_;
  control::Slot slot_;
  std::map<std::uint64_t, std::uint64_t> previous_;
  std::uint64_t last_ = 0;
};

struct Case {
  const char* what;
  std::uint32_t keep;
  const char* steps;
  const char* state;
};

const Case kCases[] = {
    {"the first version has none before it", 2, "A1", "1 0 | 1"},
    {"the second has the first before it", 2, "A1 B1", "2 1 | 2 1"},
    {"two previous ones stay", 2, "A1 B1 C1 D1", "4 3 | 4 3 2"},
    {"a rollback goes back one", 2, "A1 B1 C1 <", "2 1 | 2 3 1"},
    {"the next rollback goes back one more", 2, "A1 B1 C1 < <", "1 0 | 1 2 3"},
    {"a new version after a rollback has the one that served before it", 2, "A1 B1 C1 < D1", "4 2 | 4 2 3"},
    {"from there the line goes back past what was rolled back", 3, "A1 B1 C1 < D1 <", "2 1 | 2 4 3 1"},
    {"the version that was left stays reachable by its label", 2, "A1 B1 C1 < <3", "3 2 | 3 2 1"},
    {"a jump has the version of its own line before it", 3, "A1 B1 C1 < < <3", "3 2 | 3 1 2"},
    {"configurations do not push out the module before", 2, "A1 B1 B2 B3 B4 B5", "6 5 | 6 5 4 1"},
    {"modules do not push out the configuration before", 2, "A1 A2 A3 B3 C3 D3", "6 5 | 6 5 4 2 1"},
    {"the line goes on where the versions between have left", 2, "A1 B1 B2 B3 B4 B5 < <", "4 1 | 4 5 6 1"},
    {"modules do not count twice", 1, "A1 B1 B2 C1", "4 3 | 4 3"},
    {"the newest version of an older module stays", 1, "A1 A2 B1 B2", "4 3 | 4 3 2"},
    {"one is kept", 1, "A1 B1 C1", "3 2 | 3 2"},
    {"one is kept after a rollback", 1, "A1 B1 C1 <", "2 0 | 2 3"},
    {"none is kept", 0, "A1 B1 C1", "3 0 | 3"},
    {"the same content again is another version", 2, "A1 B1 A1", "3 2 | 3 2 1"},
};

TEST(ChainState, VersionsFormALineAndAWindow) {
  for (const Case& given : kCases) {
    Story story(given.keep);
    story.tell(given.steps);
    EXPECT_EQ(story.state(), given.state) << given.what;
  }
}

TEST(ChainState, ALoopInADamagedLineEndsWithoutAPreviousVersion) {
  const control::Slot slot;
  control::Version version;
  version.id = 1;
  EXPECT_EQ(with_current(slot, version, [](std::uint64_t) { return 1; }, 2).previous, 0U);
}

TEST(ChainState, ANewModuleStandsAtTheEndAndAKnownOneKeepsItsPlace) {
  control::InForce document;
  for (const char* name : {"a", "b", "a"}) {
    control::Slot slot;
    slot.name = name;
    slot.current = document.slots.size() + 1;
    document = with_slot(document, slot);
  }
  ASSERT_EQ(document.slots.size(), 2U);
  EXPECT_EQ(document.slots[0].name, "a");
  EXPECT_EQ(document.slots[0].current, 3U);
}

TEST(ChainState, SettingsComeFromTheFileAndPoliciesByTheModulesName) {
  Config config;
  config.max_body_bytes = 7;
  config.rate_limit_burst = 9;
  config.limits.memory_bytes = 1 << 20;
  config.modules.resize(2);
  config.on_error = control::OnError::kOpen;
  config.modules[1].on_error = control::OnError::kClosed;
  config.modules[1].isolation = engine::Isolation::kRequest;
  control::InForce document;
  for (const char* name : {"added", "second"}) document = with_slot(document, empty_slot(name, Config{}, {}));
  document = with_settings(document, config, {"first", "second"});
  EXPECT_EQ(document.max_body_bytes, 7U);
  EXPECT_EQ(document.rate_limit_burst, 9U);
  EXPECT_EQ(document.slots[0].limits.memory_bytes, std::size_t{1} << 20U);
  EXPECT_EQ(document.slots[0].on_error, control::OnError::kOpen) << "a module that came over the API";
  EXPECT_EQ(document.slots[0].isolation, engine::Isolation::kInstance);
  EXPECT_EQ(document.slots[1].on_error, control::OnError::kClosed);
  EXPECT_EQ(document.slots[1].isolation, engine::Isolation::kRequest);
}

}  // namespace
}  // namespace secbeat::agent
