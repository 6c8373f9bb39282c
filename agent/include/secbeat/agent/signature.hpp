// Signatures of modules: who vouches for which bytes, under which name, since when.
//
// A signature is a file of six lines of text beside the module, FILE.sig:
//
//   secbeat-signature-1
//   module: bad-bot-blocker
//   sha256: <SHA-256 of the module's bytes>
//   signed_at: 2025-11-24T01:00:03Z
//   key: <id of the public key>
//   signature: <Ed25519 in base64, over the five lines above with their newlines>
//
// The first line keeps what a key has signed for another purpose from being taken for one. docs/signing.md says what a
// signature protects against and what not.
//
// Thread safety: values; every function may be called from any thread.
#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/base/clock.hpp"
#include "secbeat/base/error.hpp"

struct evp_pkey_st;

namespace secbeat::agent {

struct Signature {
  std::string module;     // the only name under which it counts
  std::string sha256;     // of the module's bytes
  std::string signed_at;  // RFC 3339 in UTC to the second: these texts sort as the moments do
  std::string key_id;
  std::array<unsigned char, 64> bytes{};  // Ed25519 over signed_text()

  bool operator==(const Signature&) const = default;
};

// Room for the longest name and some white space at the end.
inline constexpr std::size_t kMaxSignatureBytes = 1024;
inline constexpr std::string_view kSignatureSuffix = ".sig";

std::filesystem::path signature_path(const std::filesystem::path& module);

std::string to_text(const Signature& signature);
std::string signed_text(const Signature& signature);
// kBadSignature with the line that is not as it should be. What is taken is what to_text() writes, to the byte.
Result<Signature> signature_from_text(std::string_view text);

// An Ed25519 key: of one half only, or with the secret half.
class SigningKey {
 public:
  // kBadRequest for anything that is no such key. An encrypted secret key asks for its passphrase on the terminal.
  static Result<SigningKey> secret_from_pem(std::string_view pem);
  static Result<SigningKey> public_from_pem(std::string_view pem);
  static Result<SigningKey> generate();

  // 16 hexadecimal digits: the beginning of the SHA-256 of the public half.
  [[nodiscard]] const std::string& id() const noexcept { return id_; }
  [[nodiscard]] Result<std::string> public_pem() const;
  [[nodiscard]] Result<std::string> secret_pem() const;  // REQUIRES: has the secret half
  // REQUIRES: has the secret half; key_id is its own.
  [[nodiscard]] Result<void> sign(Signature& signature) const;
  [[nodiscard]] bool verifies(const Signature& signature) const;

 private:
  explicit SigningKey(std::shared_ptr<evp_pkey_st> key);
  static Result<SigningKey> checked(std::shared_ptr<evp_pkey_st> key, std::string_view what);

  std::shared_ptr<evp_pkey_st> key_;  // never changed after construction
  std::string id_;
};

// The public keys that a folder names: its files *.pub. Read anew for each upload, so that a key counts from the moment
// its file is there until the moment it is gone.
struct TrustedKeys {
  std::vector<SigningKey> keys;
  std::vector<std::string> problems;  // files that were left out, and why
};
// kConfig: the folder cannot be read, or others could put keys into it.
Result<TrustedKeys> read_trusted_keys(const std::filesystem::path& folder);

// That the signature is by one of the keys, for these bytes under this name, and not from the future. kBadSignature
// says what does not fit.
struct SignedBytes {
  std::string_view module;
  std::string_view sha256;
};
Result<void> check_signature(const Signature& signature, const SignedBytes& bytes, const TrustedKeys& trusted,
                             SystemTime now);

}  // namespace secbeat::agent
