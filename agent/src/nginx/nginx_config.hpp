// Where the managed nginx has its files.
//
// Value types; thread safety as for std::filesystem::path.
#pragma once

#include <filesystem>

#include "secbeat/agent/config.hpp"

namespace secbeat::agent {

struct NginxPaths {
  std::filesystem::path prefix;  // nginx runs in this folder: that is how we know our own nginx again
  std::filesystem::path config;
  std::filesystem::path candidate;  // a configuration that is tested before it takes the place of `config`
  std::filesystem::path refused;    // one that failed the test
  std::filesystem::path error_log;
  std::filesystem::path access_log;
  std::filesystem::path temporary;
  std::filesystem::path pid;
};

NginxPaths nginx_paths(const Config& config);
// [proxy] workers, or the cores.
unsigned worker_count(const Config& config);

}  // namespace secbeat::agent
