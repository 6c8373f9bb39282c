// The configuration file: whatever it holds, it is a configuration within its bounds or an error that names the file.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "secbeat/agent/config.hpp"
#include "secbeat/agent/supervisor.hpp"

namespace {

constexpr std::string_view kFile = "/etc/secbeat/secbeat.toml";

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = secbeat::agent::parse_config(text, kFile);
  if (!config) {
    require(config.error().code == secbeat::ErrorCode::kConfig);
    require(config.error().message.starts_with(kFile));
    return 0;
  }
  require(config->data_dir.is_absolute() && config->state_dir.is_absolute());
  require(config->workers <= 64 && config->keep_previous_versions <= 8 && config->rate_limit_burst >= 1);
  require(config->rate_limit_per_second > 0 && config->max_module_bytes >= 1024);
  // Nothing of the file can add a directive: the generated text has as many as it has for any other file.
  const std::string nginx = secbeat::agent::generate_nginx_config(*config, "/usr/lib/secbeat/module.so");
  std::size_t braces = 0;
  for (const char c : nginx) braces += c == '{' ? 1 : 0;
  constexpr std::size_t kBraces = 7;  // events, http, two maps, upstream, server, location
  require(braces == kBraces && nginx.find('\0') == std::string::npos);
  return 0;
}
