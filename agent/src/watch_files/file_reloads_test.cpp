// What counts as a change, and what is done about it; time is the test's.
#include "file_reloads.hpp"

#include <gmock/gmock.h>
#include <spdlog/spdlog.h>

#include "files_test_support.hpp"
#include "secbeat/agent/signature.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::wasm;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

class FileReloadsTest : public testing::FilesTest {
 protected:
  void SetUp() override {
    spdlog::set_level(spdlog::level::off);
    name_module();
  }
  void watch() { reloads_.emplace(config_, clock_); }
  std::optional<SteadyTime> look() {
    return reloads_->look(reloader_, [this](const fs::path&) { return writer_; });
  }
  // Until nothing is to be waited for but a retry.
  void settle() {
    look();
    clock_.advance(300ms);
    look();
  }
  void wait_for_broken() {
    settle();
    clock_.advance(5000ms);
    look();
  }
  [[nodiscard]] std::vector<std::string> reasons() const {
    std::vector<std::string> reasons;
    for (const Upload& upload : reloader_.uploads()) reasons.push_back(upload.reason);
    return reasons;
  }

  testing::ManualClock clock_;
  Writer writer_ = Writer::kNone;
  std::optional<FileReloads> reloads_;
};

TEST_F(FileReloadsTest, WhatWasThereAtTheStartIsNoChange) {
  watch();
  settle();
  EXPECT_THAT(reloader_.uploads(), IsEmpty());
}

TEST_F(FileReloadsTest, AReplacedModuleIsReloadedWhenItHasSettled) {
  watch();
  replace("waf.wasm", wasm("second"));
  EXPECT_EQ(look(), clock_.steady() + 300ms);
  EXPECT_THAT(reloader_.uploads(), IsEmpty());
  clock_.advance(300ms);
  EXPECT_EQ(look(), std::nullopt);
  ASSERT_THAT(reloader_.uploads(), SizeIs(1));
  const Upload upload = reloader_.uploads()[0];
  EXPECT_EQ(upload.kind, UploadKind::kFileChange);
  EXPECT_EQ(upload.name, "waf");
  EXPECT_EQ(upload.file, wasm("second"));
  EXPECT_EQ(upload.config, std::nullopt) << "the configuration in force is kept";
  EXPECT_EQ(upload.origin.by, "file");
  EXPECT_EQ(upload.reason, "File changed: waf.wasm");
  settle();
  EXPECT_THAT(reloader_.uploads(), SizeIs(1));
}

TEST_F(FileReloadsTest, AConfigurationAloneIsAChangeOfTheConfigurationAlone) {
  watch();
  write_in_place("waf-config.json", R"({"rules":[]})");
  settle();
  ASSERT_THAT(reloader_.uploads(), SizeIs(1));
  EXPECT_EQ(reloader_.uploads()[0].file, std::nullopt);
  EXPECT_EQ(reloader_.uploads()[0].config, R"({"rules":[]})");
}

TEST_F(FileReloadsTest, ChangesCloseTogetherAreOneReload) {
  watch();
  replace("waf.wasm", wasm("second"));
  look();
  clock_.advance(200ms);
  replace("waf-config.json", "[1]");
  look();
  clock_.advance(200ms);
  look();
  EXPECT_THAT(reloader_.uploads(), IsEmpty()) << "the configuration has not settled";
  replace("waf.wasm", wasm("third"));
  settle();
  ASSERT_THAT(reasons(), ElementsAre("File changed: waf.wasm, waf-config.json"));
  EXPECT_EQ(reloader_.uploads()[0].file, wasm("third"));
  EXPECT_EQ(reloader_.uploads()[0].config, "[1]");
}

TEST_F(FileReloadsTest, TheSameContentUnderANewNameIsNoChange) {
  watch();
  replace("waf.wasm", wasm("first"));
  settle();
  fs::remove(folder_ / "waf.wasm");
  settle();
  write_in_place("waf.wasm", wasm("first"));
  settle();
  EXPECT_THAT(reloader_.uploads(), IsEmpty());
}

TEST_F(FileReloadsTest, AHalfWrittenFileIsNoAttempt) {
  watch();
  const std::string whole = wasm("the second one");
  write_in_place("waf.wasm", whole.substr(0, whole.size() - 3));
  write_in_place("waf-config.json", R"({"rules":[)");
  settle();
  clock_.advance(4000ms);
  look();
  EXPECT_THAT(reloader_.uploads(), IsEmpty());
  write_in_place("waf.wasm", whole);
  write_in_place("waf-config.json", R"({"rules":[1]})");
  settle();
  ASSERT_THAT(reloader_.uploads(), SizeIs(1));
  EXPECT_EQ(reloader_.uploads()[0].file, whole);
}

TEST_F(FileReloadsTest, WhatSomebodyIsWritingToIsWaitedForLonger) {
  watch();
  writer_ = Writer::kAtWork;
  write_in_place("waf.wasm", wasm("second"));
  EXPECT_EQ(look(), clock_.steady() + 5s);
  settle();
  EXPECT_THAT(reloader_.uploads(), IsEmpty());
  writer_ = Writer::kNone;
  look();
  EXPECT_THAT(reloader_.uploads(), SizeIs(1));
}

