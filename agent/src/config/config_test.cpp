// The configuration: what is accepted, what is refused and with which words, and that the sample is complete.
#include "secbeat/agent/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "config_keys.hpp"
#include "config_values.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view kLeast = "[waf.wasm]\nmodule = \"a.wasm\"\n[proxy]\nupstream = \"127.0.0.1:8080\"\n";

Result<Config> parse(const std::string& text) { return parse_config(text, "/etc/secbeat/secbeat.toml"); }

std::string error_of(const std::string& text) {
  const auto config = parse(text);
  return config ? "accepted" : config.error().message;
}

const std::filesystem::path& sample_path() {
  static const std::filesystem::path path = std::filesystem::path(SECBEAT_SOURCE_DIR) / "examples/secbeat.toml";
  return path;
}

std::string sample_text() {
  std::ostringstream text;
  text << std::ifstream(sample_path()).rdbuf();
  return text.str();
}

TEST(Config, HasTheDocumentedDefaultsWhereNothingIsSaid) {
  const auto config = parse(std::string(kLeast));
  ASSERT_TRUE(config) << config.error().message;
  ASSERT_EQ(config->modules.size(), 1U);
  EXPECT_EQ(config->modules[0].module, "/etc/secbeat/a.wasm");
  EXPECT_EQ(config->modules[0].config, "/etc/secbeat/waf-config.json");
  EXPECT_FALSE(config->modules[0].config_is_explicit);
  EXPECT_EQ(config->modules[0].on_error, control::OnError::kPrevious);
  EXPECT_TRUE(config->hot_reload_enabled);
  EXPECT_EQ(config->keep_previous_versions, 2U);
  EXPECT_EQ(config->rehearse, Rehearse::kYes);
  EXPECT_EQ(config->limits, engine::Limits{});
  EXPECT_EQ(config->max_module_bytes, 4194304U);
  EXPECT_EQ(config->max_body_bytes, 131072U);
  EXPECT_EQ(config->max_reload_frequency.count(), 10);
  EXPECT_EQ(config->compile_timeout.count(), 30);
  EXPECT_EQ(to_text(config->api), "127.0.0.1:9090");
  EXPECT_EQ(to_text(config->proxy), "127.0.0.1:8000");
  EXPECT_EQ(config->nginx, Nginx::kManaged);
  EXPECT_THAT(config->notices, IsEmpty());
  EXPECT_TRUE(config->data_dir.is_absolute());
  EXPECT_TRUE(config->state_dir.is_absolute());
}

TEST(Config, ReadsEveryKindOfValue) {
  const auto config = parse(R"(
[waf.wasm]
module = "rules/one.wasm"
config = "/abs/one.json"
on_error = "closed"
deadline_ms = 7
memory_limit_mib = 32
validate_before_reload = false
body_over_limit = "block"
[[waf.wasm.modules]]
name = "two"
module = "../two.wasm"
on_error = "open"
isolation = "request"
[[waf.wasm.modules]]
module = "three.wasm"
[waf.rate_limit]
requests_per_second = 0.5
burst = 3
[proxy]
upstream = "site.example:80"
listen = "[::1]:8443"
workers = 3
receipt = true
access_log = false
[node]
name = "node-7"
labels = { region = "eu", "disk.kind" = "nvme" }
data_dir = "data"
state_dir = "/run/s"
)");
  ASSERT_TRUE(config) << config.error().message;
  ASSERT_EQ(config->modules.size(), 3U);
  EXPECT_EQ(config->modules[0].module, "/etc/secbeat/rules/one.wasm");
  EXPECT_EQ(config->modules[0].config, "/abs/one.json");
  EXPECT_TRUE(config->modules[0].config_is_explicit);
  EXPECT_EQ(config->modules[1].name, "two");
  EXPECT_EQ(config->modules[1].module, "/etc/two.wasm");
  EXPECT_EQ(config->modules[1].on_error, control::OnError::kOpen);
  EXPECT_EQ(config->modules[1].isolation, engine::Isolation::kRequest);
  EXPECT_TRUE(config->modules[1].config.empty());
  EXPECT_EQ(config->modules[2].isolation, engine::Isolation::kInstance);
  EXPECT_EQ(config->modules[2].on_error, control::OnError::kClosed);  // as in [waf.wasm]
  EXPECT_EQ(config->limits.call_budget.count(), 7);
  EXPECT_EQ(config->limits.memory_bytes, std::size_t{32} << 20U);
  EXPECT_EQ(config->rehearse, Rehearse::kNo);
  EXPECT_EQ(config->body_over_limit, control::BodyOverLimit::kBlock);
  EXPECT_DOUBLE_EQ(config->rate_limit_per_second, 0.5);
  EXPECT_EQ(to_text(config->proxy), "[::1]:8443");
  EXPECT_EQ(config->workers, 3U);
  EXPECT_TRUE(config->receipt);
  EXPECT_FALSE(config->access_log);
  EXPECT_EQ(config->labels, (std::map<std::string, std::string>{{"region", "eu"}, {"disk.kind", "nvme"}}));
  EXPECT_EQ(config->data_dir, "/etc/secbeat/data");
  EXPECT_EQ(config->state_dir, "/run/s");
}

