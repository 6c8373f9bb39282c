// What a request costs universal-waf, counted in fuel, grows no faster than the request: no time is measured.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "requests.hpp"
#include "rule_sets.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/engine/compile.hpp"

namespace secbeat::linear_test {
namespace {

using engine::Verdict;

constexpr std::size_t kMaxFileBytes = std::size_t{64} << 20U;
// Some seconds of such code: what takes exponential time ends as well.
constexpr std::uint64_t kPlenty = 1'000'000'000;
constexpr std::size_t kSmall = 4'000;
constexpr std::size_t kTimes = 8;

// Patterns that searches by trial and error take quadratic, cubic or exponential time for. None of the rules that block
// holds for any of the texts below, so that each is looked at to its end: "absent", the last, is the only one that may.
constexpr std::string_view kAdversarial = R"({"rules":[
  {"id":"stars","field":"FIELD","pattern":"*aaaa*aaaa*aaaa*aaaab*c*","action":"Block"},
  {"id":"nested","field":"FIELD","match":"regex","pattern":"(a+)+!","action":"Block"},
  {"id":"choices","field":"FIELD","match":"regex","pattern":"(a|aa)*c$","action":"Block"},
  {"id":"pairs","field":"FIELD","match":"regex","pattern":"x[^y]*x[^y]*x[^y]*y","action":"Block"},
  {"id":"decoded","field":"FIELD","pattern":"*<script*>*</script","transformations":["urlDecodeUni","htmlEntityDecode",
   "normalizePath","compressWhitespace"],"action":"Block"},
  {"id":"absent","not":{"field":"FIELD","match":"contains","pattern":"NEEDLE"},"requires":{"FIELD":"*caaa*"},
   "action":"Log"}]})";

// A search for it compares half of it at each place of a text of a's.
std::string needle(std::size_t size) { return std::string(size / 2, 'a') + "b" + std::string(size / 2, 'a'); }

void replace_all(std::string& text, std::string_view word, std::string_view by) {
  for (std::size_t at = 0; (at = text.find(word, at)) != std::string::npos; at += by.size()) {
    text.replace(at, word.size(), by);
  }
}

std::string document_about(std::string_view field, std::size_t needle_bytes) {
  std::string text(kAdversarial);
  replace_all(text, "FIELD", field);
  replace_all(text, "NEEDLE", needle(needle_bytes));
  return text;
}

constexpr std::array<std::string_view, 10> kFields = {"Body",  "JSON:", "Form:a",  "URI",      "Path",
                                                      "Query", "Args",  "Headers", "Header:x", "Cookie:a"};

// `start` and then `piece` over and over.
struct Text {
  std::string_view start;
  std::string_view piece;
};
constexpr Text kAbsent = {"c", "a"};  // "absent" holds for it, in every field
constexpr std::array<Text, 18> kTexts = {kAbsent,
                                         Text{"", "a"},
                                         Text{"", "aaaaaaaab"},
                                         Text{"", "x"},
                                         Text{"", "%61"},
                                         Text{"", "%"},
                                         Text{"", "%u0061"},
                                         Text{"", "../"},
                                         Text{"", "&#x61;"},
                                         Text{"", "&"},
                                         Text{"", " "},
                                         Text{"", "<script"},
                                         Text{"", "&a=caaa"},
                                         Text{"", ";a=caaa"},
                                         Text{"", "[\"a\","},
                                         Text{"[", "\"caaa\","},
                                         Text{"", "\\u0061"},
                                         Text{"", "{\"a\":"}};

std::string made(const Text& text, std::size_t size) {
  std::string bytes(text.start);
  while (bytes.size() < size) bytes += text.piece;
  return bytes;
}

// A request with this value of the field; of headers and cookies with `count` of them.
class Request {
 public:
  Request(std::string_view field, std::string_view value, std::size_t count = 1) {
    view_.method = "POST";
    view_.uri = "/";
    view_.version = "HTTP/1.1";
    view_.source_ip = "192.0.2.1";
    text_ = field == "Form:a" || field == "Cookie:a" ? "a="
            : field == "Query" || field == "Args"    ? "/?a="
            : field == "URI" || field == "Path"      ? "/"
                                                     : "";
    text_ += value;
    if (field == "Body" || field == "JSON:" || field == "Form:a") {
      view_.body = text_;
      view_.body_total_len = text_.size();
    } else if (text_.starts_with('/')) {
      view_.uri = text_;
    } else {
      headers_.assign(count, {field == "Cookie:a" ? "cookie" : "x", text_});
      view_.headers = headers_;
    }
  }
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  [[nodiscard]] const engine::RequestView& view() const { return view_; }

 private:
  std::string text_;
  std::vector<engine::HeaderView> headers_;
  engine::RequestView view_;
};

struct Decided {
  std::uint64_t fuel = 0;
  Verdict verdict = Verdict::kAllow;
};

