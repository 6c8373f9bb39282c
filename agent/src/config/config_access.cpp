// Who may use the API, and from where: [[api.keys]], and what a `listen` beyond this machine takes.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <sstream>

#include "config_check.hpp"
#include "config_values.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

constexpr std::size_t kMostKeys = 256;
// The hash of a key and of the one that follows it, each with what sha256sum writes behind it, and comments.
constexpr std::size_t kMaxHashFileBytes = 4096;
constexpr std::size_t kMostHashes = 8;
// What the history says where no key was: a key of that name would pass for it.
constexpr std::array<std::string_view, 12> kReservedNames = {
    "local", "start", "file", "watch", "scoreboard", "expiry", "fleet", "nats", "cli", "api", "node", "secbeat"};

// The first word of each line is a hash; what follows it, empty lines and '#' are for people.
std::expected<std::vector<std::string>, std::string> read_hashes(const std::filesystem::path& file) {
  auto content = read_file(file, kMaxHashFileBytes);
  if (!content) return std::unexpected(std::move(content.error().message));
  std::vector<std::string> hashes;
  std::istringstream lines(*content);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    std::string word;
    if (!(std::istringstream(line) >> word) || word.front() == '#') continue;
    const auto hash = parse_sha256(word);
    if (!hash) {
      // Not shown: it may be a key.
      return std::unexpected(
          fmt::format("line {} of {} does not begin with the SHA-256 of a key, 64 hexadecimal digits; secbeat key new "
                      "prints one",
                      number, file.string()));
    }
    hashes.push_back(*hash);
  }
  if (hashes.empty() || hashes.size() > kMostHashes) {
    return std::unexpected(
        fmt::format("{} has {} hashes; expected 1 to {}, one a line", file.string(), hashes.size(), kMostHashes));
  }
  return hashes;
}

// The fault of a key's table; empty: none.
std::string fault_of(const ApiKeyDraft& key) {
  if (key.name.empty()) return "name is missing: the history and the log call whoever has the key by it";
  if (std::ranges::count(kReservedNames, key.name) != 0) {
    return fmt::format("\"{}\" is what the history calls something else; give another name", key.name);
  }
  if (key.role == Role::kNone) return "role is missing: \"viewer\", \"operator\" or \"admin\"";
  if (key.sha256.empty() == key.file.empty()) {
    return "expected the SHA-256 of the key as sha256 or in a file that sha256_file names, one of the two";
  }
  return {};
}

void finish_keys(Draft& draft, Faults& faults) {
  std::set<std::string> names;
  std::set<std::string> hashes;
  for (const ApiKeyDraft& given : draft.api_keys) {
    const auto wrong = [&](std::string what) { faults.add(given.line, "api.keys", std::move(what)); };
    if (std::string fault = fault_of(given); !fault.empty()) {
      wrong(std::move(fault));
      continue;
    }
    if (!names.insert(given.name).second) wrong(fmt::format("the name \"{}\" is there twice", given.name));
    ApiKey key{.name = given.name, .role = given.role, .sha256 = {given.sha256}};
    if (!given.file.empty()) {
      auto read = read_hashes(absolute_from(draft.base, given.file));
      if (!read) {
        wrong(std::move(read.error()));
        continue;
      }
      key.sha256 = *std::move(read);
    }
    for (const std::string& hash : key.sha256) {
      if (!hashes.insert(hash).second) wrong(fmt::format("the key of \"{}\" is there twice", given.name));
    }
    draft.config.api_keys.push_back(std::move(key));
  }
  if (draft.api_keys.size() > kMostKeys) {
    faults.add(line_of(draft, "api.keys"), "api.keys", fmt::format("more than {} keys", kMostKeys));
  }
}

void finish_tls(Draft& draft, Faults& faults) {
  Config& config = draft.config;
  if (config.tls_certificate.empty() != config.tls_key.empty()) {
    const bool lacks_key = config.tls_key.empty();
    faults.add(line_of(draft, lacks_key ? "api.tls_certificate" : "api.tls_key"), "api",
               lacks_key ? "tls_certificate without tls_key: the file with its key in PEM"
                         : "tls_key without tls_certificate: the file with the certificate and its chain in PEM");
  }
  for (std::filesystem::path* file : {&config.tls_certificate, &config.tls_key}) {
    if (!file->empty()) *file = absolute_from(draft.base, *file);
  }
}

// Beyond this machine: TLS, so that nobody takes a key on the way, and keys, so that not everybody may do everything.
void finish_reach(Draft& draft, Faults& faults) {
  Config& config = draft.config;
  if (is_loopback(config.api.host)) return;
  const bool has_keys = !draft.api_keys.empty();
  const bool has_tls = !config.tls_certificate.empty();
  if (has_keys && has_tls) return;
  const std::string_view lacks = has_keys  ? "no TLS: whoever listens on the way can take keys and use them"
                                 : has_tls ? "no keys: whoever reaches it can replace your rules"
                                           : "neither TLS nor keys: whoever reaches it can replace your rules";
  if (config.api_insecure) {
    config.notices.push_back(
        fmt::format("api.insecure: WARNING: the management API on {} has {}", to_text(config.api), lacks));
    return;
  }
  faults.add(line_of(draft, "api.listen"), "api.listen",
             fmt::format("{} is reachable from other machines, and the API has {}: give tls_certificate, tls_key and "
                         "[[api.keys]] (secbeat key new), listen on 127.0.0.1, or say insecure = true in [api]",
                         to_text(config.api), lacks));
}

}  // namespace

void finish_access(Draft& draft, Faults& faults) {
  finish_keys(draft, faults);
  finish_tls(draft, faults);
  finish_reach(draft, faults);
}

}  // namespace secbeat::agent
