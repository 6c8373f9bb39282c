// Who may use the API, as the configuration says it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "secbeat/agent/config.hpp"

namespace secbeat::agent {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr std::string_view kLeastNode = "[waf.wasm]\nmodule = \"a.wasm\"\n[proxy]\nupstream = \"127.0.0.1:8080\"\n";
const std::string kHash(64, 'a');
const std::string kOtherHash(64, 'b');

class ConfigAccess : public testing::Test {
 protected:
  ConfigAccess() {
    std::string name = (std::filesystem::temp_directory_path() / "secbeat-config-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~ConfigAccess() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] Result<Config> parse(const std::string& text) const {
    return parse_config(std::string(kLeastNode) + text, folder_ / "secbeat.toml");
  }
  [[nodiscard]] std::string error_of(const std::string& text) const {
    const auto config = parse(text);
    return config ? "accepted" : config.error().message;
  }
  void write(const std::string& name, const std::string& text) const { std::ofstream(folder_ / name) << text; }

  std::filesystem::path folder_;
};

std::string key(const std::string& rest) { return "[[api.keys]]\nname = \"ci\"\nrole = \"operator\"\n" + rest; }

TEST_F(ConfigAccess, ReadsKeysInTheirOrder) {
  write("grafana.sha256", "# for the dashboards\n\n" + kOtherHash + "  grafana.key\n" + std::string(64, 'C') + "\n");
  const auto config = parse(key("sha256 = \"" + std::string(64, 'A') + "\"\n") +
                            "[[api.keys]]\nname = \"grafana\"\nrole = \"viewer\"\nsha256_file = \"grafana.sha256\"\n");
  ASSERT_TRUE(config) << config.error().message;
  ASSERT_EQ(config->api_keys.size(), 2U);
  EXPECT_EQ(config->api_keys[0], (ApiKey{"ci", Role::kOperator, {kHash}}));
  EXPECT_EQ(config->api_keys[1], (ApiKey{"grafana", Role::kViewer, {kOtherHash, std::string(64, 'c')}}));
  EXPECT_THAT(config->notices, IsEmpty());
}

TEST_F(ConfigAccess, RefusesWhatIsNoKeyAndSaysWhy) {
  const std::string sha256 = "sha256 = \"" + kHash + "\"\n";
  EXPECT_THAT(error_of("[[api.keys]]\nrole = \"viewer\"\n" + sha256), HasSubstr(":5: api.keys: name is missing"));
  EXPECT_THAT(error_of("[[api.keys]]\nname = \"a\"\n" + sha256), HasSubstr(":5: api.keys: role is missing"));
  EXPECT_THAT(error_of(key("")), HasSubstr("expected the SHA-256 of the key as sha256 or in a file"));
  EXPECT_THAT(error_of(key(sha256 + "sha256_file = \"x\"\n")), HasSubstr("one of the two"));
  EXPECT_THAT(error_of("[[api.keys]]\nname = \"a\"\nrole = \"root\"\n" + sha256), HasSubstr("expected \"viewer\""));
  EXPECT_THAT(error_of(key(sha256) + key("sha256 = \"" + kOtherHash + "\"\n")),
              HasSubstr("name \"ci\" is there twice"));
  EXPECT_THAT(error_of(key(sha256) + "[[api.keys]]\nname = \"b\"\nrole = \"viewer\"\n" + sha256),
              HasSubstr("the key of \"b\" is there twice"));
  EXPECT_THAT(error_of(key("secret = \"x\"\n")), HasSubstr("api.keys[].secret: unknown key"));
  EXPECT_THAT(error_of("[api]\nkeys = \"x\"\n"), HasSubstr("expected tables [[api.keys]]"));
  for (const char* name : {"local", "start", "file", "watch", "scoreboard", "expiry", "fleet", "nats"}) {
    EXPECT_THAT(error_of(fmt::format("[[api.keys]]\nname = \"{}\"\nrole = \"viewer\"\n{}", name, sha256)),
                HasSubstr("is what the history calls something else"));
  }
  for (const char* name : {"a b", "a\\nb", "\\u001b[31m", "", "-x"}) {
    EXPECT_THAT(error_of(fmt::format("[[api.keys]]\nname = \"{}\"\nrole = \"viewer\"\n{}", name, sha256)),
                HasSubstr("expected a name"));
  }
}

// It may be the key itself that somebody put there.
TEST_F(ConfigAccess, NeverShowsWhatStandsInPlaceOfAHash) {
  write("key.txt", "sbk_secret-of-mine\n");
  write("empty.txt", "# nothing\n");
  write("many.txt", std::string(5000, 'a'));
  const std::string in_text = error_of(key("sha256 = \"sbk_secret-of-mine\"\n"));
  EXPECT_THAT(in_text, HasSubstr("expected the SHA-256 of the key"));
  const std::string in_file = error_of(key("sha256_file = \"key.txt\"\n"));
  EXPECT_THAT(in_file, HasSubstr("line 1 of "));
  EXPECT_THAT(in_text + in_file, Not(HasSubstr("secret-of-mine")));
  EXPECT_THAT(error_of(key("sha256_file = \"empty.txt\"\n")), HasSubstr("has 0 hashes"));
  EXPECT_THAT(error_of(key("sha256_file = \"many.txt\"\n")), HasSubstr("many.txt"));
  EXPECT_THAT(error_of(key("sha256_file = \"missing.txt\"\n")), HasSubstr("missing.txt"));
}

TEST_F(ConfigAccess, CertificateAndKeyComeTogether) {
  const auto config = parse("[api]\ntls_certificate = \"tls/api.crt\"\ntls_key = \"/etc/api.key\"\n");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->tls_certificate, folder_ / "tls/api.crt");
  EXPECT_EQ(config->tls_key, "/etc/api.key");
  EXPECT_THAT(error_of("[api]\ntls_certificate = \"a\"\n"), HasSubstr(":6: api: tls_certificate without tls_key"));
  EXPECT_THAT(error_of("[api]\ntls_key = \"a\"\n"), HasSubstr(":6: api: tls_key without tls_certificate"));
}

TEST_F(ConfigAccess, BeyondThisMachineTakesTlsAndKeys) {
  const std::string tls = "tls_certificate = \"a\"\ntls_key = \"b\"\n";
  const std::string keys = key("sha256 = \"" + kHash + "\"\n");
  for (const char* address : {"0.0.0.0:9090", "*:9090", "[::]:9090", "192.0.2.1:9090"}) {
    const std::string listen = fmt::format("[api]\nlisten = \"{}\"\n", address);
    EXPECT_THAT(error_of(listen), HasSubstr("the API has neither TLS nor keys"));
    EXPECT_THAT(error_of(listen + keys), HasSubstr("the API has no TLS"));
    EXPECT_THAT(error_of(listen + tls), HasSubstr("the API has no keys"));
    EXPECT_EQ(error_of(listen + tls + keys), "accepted");
    EXPECT_THAT(parse(listen + tls + keys)->notices, IsEmpty());
    EXPECT_THAT(parse(listen + "insecure = true\n" + keys)->notices,
                testing::ElementsAre(HasSubstr("WARNING: the management API on")));
  }
  for (const std::string& rest : {std::string(), tls, keys}) {
    EXPECT_EQ(error_of("[api]\nlisten = \"127.0.0.1:9090\"\n" + rest), "accepted");
  }
}

}  // namespace
}  // namespace secbeat::agent