TEST(Config, NamesFileLineAndKeyOfAFault) {
  EXPECT_EQ(error_of(std::string(kLeast) + "workers = \"two\"\n"),
            "/etc/secbeat/secbeat.toml:5: proxy.workers: expected a whole number, got a text");
}

TEST(Config, TellsAllFaultsInTheOrderOfTheLines) {
  EXPECT_EQ(error_of("[waf.wasm]\nmodul = \"a.wasm\"\ndeadline_ms = 0\n[proxy]\nlisten = \"x\"\nupstream = \"a:1\"\n"),
            "/etc/secbeat/secbeat.toml:2: waf.wasm.modul: unknown key; did you mean \"module\"?\n"
            "/etc/secbeat/secbeat.toml:3: waf.wasm.deadline_ms: must be 1 to 1000, got 0\n"
            "/etc/secbeat/secbeat.toml:5: proxy.listen: expected an address and a port such as \"127.0.0.1:8000\" or "
            "\"[::1]:8000\", got \"x\"");
}

struct Refused {
  std::string what;
  std::string text;   // after kLeast, whose last table is [proxy] in lines 3 and 4
  std::string words;  // in the message
};

class RefusedConfig : public ::testing::TestWithParam<Refused> {};

TEST_P(RefusedConfig, IsRefusedWithItsReason) {
  EXPECT_THAT(error_of(std::string(kLeast) + GetParam().text), HasSubstr(GetParam().words)) << GetParam().what;
}