TEST_F(FileReloadsTest, AWriterThatNeverClosesIsNotWaitedForWithoutEnd) {
  watch();
  writer_ = Writer::kAtWork;
  write_in_place("waf.wasm", wasm("second"));
  wait_for_broken();
  EXPECT_THAT(reloader_.uploads(), SizeIs(1));
}

TEST_F(FileReloadsTest, AFileThatStaysBrokenIsToldOnceForEachContent) {
  reloader_.answer = [](const Upload&) { return std::unexpected(testing::failure(ErrorCode::kInvalidWasm)); };
  watch();
  write_in_place("waf.wasm", "broken");
  wait_for_broken();
  ASSERT_THAT(reloader_.uploads(), SizeIs(1));
  EXPECT_EQ(reloader_.uploads()[0].file, "broken");
  wait_for_broken();
  replace("waf.wasm", "broken");  // the same again
  wait_for_broken();
  EXPECT_THAT(reloader_.uploads(), SizeIs(1));
  write_in_place("waf.wasm", "broken otherwise");
  wait_for_broken();
  EXPECT_THAT(reloader_.uploads(), SizeIs(2));
}

TEST_F(FileReloadsTest, AMalformedConfigurationFailsAsOverTheApi) {
  watch();
  write_in_place("waf-config.json", "{\"rules\":");
  wait_for_broken();
  wait_for_broken();
  ASSERT_THAT(reloader_.uploads(), SizeIs(1));
  EXPECT_EQ(reloader_.uploads()[0].problem->code, ErrorCode::kBadConfigJson);
  EXPECT_THAT(reloader_.uploads()[0].problem->message, HasSubstr("at byte 10"));
}

TEST_F(FileReloadsTest, AConfigurationWhoseNumberNobodyHoldsIsMalformed) {
  watch();
  write_in_place("waf-config.json", "{\"limit\":1e999}");
  wait_for_broken();
  wait_for_broken();
  ASSERT_THAT(reloader_.uploads(), SizeIs(1));
  EXPECT_EQ(reloader_.uploads()[0].problem->code, ErrorCode::kBadConfigJson);
  EXPECT_THAT(reloader_.uploads()[0].problem->message, HasSubstr("a number is out of range"));
}

TEST_F(FileReloadsTest, AModuleThatIsTooLargeFailsWithItsSize) {
  config_.max_module_bytes = 1024;
  watch();
  write_in_place("waf.wasm", std::string(2000, 'x'));
  wait_for_broken();
  wait_for_broken();
  ASSERT_THAT(reloader_.uploads(), SizeIs(1));
  EXPECT_EQ(reloader_.uploads()[0].problem->code, ErrorCode::kTooLarge);
  EXPECT_EQ(reloader_.uploads()[0].problem->message, "The module has 2000 bytes; the limit is 1024 bytes");
}

TEST_F(FileReloadsTest, AFileThatVanishesOrIsEmptyChangesNothing) {
  watch();
  fs::remove(folder_ / "waf.wasm");
  write_in_place("waf-config.json", "");
  wait_for_broken();
  EXPECT_THAT(reloader_.uploads(), IsEmpty());
  write_in_place("waf.wasm", wasm("second"));
  settle();
  ASSERT_THAT(reasons(), ElementsAre("File changed: waf.wasm")) << "the empty file does not stand in its way";
}

TEST_F(FileReloadsTest, AFolderThatIsRemovedAndMadeAgainIsFollowed) {
  fs::create_directories(folder_ / "rules");
  write_in_place("rules/waf.wasm", wasm("first"));
  config_.modules[0].module = folder_ / "rules" / "waf.wasm";
  watch();
  fs::remove_all(folder_ / "rules");
  settle();
  fs::create_directories(folder_ / "rules");
  settle();
  EXPECT_THAT(reloader_.uploads(), IsEmpty());
  write_in_place("rules/waf.wasm", wasm("second"));
  settle();
  EXPECT_THAT(reloader_.uploads(), SizeIs(1));
}

TEST_F(FileReloadsTest, ALinkThatIsSwappedIsAChange) {
  fs::create_directories(folder_ / "..2025_1");
  fs::create_directories(folder_ / "..2025_2");
  write_in_place("..2025_1/rules.wasm", wasm("first"));
  write_in_place("..2025_2/rules.wasm", wasm("second"));
  fs::create_directory_symlink("..2025_1", folder_ / "..data");
  fs::create_symlink("..data/rules.wasm", folder_ / "rules.wasm");
  config_.modules[0].module = folder_ / "rules.wasm";
  watch();
  fs::create_directory_symlink("..2025_2", folder_ / "..data_tmp");
  fs::rename(folder_ / "..data_tmp", folder_ / "..data");
  settle();
  ASSERT_THAT(reloader_.uploads(), SizeIs(1));
  EXPECT_EQ(reloader_.uploads()[0].file, wasm("second"));
}

