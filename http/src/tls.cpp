#include "secbeat/http/tls.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include "secbeat/base/files.hpp"
#include "secbeat/base/text.hpp"

namespace secbeat::http {
namespace {

constexpr std::size_t kMaxChainBytes = std::size_t{256} * 1024;
constexpr std::size_t kMaxKeyBytes = std::size_t{64} * 1024;

gnutls_datum_t datum_of(std::string& text) {
  return {reinterpret_cast<unsigned char*>(text.data()), static_cast<unsigned>(text.size())};
}

Result<std::string> read(const std::filesystem::path& file, std::size_t limit, std::string_view key) {
  auto content = read_file(file, limit);
  if (!content) return fail(ErrorCode::kConfig, fmt::format("{}: {}", key, content.error().message));
  return content;
}

void warn_of_readers(const std::filesystem::path& key) {
  struct stat st{};
  if (::stat(key.c_str(), &st) != 0 || (st.st_mode & (S_IRWXG | S_IRWXO)) == 0) return;
  spdlog::warn("api.tls_key: other users may read {}: chmod 600 {}", key.string(), key.string());
}

// Whom the server's own certificate is for, and until when.
void describe(Certificate& certificate) {
  gnutls_datum_t raw{};
  if (gnutls_certificate_get_crt_raw(certificate.credentials.get(), 0, 0, &raw) != GNUTLS_E_SUCCESS) return;
  gnutls_x509_crt_t made = nullptr;
  if (gnutls_x509_crt_init(&made) != GNUTLS_E_SUCCESS) return;
  const std::unique_ptr<std::remove_pointer_t<gnutls_x509_crt_t>, decltype(&gnutls_x509_crt_deinit)> own(
      made, &gnutls_x509_crt_deinit);
  if (gnutls_x509_crt_import(made, &raw, GNUTLS_X509_FMT_DER) != GNUTLS_E_SUCCESS) return;
  certificate.expires = SystemTime(std::chrono::seconds(gnutls_x509_crt_get_expiration_time(made)));
  gnutls_datum_t name{};
  if (gnutls_x509_crt_get_dn3(made, &name, 0) != GNUTLS_E_SUCCESS) return;
  certificate.subject = printable({reinterpret_cast<const char*>(name.data), name.size});
  gnutls_free(name.data);
}

}  // namespace

Result<std::shared_ptr<const Certificate>> load_certificate(const std::filesystem::path& chain,
                                                            const std::filesystem::path& key) {
  auto chain_pem = read(chain, kMaxChainBytes, "api.tls_certificate");
  if (!chain_pem) return std::unexpected(chain_pem.error());
  auto key_pem = read(key, kMaxKeyBytes, "api.tls_key");
  if (!key_pem) return std::unexpected(key_pem.error());
  warn_of_readers(key);

  auto certificate = std::make_shared<Certificate>();
  certificate->chain_pem = *std::move(chain_pem);
  certificate->key_pem = *std::move(key_pem);
  gnutls_certificate_credentials_t made = nullptr;
  if (gnutls_certificate_allocate_credentials(&made) != GNUTLS_E_SUCCESS) {
    return fail(ErrorCode::kInternal, "no memory for the API's certificate");
  }
  certificate->credentials.reset(made, &gnutls_certificate_free_credentials);
  const gnutls_datum_t chain_bytes = datum_of(certificate->chain_pem);
  const gnutls_datum_t key_bytes = datum_of(certificate->key_pem);
  const int result = gnutls_certificate_set_x509_key_mem2(made, &chain_bytes, &key_bytes, GNUTLS_X509_FMT_PEM, nullptr,
                                                          GNUTLS_PKCS_PLAIN);
  if (result < 0) {
    return fail(ErrorCode::kConfig,
                fmt::format("api.tls_certificate and api.tls_key: {} and {} are no certificate in PEM with its key: {}",
                            chain.string(), key.string(), gnutls_strerror(result)));
  }
  describe(*certificate);
  if (certificate->expires < std::chrono::system_clock::now()) {
    spdlog::warn("api.tls_certificate: {} has expired on {:%Y-%m-%d}: clients refuse it", chain.string(),
                 fmt::gmtime(std::chrono::system_clock::to_time_t(certificate->expires)));
  }
  return certificate;
}

void CurrentCertificate::replace(std::shared_ptr<const Certificate> certificate) {
  const std::scoped_lock lock(mutex_);
  certificate_ = std::move(certificate);
}

std::shared_ptr<const Certificate> CurrentCertificate::get() const {
  const std::scoped_lock lock(mutex_);
  return certificate_;
}

void CurrentCertificate::use(const Certificate& certificate, gnutls_session_int* session) {
  gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, certificate.credentials.get());
}

}  // namespace secbeat::http