INSTANTIATE_TEST_SUITE_P(
    Config, RefusedConfig,
    ::testing::Values(
        Refused{"unknown table", "[prox]\n", ":5: prox: unknown key; did you mean \"proxy\"?"},
        Refused{"unknown key in a module", "[[waf.wasm.modules]]\nmodule = \"b\"\nnme = \"c\"\n",
                ":7: waf.wasm.modules[].nme: unknown"},
        Refused{"a path in quotes is not a path", "\"labels.a\" = 1\n", "unknown key"},
        Refused{"dotted name at the top", "\"waf.wasm\" = 1\n", "unknown key"},
        Refused{"table instead of value", "[proxy.workers]\nx = 1\n", "expected a whole number, got a table"},
        Refused{"value instead of table", "[node]\nlabels = 5\n", ":6: node.labels: expected a table"},
        Refused{"value instead of tables", "[x]\n[waf.wasm.modules]\nname = \"a\"\n",
                "expected tables [[waf.wasm.modules]]"},
        Refused{"list of numbers instead of tables", "[waf]\nwasm.modules = [1]\n", "toml"},
        Refused{"number instead of text", "listen = 8000\n",
                ":5: proxy.listen: expected a text in quotes, got a whole number"},
        Refused{"text instead of boolean", "receipt = \"yes\"\n", "expected true or false, got a text"},
        Refused{"fraction instead of integer", "workers = 1.5\n",
                "expected a whole number, got a number with a fraction"},
        Refused{"below the range", "workers = -1\n", "must be 0 to 64, got -1"},
        Refused{"above the range", "workers = 9223372036854775807\n", "must be 0 to 64"},
        Refused{"not a number", "[waf.rate_limit]\nrequests_per_second = nan\n", "must be 0.001 to 1000000, got nan"},
        Refused{"infinity", "[waf.rate_limit]\nrequests_per_second = inf\n", "must be 0.001 to 1000000, got inf"},
        Refused{"rate of zero", "[waf.rate_limit]\nrequests_per_second = 0\n", "must be 0.001 to"},
        Refused{"key twice", "upstream = \"b:1\"\n", ":5: toml: "},
        Refused{"no end of a text", "user = \"www\n", ":5: toml: "}, Refused{"no TOML", "<xml>\n", ":5: toml: "},
        Refused{"bytes that are not UTF-8", "user = \"\xff\"\n", "toml: "},
        Refused{"a directive in a path", "nginx_binary = '/usr/sbin/nginx\"; include /etc/passwd'\n",
                "expected a path without"},
        Refused{"a directive in a user", "user = \"root; daemon off\"\n", "proxy.user: expected a name"},
        Refused{"a directive in the address", "listen = \"127.0.0.1:80; include x\"\n", "expected an address"},
        Refused{"a NUL in the address", "listen = \"127.0.0.1\\u0000:80\"\n", "127.0.0.1\\x00:80"},
        Refused{"a NUL in a path", "nginx_binary = \"/bin/x\\u0000\"\n", "expected a path without"},
        Refused{"port too large", "listen = \"127.0.0.1:65536\"\n", "expected an address"},
        Refused{"signed port", "listen = \"127.0.0.1:+80\"\n", "expected an address"},
        Refused{"IPv6 without brackets", "listen = \"::1:80\"\n", "expected an address"},
        Refused{"name to listen on", "listen = \"example.org:80\"\n", "expected an address"},
        Refused{"word that is none", "nginx = \"apache\"\n", "expected one of managed, external, got \"apache\""},
        Refused{"API beyond loopback", "[api]\nlisten = \"0.0.0.0:9090\"\n",
                ":6: api.listen: 0.0.0.0:9090 is reachable from other machines"},
        Refused{"API beyond loopback, IPv6", "[api]\nlisten = \"[::]:9090\"\n", "insecure = true in [api]"},
        Refused{"API on the proxy's port", "[api]\nlisten = \"127.0.0.1:8000\"\n",
                "the same address and port as proxy.listen"},
        Refused{"module without file", "[[waf.wasm.modules]]\nname = \"a\"\n", ":5: waf.wasm.modules.module: missing"},
        Refused{
            "module twice",
            "[[waf.wasm.modules]]\nname = \"a\"\nmodule = \"a\"\n[[waf.wasm.modules]]\nname = \"a\"\nmodule = \"b\"\n",
            ":8: waf.wasm.modules.name: \"a\" is there twice"},
        Refused{"name with a path", "[[waf.wasm.modules]]\nname = \"../a\"\nmodule = \"a\"\n", "expected a name"},
        Refused{"label with a line break", "[node.labels]\na = \"b\\nc\"\n", "node.labels.a: expected label and value"},
        Refused{"one folder for both", "[node]\ndata_dir = \"/x\"\nstate_dir = \"/x/\"\n",
                "node.state_dir: the same folder"},
        Refused{"state folder too long for a socket", "[node]\nstate_dir = \"/" + std::string(120, 'd') + "\"\n",
                "a unix socket's path holds 107"},
        Refused{"text over several lines", "user = \"\"\"x\"\"\"\n", ":5: toml: a text over several lines"},
        Refused{"character beyond ASCII in a key", "us\xc3\xa9r = \"x\"\n", ":5: toml: a character beyond ASCII"},
        Refused{"a table's name on the next line", "\n[\nproxy]\nx = 1\n", ":6: toml: "},
        Refused{"deep key", "[" + std::string("a.") + "a.a.a.a.a.a.a.a.a]\n", ":5: toml: a key with too many dots"},
        Refused{"deep lists", "x = " + std::string(1000, '[') + "\n", "toml: "}));

