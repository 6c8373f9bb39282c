// Whether somebody who is trusted vouches for the bytes that are to come into force.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "reloader_impl.hpp"
#include "secbeat/agent/signature.hpp"

namespace secbeat::agent {
namespace {

Error not_signed() {
  return {ErrorCode::kSignatureRequired,
          "The module is not signed and this node takes only signed ones: sign it with secbeat sign, and send the "
          "signature with it (for a file: beside it, as FILE.sig)"};
}

}  // namespace

Result<void> ReloaderImpl::check_vouched(const Candidate& candidate, const std::optional<std::string>& text,
                                         Attempt& attempt) const {
  if (!text) return config_.require_signature ? Result<void>(std::unexpected(not_signed())) : Result<void>();
  const auto signature = signature_from_text(*text);
  if (!signature) return std::unexpected(signature.error());
  if (config_.trusted_keys.empty()) {
    attempt.warnings.emplace_back("The signature was not checked: this node has no [waf.wasm] trusted_keys");
    return {};
  }
  const auto trusted = read_trusted_keys(config_.trusted_keys);
  if (!trusted) {
    return fail(ErrorCode::kBadSignature, "The signature cannot be checked: " + trusted.error().message);
  }
  const SignedBytes bytes{.module = candidate.name, .sha256 = candidate.sha256};
  if (auto checked = check_signature(*signature, bytes, *trusted, clock_.now()); !checked) return checked;
  if (auto fresh = check_not_older(*signature); !fresh) return fresh;
  attempt.signature = SignatureRow{.name = candidate.name,
                                   .sha256 = candidate.sha256,
                                   .key_id = signature->key_id,
                                   .signed_at = signature->signed_at,
                                   .text = *text};
  return {};
}

// A signature says that these bytes may serve, and cannot be taken back. One that is older than what served since would
// let anybody who kept it bring back what was replaced for a reason.
Result<void> ReloaderImpl::check_not_older(const Signature& signature) const {
  if (!config_.require_signature) return {};
  const control::InForce now = in_force();
  const control::Slot* slot = now.find(signature.module);
  const control::Version* current = slot == nullptr ? nullptr : slot->current_version();
  if (current != nullptr && current->sha256 == signature.sha256) return {};  // it serves already
  const auto newest = ledger_->newest_signature(signature.module);
  if (!newest) return std::unexpected(newest.error());
  if (signature.signed_at >= *newest) return {};
  return fail(ErrorCode::kBadSignature,
              fmt::format("The signature is of {}, and a version of {} that was signed later, at {}, was in force: "
                          "roll back to bring an earlier version back, or sign these bytes again",
                          signature.signed_at, signature.module, *newest));
}

void ReloaderImpl::tell_unsigned() const {
  if (config_.trusted_keys.empty()) return;
  const auto trusted = read_trusted_keys(config_.trusted_keys);
  if (!trusted) return spdlog::error("no signature can be checked: {}", trusted.error().message);
  for (const std::string& problem : trusted->problems) spdlog::warn("trusted_keys: {}", problem);
  if (trusted->keys.empty()) spdlog::warn("{} has no key: no signature counts", config_.trusted_keys.string());
  if (!config_.require_signature) return;
  for (const control::Slot& slot : in_force().slots) {
    const control::Version* current = slot.current_version();
    const auto signature = current == nullptr ? Result<std::optional<SignatureRow>>(std::nullopt)
                                              : ledger_->signature(slot.name, current->sha256);
    if (current != nullptr && signature && !*signature) {
      spdlog::warn(
          "{} {} is in force and came without a signature, before one was required: it stays until it is "
          "replaced",
          slot.name, current->label);
    }
  }
}

}  // namespace secbeat::agent
