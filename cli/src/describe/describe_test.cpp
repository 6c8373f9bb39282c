// The tree of commands, and what is made of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>

#include "app.hpp"
#include "describe/completion.hpp"
#include "describe/man_page.hpp"

namespace secbeat::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class DescribeTest : public ::testing::Test {
 protected:
  DescribeTest() : app_("Does things.", "tool") {
    CLI::App* group = app_.add_subcommand("store", "Where things are");
    CLI::App* get = group->add_subcommand("get", "Get's one: [now]");
    get->footer(".leading dot and a back\\slash\n\nExamples:\n  tool store get 'x'\n\nNumbers:\n  1  one\n  2  two");
    get->add_option("--kind,-k", kind_, "Of which kind")->check(CLI::IsMember({"big", "small"}))->envname("TOOL_KIND");
    get->add_option("--count", count_, "How many")->check(CLI::Range(1, 9))->capture_default_str();
    get->add_option("file", file_, "Whither")->type_name("FILE")->required();
    get->add_flag("--hidden", hidden_, "Not told")->group("");
  }

  [[nodiscard]] CommandInfo get() const { return describe(app_).commands.at(0).commands.at(0); }

  std::string kind_;
  std::string file_;
  int count_ = 3;
  bool hidden_ = false;
  CLI::App app_;
};

TEST_F(DescribeTest, ReadsOptionsArgumentsAndParagraphs) {
  const CommandInfo command = get();
  EXPECT_EQ(command.words(' '), "tool store get");
  ASSERT_EQ(command.options.size(), 3U) << "--help is one, what is hidden is none";
  EXPECT_THAT(command.options[0].names, ElementsAre("-h", "--help"));
  EXPECT_EQ(command.options[0].value.label, "");
  EXPECT_THAT(command.options[1].names, ElementsAre("-k", "--kind"));
  EXPECT_THAT(command.options[1].value.choices, ElementsAre("big", "small"));
  EXPECT_EQ(command.options[1].environment, "TOOL_KIND");
  EXPECT_EQ(command.options[2].default_text, "3");
  EXPECT_TRUE(command.options[2].value.choices.empty());
  ASSERT_EQ(command.arguments.size(), 1U);
  EXPECT_TRUE(command.arguments[0].value.is_file() && command.arguments[0].required);
  ASSERT_EQ(command.paragraphs.size(), 3U);
  EXPECT_EQ(command.paragraphs[1].title, "Examples");
}

TEST_F(DescribeTest, BashKnowsWhichOptionsTakeWhat) {
  const std::string script = bash_completion(describe(app_));
  EXPECT_THAT(script, AllOf(HasSubstr("'') echo 'store' ;;"), HasSubstr("'store') echo 'get' ;;"),
                            HasSubstr("'store get --kind') echo 'WORDS big small' ;;"),
                            HasSubstr("'store get --count') echo 'ANY' ;;"), HasSubstr("'store get 0') echo 'FILE' ;;"),
                            Not(HasSubstr("hidden"))));
}

TEST_F(DescribeTest, ZshQuotesWhatMeansSomethingToIt) {
  const std::string script = zsh_completion(describe(app_));
  EXPECT_THAT(script, StartsWith("#compdef secbeat\n"));
  EXPECT_THAT(script, AllOf(HasSubstr(R"('get:Get'\''s one\: \[now\]')"), HasSubstr("'1:file:_files'"),
                            HasSubstr("'--kind=[Of which kind]:TEXT:(big small)'")));
}

TEST_F(DescribeTest, ManPagesHaveSectionsAndNoRequestsOfTheirOwn) {
  const CommandInfo program = describe(app_);
  const std::string page = man_page(program, program.commands.at(0).commands.at(0));
  EXPECT_THAT(page, StartsWith(".TH TOOL\\-STORE\\-GET 1 "));
  EXPECT_THAT(
      page, AllOf(HasSubstr("\n\\&.leading dot and a back\\eslash\n"), HasSubstr(".SH EXAMPLES\n.nf\ntool store get "),
                  HasSubstr(".SH NUMBERS\n.TP\n\\fB1\\fR\none\n"), HasSubstr("(environment: TOOL_KIND)"),
                  HasSubstr("\\fB\\-\\-kind\\fR \\fBbig\\fR|\\fBsmall\\fR"), Not(HasSubstr("hidden"))));
}

TEST(RealTree, EveryOptionAndArgumentIsDescribed) {
  CLI::App app;
  secbeat::cli::Run run;
  build_app(app, run);
  const CommandInfo program = describe(app);
  EXPECT_GT(program.commands.size(), 10U);
  for (const CommandInfo* command : all_of(program)) {
    EXPECT_FALSE(command->description.empty()) << command->words(' ');
    for (const OptionInfo& option : command->options) EXPECT_FALSE(option.description.empty()) << command->words(' ');
    for (const OptionInfo& option : command->arguments) EXPECT_FALSE(option.description.empty()) << command->words(' ');
  }
}

}  // namespace
}  // namespace secbeat::cli