TEST(Config, RefusesSignaturesThatItCannotCheck) {
  EXPECT_THAT(error_of("[waf.wasm]\nrequire_signature = true\n[proxy]\nupstream = \"a:1\"\n"),
              HasSubstr(":2: waf.wasm.require_signature: needs trusted_keys"));
  const auto config = parse_config(
      "[waf.wasm]\nrequire_signature = true\ntrusted_keys = \"keys\"\n[proxy]\nupstream = \"a:1\"\n", "/etc/s/s.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_TRUE(config->require_signature);
  EXPECT_EQ(config->trusted_keys, "/etc/s/keys");
}

TEST(Config, AsksForTheUpstreamWhereItWouldStand) {
  EXPECT_THAT(error_of("\n[proxy]\nworkers = 1\n"), HasSubstr(":2: proxy.upstream: missing: "));
  EXPECT_THAT(error_of(""), HasSubstr(":1: proxy.upstream: missing: "));
  EXPECT_EQ(error_of("[proxy]\nnginx = \"external\"\n"), "accepted");
}

TEST(Config, ReadsHowTheNodeReachesItsFleet) {
  const auto config = parse(std::string(kLeast) + R"(
[nats]
url = "tls://me:secret@127.0.0.1:4222"
tls_ca = "ca.pem"
nkey = "UABC"
nkey_seed = "/etc/seed"
)");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->nats_url, "tls://me:secret@127.0.0.1:4222");
  EXPECT_EQ(config->nats_tls_ca, config->file.parent_path() / "ca.pem");
  EXPECT_EQ(config->nats_nkey_seed, "/etc/seed");
  EXPECT_THAT(error_of(std::string(kLeast) + "\n[nats]\nurl = \"127.0.0.1\"\n"),
              HasSubstr("nats.url: expected nats://"));
  EXPECT_THAT(error_of(std::string(kLeast) + "\n[nats]\nnkey = \"UABC\"\n"),
              HasSubstr("nats.nkey: public key and seed"));
  EXPECT_THAT(error_of(std::string(kLeast) + "\n[nats]\ntls_key = \"a\"\n"),
              HasSubstr("nats.tls_certificate: certificate and"));
}

TEST(Config, ReadsWhatAnUploadMayCostAndLose) {
  const auto config = parse("[waf.wasm]\nmodule = \"a.wasm\"\nfuel_limit = 123456\n" + std::string(R"(
[waf.wasm.gates]
count_cost = false
max_cost_growth = 2.5
cost_floor = 7
max_rules_lost_percent = 12.5
[proxy]
upstream = "127.0.0.1:8080"
)"));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->gates, (GateLimits{engine::Costing::kSkip, 123456, 2.5, 7, 12.5}));
  EXPECT_THAT(config->notices, IsEmpty());
  EXPECT_THAT(error_of(std::string(kLeast) + "[waf.wasm.gates]\nmax_rules_lost_percent = 101\n"),
              HasSubstr("waf.wasm.gates.max_rules_lost_percent: must be 0 to 100, got 101"));
  EXPECT_THAT(error_of(std::string(kLeast) + "[waf.wasm.gates]\ncost_floor = -1\n"),
              HasSubstr("waf.wasm.gates.cost_floor: must be 0 to 1000000000, got -1"));
}

TEST(Config, ReadsHowANewVersionIsWatched) {
  const auto config = parse(std::string(kLeast) + R"(
[waf.wasm.watch]
seconds = 0
min_errors = 7
error_percent = 0.5
min_requests = 60
min_baseline_requests = 70
block_percent = 80
rate_limit_percent = 0
p99_factor = 2.5
p99_floor_us = 900
)");
  ASSERT_TRUE(config) << config.error().message;
  const WatchLimits& watch = config->watch;
  EXPECT_EQ(watch.seconds.count(), 0);
  EXPECT_EQ(watch.min_errors, 7U);
  EXPECT_DOUBLE_EQ(watch.error_percent, 0.5);
  EXPECT_EQ(watch.min_requests, 60U);
  EXPECT_EQ(watch.min_baseline_requests, 70U);
  EXPECT_DOUBLE_EQ(watch.block_percent, 80);
  EXPECT_DOUBLE_EQ(watch.rate_limit_percent, 0);
  EXPECT_DOUBLE_EQ(watch.p99_factor, 2.5);
  EXPECT_EQ(watch.p99_floor.count(), 900);
  EXPECT_THAT(error_of(std::string(kLeast) + "[waf.wasm.watch]\nblock_percent = 101\n"),
              HasSubstr("waf.wasm.watch.block_percent: must be 0 to 100, got 101"));
}

TEST(Config, ReadsHowFilesAreWatched) {
  const auto config = parse(std::string(kLeast) + R"(
[waf.wasm.reload]
auto_reload_on_file_change = true
file_watch = "poll"
file_poll_ms = 250
file_settle_ms = 50
)");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_TRUE(config->auto_reload_on_file_change);
  EXPECT_EQ(config->file_watch, FileWatch::kPoll);
  EXPECT_EQ(config->file_poll, std::chrono::milliseconds(250));
  EXPECT_EQ(config->file_settle, std::chrono::milliseconds(50));
  EXPECT_THAT(error_of(std::string(kLeast) + "[waf.wasm.reload]\nfile_watch = \"fanotify\"\n"),
              HasSubstr(":6: waf.wasm.reload.file_watch: expected one of auto, poll"));
}

TEST(Config, TakesAnArchiveAsAPathOrAFileUrl) {
  const auto folder = [](const std::string& url) {
    const auto config = parse(std::string(kLeast) + "[node]\ndata_dir = \"/data\"\n[archive]\nurl = \"" + url + "\"\n");
    return config ? to_text(config->archive) : config.error().message;
  };
  EXPECT_EQ(folder("archive"), "/etc/secbeat/archive");
  EXPECT_EQ(folder("/srv/archive/"), "/srv/archive");
  EXPECT_EQ(folder("file:///srv/the%20archive"), "/srv/the archive");
  EXPECT_EQ(folder("file://localhost/srv/archive"), "/srv/archive");
  EXPECT_EQ(folder("s3://bucket/prefix/"), "s3://bucket/prefix");
  EXPECT_THAT(folder("s3://b"), HasSubstr(":8: archive.url: expected \"s3://bucket\""));
  for (const char* url : {"file://host/srv", "file://", "file:///a%2", "file:///a%zz"}) {
    EXPECT_THAT(folder(url), HasSubstr("expected \"file:///folder\"")) << url;
  }
  EXPECT_THAT(folder("https://example.org/a"), HasSubstr("expected a folder"));
  for (const char* url : {"", "file:///a%00b", "a;b"}) EXPECT_THAT(folder(url), HasSubstr("expected a path")) << url;
  for (const char* url : {"/data", "/data/archive", "file:///data"}) {
    EXPECT_THAT(folder(url), HasSubstr("lies in node.data_dir and would be lost with it")) << url;
  }
  EXPECT_EQ(folder("/data2"), "/data2");
}

TEST(Config, TakesAnArchiveInS3) {
  const std::string archive = std::string(kLeast) + "[archive]\nurl = \"s3://rules/waf\"\n";
  const auto config = parse(archive + "endpoint = \"http://10.0.0.1:9000\"\nregion = \"eu-central-1\"\n" +
                            "credentials = \"s3.ini\"\ntls_ca = \"/ca.pem\"\n");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->archive, (archive::Location{.bucket = "rules",
                                                .prefix = "waf",
                                                .endpoint = "http://10.0.0.1:9000",
                                                .region = "eu-central-1",
                                                .credentials = "/etc/secbeat/s3.ini",
                                                .tls_ca = "/ca.pem"}));
  EXPECT_THAT(config->notices, Contains(HasSubstr("has no TLS")));
  EXPECT_THAT(error_of(archive + "endpoint = \"s3.example.org\"\n"), HasSubstr("archive.endpoint: expected"));
  EXPECT_THAT(error_of(archive + "endpoint = \"https://u:p@h\"\n"), HasSubstr("archive.endpoint: expected"));
  EXPECT_THAT(error_of(archive + "region = \"A b\"\n"), HasSubstr("archive.region: expected"));
}

TEST(Config, SaysLoudlyThatTheApiIsOpen) {
  const auto config = parse(std::string(kLeast) + "[api]\nlisten = \"*:9090\"\ninsecure = true\n");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(to_text(config->api), "0.0.0.0:9090");
  EXPECT_THAT(config->notices, Contains(AllOf(HasSubstr("WARNING"), HasSubstr("0.0.0.0:9090"))));
}

TEST(Config, TakesTextsAndCommentsInEveryScript) {
  const auto config =
      parse("\xef\xbb\xbf# \xc3\xa9\n[waf.wasm]\nmodule = \"r\xc3\xa8gles # 'a.b.c.d.e.f.g.h.i.j'.wasm\"  # '\"\n" +
            std::string("[proxy]\nupstream = 'a:1'\n"));
  EXPECT_THAT(config ? "" : config.error().message, HasSubstr("expected a path without quotes"));
  const auto plain =
      parse("# \xc3\xa9\n[waf.wasm]\nmodule = \"r\xc3\xa8gles.a.b.c.d.e.f.g.h.i.wasm\"\n[proxy]\nupstream = 'a:1'\n");
  ASSERT_TRUE(plain) << plain.error().message;
  EXPECT_EQ(plain->modules[0].module, "/etc/secbeat/r\xc3\xa8gles.a.b.c.d.e.f.g.h.i.wasm");
}

TEST(Config, TellsALimitedNumberOfFaults) {
  std::string text(kLeast);
  for (int i = 0; i < 500; ++i) text += "unknown_" + std::to_string(i) + " = 1\n";
  const std::string message = error_of(text);
  EXPECT_THAT(message, HasSubstr("… and 450 more"));
}

TEST(Config, RefusesAFileThatIsNoConfigurationBySize) {
  EXPECT_THAT(error_of(std::string(300 * 1024, '#')), HasSubstr("larger than 262144 bytes"));
}

TEST(Config, NamesAFileThatIsNotThere) {
  const auto config = load_config("/nonexistent/secbeat.toml");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, ErrorCode::kConfig);
  EXPECT_THAT(config.error().message, HasSubstr("/nonexistent/secbeat.toml: No such file"));
}