// The module of the build, compiled so that it counts.
class Linear : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string folder = ::testing::TempDir() + "secbeat-linear-XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    load(folder);
    std::filesystem::remove_all(folder);
  }
  static void TearDownTestSuite() {
    artifact_.reset();
    engine_.reset();
  }
  void SetUp() override { ASSERT_TRUE(artifact_); }

  static std::unique_ptr<engine::Instance> configured(const std::string& document) {
    auto instance = engine::Instance::create(*engine_, artifact_, engine::Limits{}, document);
    EXPECT_TRUE(instance) << instance.error().message;
    return instance ? *std::move(instance) : nullptr;
  }

  // REQUIRES: the instance is usable. It is not where the fuel has not sufficed.
  static Decided decide(engine::Instance& instance, const Request& request) { return decide(instance, request.view()); }
  static Decided decide(engine::Instance& instance, const engine::RequestView& request) {
    instance.set_fuel(kPlenty);
    const auto verdict = instance.inspect(request);
    EXPECT_TRUE(verdict) << verdict.error().message;
    return {kPlenty - instance.fuel(), verdict.value_or(Verdict::kBlock)};
  }

 private:
  static void load(const std::filesystem::path& folder) {
    engine::CompileJob job;
    job.module = std::filesystem::path(SECBEAT_GUESTS_DIR) / "universal-waf.wasm";
    job.counting_output = folder / "counting.cwasm";
    const auto report = run_compile_job(job);
    ASSERT_TRUE(report) << report.error().message;
    ASSERT_FALSE(report->error) << report->error->message;
    const auto bytes = read_file(job.counting_output, kMaxFileBytes);
    ASSERT_TRUE(bytes) << bytes.error().message;
    auto engine = engine::Engine::create(engine::Fuel::kCounted);
    ASSERT_TRUE(engine) << engine.error().message;
    engine_ = *std::move(engine);
    auto artifact = engine::Artifact::load(*engine_, *bytes, report->counting_sha256);
    ASSERT_TRUE(artifact) << artifact.error().message;
    artifact_ = *std::move(artifact);
  }

  // NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): GoogleTest's way to share between tests
  static inline std::unique_ptr<engine::Engine> engine_;
  // NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): the same
  static inline std::shared_ptr<const engine::Artifact> artifact_;
};

// Eight times the request costs at most nine times the fuel, and every rule was looked at: none blocks, and the
// module's own limit of work, which would hide the rest, blocks as well.
void expect_linear(const Decided& small, const Decided& large, const std::string& what) {
  EXPECT_NE(small.verdict, Verdict::kBlock) << what;
  EXPECT_NE(large.verdict, Verdict::kBlock) << what;
  EXPECT_GT(small.fuel, kSmall) << what << ": the request is not looked at";
  EXPECT_GT(large.fuel, small.fuel + kSmall * (kTimes - 1))
      << what << ": the large request is not looked at to its end";
  EXPECT_LE(large.fuel, small.fuel * (kTimes + 1)) << what << ": " << small.fuel << " fuel, then " << large.fuel;
}

TEST_F(Linear, ValuesCostNoMoreThanTheirLength) {
  static constexpr std::size_t kNeedle = 32;
  for (const std::string_view field : kFields) {
    const auto instance = configured(document_about(field, kNeedle));
    ASSERT_TRUE(instance);
    for (const Text& text : kTexts) {
      const std::string what = std::string(field) + " of " + std::string(text.start) + std::string(text.piece);
      const Decided small = decide(*instance, Request(field, made(text, kSmall)));
      ASSERT_TRUE(instance->usable()) << what;
      const Decided large = decide(*instance, Request(field, made(text, kSmall * kTimes)));
      ASSERT_TRUE(instance->usable()) << what;
      expect_linear(small, large, what);
      if (&text != &kTexts.front()) continue;
      EXPECT_EQ(small.verdict, Verdict::kLog) << what;
      EXPECT_EQ(large.verdict, Verdict::kLog) << what;
    }
  }
}

// Both grow: a search that compares the pattern again at each place takes 64 times as long.
TEST_F(Linear, PatternsCostNoMoreThanTheValue) {
  static constexpr std::size_t kNeedle = 240;
  const auto decided = [](std::size_t times) {
    const auto instance = configured(document_about("Body", kNeedle * times));
    return instance ? decide(*instance, Request("Body", made(kAbsent, kSmall * times))) : Decided{};
  };
  const Decided large = decided(kTimes);
  EXPECT_EQ(large.verdict, Verdict::kLog);
  expect_linear(decided(1), large, "a long pattern");
}

TEST_F(Linear, HeadersCostNoMoreThanTheirNumber) {
  static constexpr std::size_t kNeedle = 32;
  static constexpr std::size_t kHeaders = 100;
  for (const std::string_view field : {"Headers", "Header:x", "Cookie:a"}) {
    const auto instance = configured(document_about(field, kNeedle));
    ASSERT_TRUE(instance);
    const std::string value = made(Text{"", "a"}, 60);
    const Decided small = decide(*instance, Request(field, value, kHeaders));
    ASSERT_TRUE(instance->usable()) << field;
    const Decided large = decide(*instance, Request(field, value, kHeaders * kTimes));
    expect_linear(small, large, std::string(field) + " many times");
  }
}

// What bench/rules measures as time: a hundred times the rules do not cost twice the fuel.
TEST_F(Linear, ThousandsOfRulesCostHardlyMoreThanAHundred) {
  static constexpr std::size_t kRequests = 256;
  for (const auto kind : {bench::Requests::Kind::kGet, bench::Requests::Kind::kPost}) {
    const bench::Requests requests(kind);
    const auto fuel_with = [&](std::size_t rules) {
      const auto instance = configured(bench::rule_document(rules));
      std::uint64_t fuel = 0;
      for (std::size_t i = 0; instance && i < kRequests; ++i) {
        const Decided decided = decide(*instance, requests[i]);
        EXPECT_EQ(decided.verdict, Verdict::kAllow);
        fuel += decided.fuel;
      }
      return fuel;
    };
    const std::uint64_t hundred = fuel_with(100);
    const std::uint64_t most = fuel_with(10'000);
    EXPECT_GT(hundred, kRequests * requests[0].headers.size()) << "the requests are not looked at";
    EXPECT_LT(most, hundred * 2) << "with 100 rules " << hundred << " fuel, with 10,000 " << most;
  }
}

}  // namespace
}  // namespace secbeat::linear_test
