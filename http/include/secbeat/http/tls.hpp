// The API's certificate. A connection keeps the one that it began with; the next one gets what was read last, so that a
// certificate is renewed without a restart.
//
// Thread safety: every method may be called from any thread.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>

#include "secbeat/base/clock.hpp"
#include "secbeat/base/error.hpp"

struct gnutls_certificate_credentials_st;  // GnuTLS
struct gnutls_session_int;

namespace secbeat::http {

// Constant after construction.
struct Certificate {
  std::string chain_pem;
  std::string key_pem;
  std::shared_ptr<gnutls_certificate_credentials_st> credentials;
  std::string subject;  // printable
  SystemTime expires;
};

// TLS 1.2 and 1.3, with forward secrecy and authenticated encryption: what GnuTLS calls a priority string.
inline constexpr const char* kTlsPriorities =
    "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-SHA1:%SERVER_PRECEDENCE";

// A chain in PEM, the server's own certificate first, and its key in PEM without a password. kConfig says what is
// wrong. Warns in the log of a key that others may read, and of a certificate that has expired.
Result<std::shared_ptr<const Certificate>> load_certificate(const std::filesystem::path& chain,
                                                            const std::filesystem::path& key);

class CurrentCertificate {
 public:
  void replace(std::shared_ptr<const Certificate> certificate);
  [[nodiscard]] std::shared_ptr<const Certificate> get() const;  // null: no TLS
  // For a session that has not shaken hands yet. The certificate must outlive it.
  static void use(const Certificate& certificate, gnutls_session_int* session);

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Certificate> certificate_;  // guarded by mutex_
};

}  // namespace secbeat::http