TEST(Config, TheSampleFileIsAccepted) {
  const auto config = load_config(sample_path());
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_THAT(config->notices, IsEmpty());
}

TEST(Config, RuleTestsArePartOfTheRehearsal) {
  const std::string asked =
      "[proxy]\nupstream = \"127.0.0.1:8080\"\n[waf.wasm]\nmodule = \"a.wasm\"\nrule_tests = \"t/waf.json\"\n";
  const auto config = parse(asked + "[[waf.wasm.modules]]\nmodule = \"b.wasm\"\nrule_tests = \"/abs/b.json\"\n");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->modules[0].rule_tests, "/etc/secbeat/t/waf.json");
  EXPECT_EQ(config->modules[1].rule_tests, "/abs/b.json");
  EXPECT_TRUE(parse(std::string(kLeast))->modules[0].rule_tests.empty());
  EXPECT_EQ(error_of(asked + "validate_before_reload = false\n"),
            "/etc/secbeat/secbeat.toml:6: waf.wasm.validate_before_reload: rule_tests are part of the rehearsal: they "
            "need true");
}

// Keys of a sample: live ones, and those that are commented out without a space after '#'.
std::set<std::string> keys_of_the_sample(const std::string& text) {
  const std::regex table(R"(^#?(\[{1,2})([a-z_.]+)\]{1,2}$)");
  const std::regex key(R"(^#?([a-z_][a-z0-9_]*) = .*$)");
  std::set<std::string> keys;
  std::string prefix;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, table)) prefix = match[2].str() + (match[1].str() == "[[" ? "[]" : "");
    if (std::regex_match(line, match, key))
      keys.insert(prefix + "." + (prefix == "node.labels" ? "*" : match[1].str()));
  }
  return keys;
}

