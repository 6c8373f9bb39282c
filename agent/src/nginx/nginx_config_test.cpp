// The generated nginx configuration: what it must say.
#include "nginx_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "secbeat/agent/supervisor.hpp"

namespace secbeat::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Config config_of(const std::string& more) {
  auto config = parse_config(
      "[waf.wasm]\nmodule = \"a.wasm\"\n[node]\ndata_dir = \"/d\"\nstate_dir = \"/s\"\n[proxy]\nupstream = "
      "\"site:8080\"\n" +
          more,
      "/etc/secbeat.toml");
  EXPECT_TRUE(config) << config.error().message;
  return *config;
}

std::string generated(const std::string& more = "") { return generate_nginx_config(config_of(more), "/lib/module.so"); }

TEST(NginxConfig, LoadsTheModuleAndInspectsEverything) {
  const std::string text = generated();
  EXPECT_THAT(text, HasSubstr("load_module \"/lib/module.so\";"));
  EXPECT_THAT(text, HasSubstr("secbeat_state \"/s\";"));
  EXPECT_THAT(text, HasSubstr("secbeat on;"));
  EXPECT_THAT(text, HasSubstr("secbeat_receipt off;"));
  EXPECT_THAT(generated("receipt = true\n"), HasSubstr("secbeat_receipt on;"));
}

TEST(NginxConfig, KeepsConnectionsAndBodiesAsTheEngineNeedsThem) {
  const std::string text = generated();
  EXPECT_THAT(text, HasSubstr("worker_shutdown_timeout 10s;"));
  EXPECT_THAT(text, HasSubstr("keepalive_requests 1000000;"));
  EXPECT_THAT(text, HasSubstr("keepalive 64;"));
  EXPECT_THAT(text, HasSubstr("client_max_body_size 0;"));
  EXPECT_THAT(text, HasSubstr("client_body_buffer_size 131072;"));
}

TEST(NginxConfig, NeverBuffersBodiesInLessThanModulesMaySee) {
  Config config = config_of("");
  config.max_body_bytes = 0;
  EXPECT_THAT(generate_nginx_config(config, "/m"), HasSubstr("client_body_buffer_size 16384;"));
  config.max_body_bytes = 1000000;
  EXPECT_THAT(generate_nginx_config(config, "/m"), HasSubstr("client_body_buffer_size 1000000;"));
}

TEST(NginxConfig, ForwardsWhoAsksAndWhatFor) {
  const std::string text = generated();
  EXPECT_THAT(text, HasSubstr("proxy_set_header Host $http_host;"));
  EXPECT_THAT(text, HasSubstr("proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"));
  EXPECT_THAT(text, HasSubstr("proxy_set_header X-Forwarded-Proto $scheme;"));
  EXPECT_THAT(text, HasSubstr("server site:8080;"));
}

TEST(NginxConfig, ListensWhereItIsTold) {
  EXPECT_THAT(generated(), HasSubstr("listen 127.0.0.1:8000;"));
  EXPECT_THAT(generated("listen = \"[::1]:81\"\n"), HasSubstr("listen [::1]:81;"));
  EXPECT_THAT(generated("listen = \"*:81\"\n"), HasSubstr("listen 0.0.0.0:81;"));
}

TEST(NginxConfig, HasItsOwnFilesOnly) {
  const std::string text = generated();
  for (const char* what :
       {"pid \"/s/nginx.pid\";", "error_log \"/d/nginx/error.log\"", "access_log \"/d/nginx/access.log\"",
        "client_body_temp_path \"/d/nginx/", "proxy_temp_path \"/d/nginx/", "fastcgi_temp_path \"/d/nginx/",
        "uwsgi_temp_path \"/d/nginx/", "scgi_temp_path \"/d/nginx/"}) {
    EXPECT_THAT(text, HasSubstr(what));
  }
  EXPECT_THAT(generated("access_log = false\n"), HasSubstr("access_log off;"));
}

TEST(NginxConfig, NamesAUserOnlyWhereThatHasAnEffect) {
  const bool named = generated("user = \"nobody\"\n").find("user nobody;") != std::string::npos;
  EXPECT_EQ(named, ::geteuid() == 0);
}

TEST(NginxConfig, StartsTheWorkersThatAreAskedFor) {
  EXPECT_THAT(generated("workers = 3\n"), HasSubstr("worker_processes 3;"));
  EXPECT_THAT(generated(), Not(HasSubstr("worker_processes 0;")));
}

TEST(NginxConfig, HasBalancedBraces) {
  const std::string text = generated();
  EXPECT_EQ(std::ranges::count(text, '{'), std::ranges::count(text, '}'));
}

}  // namespace
}  // namespace secbeat::agent
