#include "secbeat/agent/signature.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/evp.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <span>

#include "secbeat/base/text.hpp"
#include "secbeat/engine/module_info.hpp"

namespace secbeat::agent {
namespace {

constexpr std::string_view kFirstLine = "secbeat-signature-1";
constexpr std::size_t kHexOfSha256 = 64;
constexpr std::size_t kKeyIdDigits = 16;
// Clocks differ; one that is a day ahead would lock out every signature that comes after.
constexpr std::chrono::minutes kMostAhead{10};

std::unexpected<Error> bad(std::string what) { return fail(ErrorCode::kBadSignature, std::move(what)); }

bool is_hex(std::string_view text, std::size_t digits) {
  return text.size() == digits &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// REQUIRES: digits only. At most nine of them.
int number(std::string_view digits) {
  int value = 0;
  for (const char digit : digits) value = value * 10 + (digit - '0');
  return value;
}

// "2025-11-24T01:00:03Z" and nothing else.
std::optional<SystemTime> moment(std::string_view text) {
  constexpr std::string_view kShape = "0000-00-00T00:00:00Z";
  if (text.size() != kShape.size()) return std::nullopt;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool fits = kShape[i] == '0' ? text[i] >= '0' && text[i] <= '9' : text[i] == kShape[i];
    if (!fits) return std::nullopt;
  }
  using namespace std::chrono;
  const year_month_day date{year(number(text.substr(0, 4))), month(static_cast<unsigned>(number(text.substr(5, 2)))),
                            day(static_cast<unsigned>(number(text.substr(8, 2))))};
  const int hour = number(text.substr(11, 2));
  const int minute = number(text.substr(14, 2));
  const int second = number(text.substr(17, 2));
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  return SystemTime(sys_days(date) + hours(hour) + minutes(minute) + seconds(second));
}

std::string base64(std::span<const unsigned char> bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int length =
      ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

// The only text that base64() gives for these bytes, or nothing.
std::optional<std::array<unsigned char, 64>> signature_bytes(std::string_view text) {
  constexpr std::size_t kDigits = 88;
  std::array<unsigned char, kDigits / 4 * 3> decoded{};
  if (text.size() != kDigits) return std::nullopt;
  if (::EVP_DecodeBlock(decoded.data(), reinterpret_cast<const unsigned char*>(text.data()),
                        static_cast<int>(text.size())) != static_cast<int>(decoded.size())) {
    return std::nullopt;
  }
  std::array<unsigned char, 64> bytes{};
  std::copy_n(decoded.begin(), bytes.size(), bytes.begin());
  return base64(bytes) == text ? std::optional(bytes) : std::nullopt;
}

// Takes the lines of a signature one after the other.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}
  Result<std::string_view> next(std::string_view begins) {
    ++number_;
    const std::size_t end = rest_.find('\n');
    if (end == std::string_view::npos || !rest_.substr(0, end).starts_with(begins)) {
      return bad(fmt::format("The signature is malformed: line {} should begin with \"{}\"", number_, begins));
    }
    const std::string_view value = rest_.substr(begins.size(), end - begins.size());
    rest_.remove_prefix(end + 1);
    return value;
  }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] std::unexpected<Error> fault(std::string_view expected) const {
    return bad(fmt::format("The signature is malformed: line {} should have {}", number_, expected));
  }