TEST(Config, TheSampleFileHasEveryKeyAndNoOther) {
  std::set<std::string> known;
  for (const Key& key : config_keys(Program::kNode)) known.emplace(key.path);
  EXPECT_EQ(keys_of_the_sample(sample_text()), known);
}

std::filesystem::path orchestrator_sample() {
  return std::filesystem::path(SECBEAT_SOURCE_DIR) / "examples/orchestrator.toml";
}

TEST(OrchestratorConfig, TheSampleFileHasEveryKeyAndNoOther) {
  std::set<std::string> known;
  for (const Key& key : config_keys(Program::kOrchestrator)) known.emplace(key.path);
  EXPECT_EQ(keys_of_the_sample(read_file(orchestrator_sample(), 1 << 20).value()), known);
}

TEST(OrchestratorConfig, TheSampleFileShowsTheDefaults) {
  const auto sample = load_config(orchestrator_sample(), Program::kOrchestrator);
  const auto least = parse_config("[nats]\nurl = \"nats://127.0.0.1:4222\"\n", "o.toml", Program::kOrchestrator);
  ASSERT_TRUE(sample) << sample.error().message;
  ASSERT_TRUE(least) << least.error().message;
  EXPECT_EQ(sample->api.port, 8080);
  EXPECT_EQ(least->api.port, 8080);
  EXPECT_EQ(sample->nats_url, least->nats_url);
  EXPECT_EQ(sample->watch, least->watch);
  EXPECT_EQ(sample->max_module_bytes, least->max_module_bytes);
  EXPECT_EQ(sample->compile_timeout, least->compile_timeout);
  EXPECT_EQ(sample->orchestrator.replicas, least->orchestrator.replicas);
  EXPECT_EQ(sample->orchestrator.stage_timeout, least->orchestrator.stage_timeout);
  EXPECT_EQ(sample->orchestrator.min_confidence, least->orchestrator.min_confidence);
  EXPECT_EQ(sample->orchestrator.max_active_rules, least->orchestrator.max_active_rules);
  EXPECT_EQ(sample->orchestrator.default_ttl, least->orchestrator.default_ttl);
  EXPECT_EQ(sample->orchestrator.max_new_rules_per_minute, least->orchestrator.max_new_rules_per_minute);
}

