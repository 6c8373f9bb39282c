// Keys as PEM, and the folder of those that are trusted.
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "secbeat/agent/signature.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/base/text.hpp"

namespace secbeat::agent {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxKeyFileBytes = 4096;  // a PEM of an Ed25519 key has 120 to 400
constexpr std::size_t kMostKeys = 100;
constexpr std::string_view kKeySuffix = ".pub";
constexpr std::size_t kHexOfKeyId = 16;

using Key = std::shared_ptr<EVP_PKEY>;
using Bio = std::unique_ptr<BIO, decltype(&::BIO_free)>;
using Digest = std::unique_ptr<EVP_MD_CTX, decltype(&::EVP_MD_CTX_free)>;

Key own(EVP_PKEY* key) {
  return {key, [](EVP_PKEY* gone) { ::EVP_PKEY_free(gone); }};
}

Bio reader(std::string_view text) {
  return {::BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), ::BIO_free};
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = ::BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

std::unexpected<Error> failed(std::string_view what) {
  return fail(ErrorCode::kInternal, fmt::format("OpenSSL cannot {}", what));
}

Result<SigningKey> read_key(const fs::path& file) {
  struct stat st{};
  if (::stat(file.c_str(), &st) != 0) return std::unexpected(io_error("cannot look at it"));
  if (const auto who = who_else_writes(st); !who.empty()) return fail(ErrorCode::kConfig, fmt::format("it {}", who));
  auto pem = read_file(file, kMaxKeyFileBytes);
  if (!pem) return std::unexpected(pem.error());
  return SigningKey::public_from_pem(*pem);
}

}  // namespace

SigningKey::SigningKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {
  std::array<unsigned char, 32> raw{};
  std::size_t size = raw.size();
  ::EVP_PKEY_get_raw_public_key(key_.get(), raw.data(), &size);
  id_ = sha256_hex({reinterpret_cast<const char*>(raw.data()), raw.size()}).substr(0, kHexOfKeyId);
}

Result<SigningKey> SigningKey::checked(Key key, std::string_view what) {
  if (key == nullptr || ::EVP_PKEY_get_id(key.get()) != EVP_PKEY_ED25519) {
    return fail(ErrorCode::kBadRequest, fmt::format("no {} Ed25519 key in PEM", what));
  }
  return SigningKey(std::move(key));
}

Result<SigningKey> SigningKey::secret_from_pem(std::string_view pem) {
  const Bio bio = reader(pem);
  return checked(own(::PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr)), "secret");
}

Result<SigningKey> SigningKey::public_from_pem(std::string_view pem) {
  const Bio bio = reader(pem);
  const auto no_passphrase = [](char*, int, int, void*) { return -1; };  // else OpenSSL would ask on a terminal
  return checked(own(::PEM_read_bio_PUBKEY(bio.get(), nullptr, no_passphrase, nullptr)), "public");
}

Result<SigningKey> SigningKey::generate() {
  Key key = own(::EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  if (key == nullptr) return failed("make a key");
  return SigningKey(std::move(key));
}

Result<std::string> SigningKey::public_pem() const {
  const Bio bio(::BIO_new(::BIO_s_mem()), ::BIO_free);
  if (::PEM_write_bio_PUBKEY(bio.get(), key_.get()) != 1) return failed("write the public key");
  return text_of(bio.get());
}

Result<std::string> SigningKey::secret_pem() const {
  const Bio bio(::BIO_new(::BIO_s_secmem()), ::BIO_free);
  if (::PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return failed("write the secret key");
  }
  return text_of(bio.get());
}

Result<void> SigningKey::sign(Signature& signature) const {
  const std::string text = signed_text(signature);
  const Digest digest(::EVP_MD_CTX_new(), ::EVP_MD_CTX_free);
  std::size_t size = signature.bytes.size();
  if (::EVP_DigestSignInit(digest.get(), nullptr, nullptr, nullptr, key_.get()) != 1 ||
      ::EVP_DigestSign(digest.get(), signature.bytes.data(), &size, reinterpret_cast<const unsigned char*>(text.data()),
                       text.size()) != 1) {
    return failed("sign with this key");
  }
  return {};
}

bool SigningKey::verifies(const Signature& signature) const {
  const std::string text = signed_text(signature);
  const Digest digest(::EVP_MD_CTX_new(), ::EVP_MD_CTX_free);
  return ::EVP_DigestVerifyInit(digest.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
         ::EVP_DigestVerify(digest.get(), signature.bytes.data(), signature.bytes.size(),
                            reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1;
}

Result<TrustedKeys> read_trusted_keys(const fs::path& folder) {
  struct stat st{};
  if (::stat(folder.c_str(), &st) != 0 || !S_ISDIR(st.st_mode)) {
    return fail(ErrorCode::kConfig, fmt::format("{} ([waf.wasm] trusted_keys) is no folder that can be read: put the "
                                                "public keys there, as files *.pub",
                                                folder.string()));
  }
  if (const auto who = who_else_writes(st); !who.empty()) {
    return fail(ErrorCode::kConfig, fmt::format("{} ([waf.wasm] trusted_keys) {}: whoever can put a key there decides "
                                                "which modules run; give it to this user with mode 0755",
                                                folder.string(), who));
  }
  TrustedKeys trusted;
  std::vector<fs::path> files = entries_of(folder);
  std::erase_if(files, [](const fs::path& file) { return file.extension() != kKeySuffix; });
  std::ranges::sort(files);
  for (const fs::path& file : files) {
    const std::string name = printable(file.filename().string());
    if (trusted.keys.size() >= kMostKeys) {
      trusted.problems.push_back(fmt::format("{} and those after it are more than {} keys", name, kMostKeys));
      break;
    }
    auto key = read_key(file);
    if (!key) {
      trusted.problems.push_back(fmt::format("{} does not count: {}", name, key.error().message));
    } else {
      trusted.keys.push_back(*std::move(key));
    }
  }
  return trusted;
}

}  // namespace secbeat::agent