 private:
  std::string_view rest_;
  int number_ = 0;
};

// One line into one member. `what` is expected where `good` says no.
template <class Good>
Result<void> read_line(Lines& lines, std::string_view begins, std::string& into, Good good, std::string_view what) {
  const auto value = lines.next(begins);
  if (!value) return std::unexpected(value.error());
  if (!good(*value)) return lines.fault(what);
  into = *value;
  return {};
}

Result<void> read_members(Lines& lines, Signature& signature) {
  if (auto line = read_line(lines, "module: ", signature.module, engine::is_module_name, "a module's name"); !line) {
    return line;
  }
  const auto is_sha256 = [](std::string_view text) { return is_hex(text, kHexOfSha256); };
  if (auto line = read_line(lines, "sha256: ", signature.sha256, is_sha256, "64 lower-case hexadecimal digits");
      !line) {
    return line;
  }
  const auto is_moment = [](std::string_view text) { return moment(text).has_value(); };
  if (auto line =
          read_line(lines, "signed_at: ", signature.signed_at, is_moment, "a time such as 2025-11-24T01:00:03Z");
      !line) {
    return line;
  }
  const auto is_key_id = [](std::string_view text) { return is_hex(text, kKeyIdDigits); };
  return read_line(lines, "key: ", signature.key_id, is_key_id, "16 lower-case hexadecimal digits");
}

}  // namespace

std::filesystem::path signature_path(const std::filesystem::path& module) {
  return module.string() + std::string(kSignatureSuffix);
}

std::string signed_text(const Signature& signature) {
  return fmt::format("{}\nmodule: {}\nsha256: {}\nsigned_at: {}\nkey: {}\n", kFirstLine, signature.module,
                     signature.sha256, signature.signed_at, signature.key_id);
}

std::string to_text(const Signature& signature) {
  return fmt::format("{}signature: {}\n", signed_text(signature), base64(signature.bytes));
}

Result<Signature> signature_from_text(std::string_view text) {
  if (text.size() > kMaxSignatureBytes) {
    return bad(fmt::format("The signature has {} bytes; at most {} are allowed", text.size(), kMaxSignatureBytes));
  }
  Lines lines(text);
  if (auto first = lines.next(kFirstLine); !first) return std::unexpected(first.error());
  Signature signature;
  if (auto read = read_members(lines, signature); !read) return std::unexpected(read.error());
  const auto value = lines.next("signature: ");
  if (!value) return std::unexpected(value.error());
  const auto bytes = signature_bytes(*value);
  if (!bytes || !lines.at_end()) return lines.fault("64 bytes in base64, and nothing after it");
  signature.bytes = *bytes;
  // Whatever else the text could have said is refused here.
  if (to_text(signature) != text) return bad("The signature is malformed: it is not written as secbeat sign writes it");
  return signature;
}

Result<void> check_signature(const Signature& signature, const SignedBytes& bytes, const TrustedKeys& trusted,
                             SystemTime now) {
  const auto key = std::ranges::find(trusted.keys, signature.key_id, &SigningKey::id);
  if (key == trusted.keys.end()) {
    std::vector<std::string> ids;
    for (const SigningKey& known : trusted.keys) ids.push_back(known.id());
    return bad(fmt::format("The signature is by the key {}, which this node does not trust; it trusts {}{}",
                           signature.key_id, ids.empty() ? "none" : fmt::format("{}", fmt::join(ids, ", ")),
                           trusted.problems.empty() ? "" : fmt::format(" ({})", fmt::join(trusted.problems, "; "))));
  }
  if (!key->verifies(signature)) {
    return bad(fmt::format("The signature is not by the key {} that it names: it was changed or made by another key",
                           signature.key_id));
  }
  if (signature.sha256 != bytes.sha256) {
    return bad(fmt::format("The signature is for other bytes: for the SHA-256 {}, and the module has {}",
                           signature.sha256, bytes.sha256));
  }
  if (signature.module != bytes.module) {
    return bad(fmt::format("The signature is for the name {} and the module is to serve as {}: sign it with --name {}",
                           signature.module, bytes.module, bytes.module));
  }
  const auto signed_at = moment(signature.signed_at);
  if (!signed_at || *signed_at > now + kMostAhead) {
    return bad(
        fmt::format("The signature is of {}, which is still to come: compare the clocks of this machine and of "
                    "the one that signed",
                    signature.signed_at));
  }
  return {};
}

}  // namespace secbeat::agent