TEST_F(FileReloadsTest, AModuleOfAnotherNameIsRefusedUnlessTheConfigurationNamesIt) {
  watch();
  write_in_place("waf.wasm", wasm("second", "other"));
  settle();
  ASSERT_THAT(reloader_.uploads(), SizeIs(1));
  EXPECT_THAT(reloader_.uploads()[0].problem->message, HasSubstr("embeds the name other and stands for waf"));
  config_.modules[0].name = "waf";
  watch();
  write_in_place("waf.wasm", wasm("third", "other"));
  settle();
  ASSERT_THAT(reloader_.uploads(), SizeIs(2));
  EXPECT_FALSE(reloader_.uploads()[1].problem);
}

TEST_F(FileReloadsTest, ADefaultConfigurationThatNobodyAskedForIsLeftAlone) {
  config_.modules[0].config_is_explicit = false;
  reloader_.document.slots.push_back({.name = "waf", .limits = {}, .current = 1, .versions = {}});
  reloader_.document.slots[0].versions.push_back(
      {.id = 1, .label = "v1", .sha256 = "a", .config_sha256 = {}, .artifact_sha256 = {}, .loaded_at = {}});
  reloader_.serving_bytes = wasm("first");
  watch();
  write_in_place("waf-config.json", "[]");
  settle();
  EXPECT_THAT(reloader_.uploads(), IsEmpty());
}

TEST_F(FileReloadsTest, AReasonThatPassesByItselfIsTriedAgain) {
  reloader_.answer = [](const Upload&) { return std::unexpected(testing::failure(ErrorCode::kNoWorker)); };
  watch();
  replace("waf.wasm", wasm("second"));
  settle();
  EXPECT_EQ(look(), clock_.steady() + 5s);
  EXPECT_THAT(reloader_.uploads(), SizeIs(1));
  clock_.advance(5s);
  EXPECT_EQ(look(), clock_.steady() + 10s) << "less and less often";
  reloader_.answer = nullptr;
  replace("waf.wasm", wasm("third"));
  settle();
  ASSERT_THAT(reloader_.uploads(), SizeIs(3)) << "another content does not wait";
  EXPECT_EQ(reloader_.uploads()[2].file, wasm("third"));
  clock_.advance(300s);
  look();
  EXPECT_THAT(reloader_.uploads(), SizeIs(3));
}

TEST_F(FileReloadsTest, WhatARollbackHasCancelledIsNotTriedAgain) {
  reloader_.answer = [](const Upload&) { return std::unexpected(testing::failure(ErrorCode::kCancelled)); };
  watch();
  replace("waf.wasm", wasm("second"));
  settle();
  clock_.advance(300s);
  settle();
  EXPECT_THAT(reloader_.uploads(), SizeIs(1));
}

TEST_F(FileReloadsTest, TheSignatureBesideAFileGoesWithIt) {
  watch();
  write_in_place("waf.wasm.sig", "signature");
  settle();
  EXPECT_THAT(reloader_.uploads(), IsEmpty()) << "it is of the module that serves already";
  replace("waf.wasm", wasm("second"));
  settle();
  ASSERT_THAT(reloader_.uploads(), SizeIs(1));
  EXPECT_EQ(reloader_.uploads()[0].signature, "signature");
}

// A signature that names these bytes; by whom is not looked at here.
std::string signature_text(std::string_view bytes) {
  return to_text(Signature{.module = "waf",
                           .sha256 = sha256_hex(bytes),
                           .signed_at = "2025-11-24T01:00:03Z",
                           .key_id = std::string(16, 'a')});
}

TEST_F(FileReloadsTest, WhereOneIsRequiredTheSignatureIsWaitedForAWhile) {
  config_.require_signature = true;
  watch();
  replace("waf.wasm", wasm("second"));
  settle();
  EXPECT_THAT(reloader_.uploads(), IsEmpty()) << "it is on its way";
  write_in_place("waf.wasm.sig", signature_text(wasm("second")));
  look();
  ASSERT_THAT(reloader_.uploads(), SizeIs(1));
  EXPECT_EQ(reloader_.uploads()[0].signature, signature_text(wasm("second")));
}

TEST_F(FileReloadsTest, ASignatureThatComesLateIsTakenUp) {
  config_.require_signature = true;
  reloader_.answer = [](const Upload& upload) -> Outcome<ReloadResult> {
    if (!upload.signature) return std::unexpected(testing::failure(ErrorCode::kSignatureRequired));
    return ReloadResult{};
  };
  watch();
  replace("waf.wasm", wasm("second"));
  wait_for_broken();
  ASSERT_THAT(reloader_.uploads(), SizeIs(1));
  EXPECT_EQ(reloader_.uploads()[0].signature, std::nullopt);
  settle();
  EXPECT_THAT(reloader_.uploads(), SizeIs(1)) << "told once";
  write_in_place("waf.wasm.sig", signature_text(wasm("second")));
  settle();
  ASSERT_THAT(reloader_.uploads(), SizeIs(2));
  EXPECT_EQ(reloader_.uploads()[1].signature, signature_text(wasm("second")));
  settle();
  EXPECT_THAT(reloader_.uploads(), SizeIs(2));
}

}  // namespace
}  // namespace secbeat::agent