TEST(OrchestratorConfig, KnowsNoKeysOfANodeAndTheOtherWayRound) {
  const auto node_key = parse_config("[proxy]\nupstream = \"127.0.0.1:80\"\n", "o.toml", Program::kOrchestrator);
  ASSERT_FALSE(node_key);
  EXPECT_THAT(node_key.error().message, HasSubstr("o.toml:1: proxy: unknown key"));
  EXPECT_THAT(node_key.error().message, HasSubstr("nats.url: missing"));
  EXPECT_THAT(error_of("[proxy]\nupstream = \"127.0.0.1:80\"\n[orchestrator]\nname = \"a\"\n"),
              HasSubstr("orchestrator: unknown key"));
}

TEST(Config, TheSampleFileShowsTheDefaults) {
  const auto sample = load_config(sample_path());
  const auto least = parse_config(
      "[waf.wasm]\nmodule = \"universal-waf.wasm\"\n[proxy]\nupstream = \"127.0.0.1:8080\"\n", sample_path());
  ASSERT_TRUE(sample && least);
  EXPECT_EQ(sample->limits, least->limits);
  EXPECT_EQ(sample->max_module_bytes, least->max_module_bytes);
  EXPECT_EQ(sample->max_body_bytes, least->max_body_bytes);
  EXPECT_EQ(sample->compile_memory_bytes, least->compile_memory_bytes);
  EXPECT_EQ(sample->compile_timeout, least->compile_timeout);
  EXPECT_EQ(sample->max_reload_frequency, least->max_reload_frequency);
  EXPECT_EQ(sample->keep_previous_versions, least->keep_previous_versions);
  EXPECT_EQ(sample->watch, least->watch);
  EXPECT_EQ(sample->gates, least->gates);
  EXPECT_EQ(sample->rate_limit_per_second, least->rate_limit_per_second);
  EXPECT_EQ(sample->rate_limit_burst, least->rate_limit_burst);
  EXPECT_EQ(to_text(sample->api), to_text(least->api));
  EXPECT_EQ(to_text(sample->proxy), to_text(least->proxy));
  EXPECT_EQ(sample->worker_user, least->worker_user);
  EXPECT_EQ(sample->receipt, least->receipt);
  EXPECT_EQ(sample->access_log, least->access_log);
  EXPECT_EQ(sample->log_level, least->log_level);
  EXPECT_EQ(sample->data_dir, least->data_dir);
}

TEST(Listen, KnowsLoopback) {
  EXPECT_TRUE(is_loopback("127.0.0.1"));
  EXPECT_TRUE(is_loopback("127.9.9.9"));
  EXPECT_TRUE(is_loopback("::1"));
  EXPECT_FALSE(is_loopback("0.0.0.0"));
  EXPECT_FALSE(is_loopback("::"));
  EXPECT_FALSE(is_loopback("::ffff:10.0.0.1"));
  EXPECT_FALSE(is_loopback("localhost.example.org"));
}

}  // namespace
}  // namespace secbeat::agent
