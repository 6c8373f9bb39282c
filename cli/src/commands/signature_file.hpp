// Which signature is sent with a module.
//
// Thread safety: a free function.
#pragma once

#include <filesystem>
#include <string>

#include "secbeat/agent/signature.hpp"

namespace secbeat::cli {

// The one that is named, else FILE.sig where it is there.
inline std::string signature_file(const std::string& named, const std::string& module) {
  if (!named.empty() || module.empty()) return named;
  const std::filesystem::path beside = agent::signature_path(module);
  std::error_code error;
  return std::filesystem::exists(beside, error) ? beside.string() : std::string();
}

}  // namespace secbeat::cli
