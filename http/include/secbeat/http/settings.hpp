// Who may use an HTTP API of ours, where it listens, and what it takes.
//
// Value types; thread safety as for std::string.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/base/listen.hpp"

namespace secbeat::http {

// What a caller of the API may do; each may what those before it may. kNone: what needs no key.
enum class Role : std::uint8_t { kNone, kViewer, kOperator, kAdmin };
constexpr std::string_view word_of(Role role) noexcept {
  return role == Role::kAdmin      ? "admin"
         : role == Role::kOperator ? "operator"
         : role == Role::kViewer   ? "viewer"
                                   : "none";
}

// [[api.keys]]. A key itself stands nowhere on a machine that serves.
struct ApiKey {
  std::string name;
  Role role = Role::kViewer;
  std::vector<std::string> sha256;  // of the key, or of several while they are exchanged; lower case

  bool operator==(const ApiKey&) const = default;
};

// The most bytes of what a body may hold.
struct BodyLimits {
  std::size_t module_bytes = 4194304;
  std::size_t document_bytes = std::size_t{1} << 20U;  // a configuration of hundreds of rules has some 100 KiB
};

struct Settings {
  Listen listen;
  std::vector<ApiKey> keys;               // none: whoever reaches the API may do everything
  std::filesystem::path tls_certificate;  // absolute; empty: no TLS
  std::filesystem::path tls_key;          // absolute; given where the certificate is
  BodyLimits limits;
};

}  // namespace secbeat::http
