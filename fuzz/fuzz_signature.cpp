// Signatures of modules and public keys. A signature that is taken is written again to the byte; a key that is taken is
// an Ed25519 key that reads back, and holds no signature that it did not make.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "secbeat/agent/signature.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace secbeat::agent;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto signature = signature_from_text(text); signature && to_text(*signature) != text) std::abort();
  if (const auto key = SigningKey::public_from_pem(text)) {
    const auto pem = key->public_pem();
    const auto again = pem ? SigningKey::public_from_pem(*pem) : SigningKey::public_from_pem("");
    if (!again || again->id() != key->id()) std::abort();
    Signature forged;
    forged.key_id = key->id();
    forged.bytes.fill(1);
    if (key->verifies(forged)) std::abort();
  }
  return 0;
}
