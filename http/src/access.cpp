#include "secbeat/http/access.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <spdlog/spdlog.h>
#include <sys/random.h>

#include <algorithm>
#include <functional>

#include "secbeat/base/files.hpp"
#include "secbeat/base/text.hpp"
#include "secbeat/http/route.hpp"
#include "secbeat/http/text.hpp"

namespace secbeat::http {
namespace {

// No shorter one is taken, whatever its hash: a password is no key.
constexpr std::size_t kShortestKey = 32;
constexpr std::size_t kLongestKey = 512;

std::uint64_t random_number() {
  std::uint64_t number = 0;
  // So few bytes come whole once the pool is initialised, which it is when services start.
  static_cast<void>(::getrandom(&number, sizeof number, 0));
  return number;
}

// The key of "Bearer <key>" (RFC 6750, section 2.1; the scheme in any case); empty where the header has another form.
std::string_view key_of(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() < kScheme.size()) return {};
  const bool is_bearer = std::ranges::equal(authorization.substr(0, kScheme.size()), kScheme, [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  });
  if (!is_bearer) return {};
  authorization.remove_prefix(kScheme.size());
  while (authorization.starts_with(' ')) authorization.remove_prefix(1);
  while (authorization.ends_with(' ')) authorization.remove_suffix(1);
  return authorization;
}

// The key with this hash. Every hash is compared whole, so that the time tells nothing.
const ApiKey* find_key(const std::vector<ApiKey>& keys, std::string_view sha256) {
  const ApiKey* found = nullptr;
  for (const ApiKey& key : keys) {
    for (const std::string& hash : key.sha256) {
      if (equal_in_constant_time(hash, sha256)) found = &key;
    }
  }
  return found;
}

// The key that was given, or what to say where it is none of them.
std::expected<const ApiKey*, std::string> identify(const std::vector<ApiKey>& keys,
                                                   std::optional<std::string_view> authorization,
                                                   std::string_view server) {
  const std::string_view given = authorization ? key_of(*authorization) : std::string_view();
  if (given.empty()) {
    return std::unexpected(
        "This call takes a key: send Authorization: Bearer KEY (secbeat: --key-file, SECBEAT_KEY or a profile)");
  }
  if (given.size() < kShortestKey || given.size() > kLongestKey) {
    return std::unexpected(
        fmt::format("A key has {} to {} characters; secbeat key new makes one", kShortestKey, kLongestKey));
  }
  const ApiKey* key = find_key(keys, sha256_hex(given));
  if (key == nullptr) return std::unexpected(fmt::format("The key is none of this {}'s", server));
  return key;
}

// What a Host header names, without its port: "localhost:9090", "[::1]:9090".
std::string_view host_of(std::string_view header) {
  const std::size_t bracket = header.find(']');
  if (header.starts_with('[') && bracket != std::string_view::npos) return header.substr(1, bracket - 1);
  return header.substr(0, header.find(':'));
}

bool is_localhost(std::string_view host) {
  return std::ranges::equal(host, std::string_view("localhost"),
                            [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
}

bool is_address(const std::string& host) {
  in6_addr address{};
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1 || ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

// The address, of IPv6 its first 64 bits.
std::string counted_part(const std::string& address) {
  constexpr std::size_t kPrefixBytes = 8;
  in6_addr v6{};
  if (::inet_pton(AF_INET6, address.c_str(), &v6) != 1) return address;
  return {reinterpret_cast<const char*>(v6.s6_addr), kPrefixBytes};
}

}  // namespace

WrongKeys::WrongKeys() : seed_(random_number()), entries_(kEntries) {}

WrongKeys::Entry& WrongKeys::entry_of(std::uint64_t key) {
  const auto set = entries_.begin() + static_cast<std::ptrdiff_t>(key % (kEntries / kWays) * kWays);
  const auto end = set + static_cast<std::ptrdiff_t>(kWays);
  const auto same = std::find_if(set, end, [key](const Entry& entry) { return entry.key == key; });
  if (same != end) return *same;
  const auto soonest = std::min_element(set, end, [](const Entry& a, const Entry& b) { return a.full_at < b.full_at; });
  *soonest = {};
  soonest->key = key;
  return *soonest;
}

WrongKeys::Decision WrongKeys::count(const std::string& address, SteadyTime now) {
  // Whoever finds addresses that meet in one set gets their calls free again sooner, and nothing else.
  const std::uint64_t hash = std::hash<std::string>{}(fmt::format("{}|{}", seed_, counted_part(address)));
  const std::scoped_lock lock(mutex_);
  Entry& entry = entry_of(std::max<std::uint64_t>(hash, 1));
  const SteadyTime next = std::max(entry.full_at, now) + kInterval;
  const SteadyTime latest = now + kBurst * kInterval;
  if (next > latest) {
    const auto wait = std::chrono::ceil<std::chrono::seconds>(next - latest);
    return {.allowed = false,
            .first_refused = !std::exchange(entry.refused, true),
            .retry_after_seconds = static_cast<std::uint32_t>(wait.count())};
  }
  entry.full_at = next;
  entry.refused = false;
  return {};
}

Access::Access(std::string_view server, std::vector<ApiKey> keys)
    : server_(server), keys_(std::make_shared<const Keys>(std::move(keys))) {}

Result<void> Access::replace(std::vector<ApiKey> keys) {
  auto fresh = std::make_shared<const Keys>(std::move(keys));
  const std::scoped_lock lock(mutex_);
  if (fresh->empty() && !keys_->empty()) {
    return fail(ErrorCode::kConfig,
                "api.keys: there are none any more, and without keys whoever reaches the API may do everything: those "
                "in force stay until the program starts again");
  }
  keys_ = std::move(fresh);
  return {};
}

std::shared_ptr<const Access::Keys> Access::keys() const {
  const std::scoped_lock lock(mutex_);
  return keys_;
}

Admission Access::admit(const Route* route, std::optional<std::string_view> authorization, const std::string& address,
                        SteadyTime now) {
  const std::shared_ptr<const Keys> keys = this->keys();
  if (keys->empty()) return {.caller = {.address = address}, .refusal = {}};
  Admission admission{.caller = {.name = {}, .role = Role::kNone, .address = address}, .refusal = {}};
  if (route != nullptr && route->role == Role::kNone) return admission;
  auto key = identify(*keys, authorization, server_);
  if (!key) {
    admission.refusal = refuse_key(std::move(key.error()), address, now);
    return admission;
  }
  admission.caller.name = (*key)->name;
  admission.caller.role = (*key)->role;
  if (route == nullptr) return admission;
  if (auto reaches = require_role(admission.caller, route->role, "This call"); !reaches) {
    admission.refusal = std::move(reaches.error());
    const std::scoped_lock lock(mutex_);
    ++refused_.forbidden;
  }
  return admission;
}

std::optional<HttpResponse> Access::refuse_name(std::optional<std::string_view> host) {
  if (!host || !keys()->empty()) return std::nullopt;
  const std::string_view name = host_of(*host);
  if (is_localhost(name) || is_address(std::string(name))) return std::nullopt;
  {
    const std::scoped_lock lock(mutex_);
    ++refused_.forbidden;
  }
  return error_response(
      {ErrorCode::kForbidden,
       fmt::format("This {} has no keys, so it answers to localhost and to addresses only, not to the name \"{}\" "
                   "(Host): a page of another site may give its own name this address. Call it by the address that it "
                   "listens on, or give it keys ([[api.keys]])",
                   server_, shown(name))});
}

// The log line is written with the answer; of a flood, only its first.
HttpResponse Access::refuse_key(std::string message, const std::string& address, SteadyTime now) {
  const WrongKeys::Decision decision = wrong_keys_.count(address, now);
  const std::scoped_lock lock(mutex_);
  ++(decision.allowed ? refused_.unauthorized : refused_.limited);
  if (decision.allowed) {
    auto response = error_response({ErrorCode::kUnauthorized, std::move(message)});
    response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"secbeat\"");
    return response;
  }
  if (decision.first_refused) {
    spdlog::warn(
        "api: too many calls without a right key from {}: they are answered 429, and not logged, until they "
        "slow down",
        address);
  }
  auto response = error_response(
      {ErrorCode::kRateLimited, fmt::format("Too many calls without a right key from {}; try again in {} s", address,
                                            decision.retry_after_seconds)},
      {{"retry_after_seconds", decision.retry_after_seconds}});
  response.headers.emplace_back("Retry-After", std::to_string(decision.retry_after_seconds));
  return response;
}

Access::Refused Access::refused() const {
  const std::scoped_lock lock(mutex_);
  return refused_;
}

OrRefusal<void> require_role(const Caller& caller, Role role, std::string_view what) {
  if (caller.role >= role) return {};
  return refuse(ErrorCode::kForbidden, fmt::format("{} takes a key of the role {}; {} is {}", what, word_of(role),
                                                   caller.name, word_of(caller.role)));
}

}  // namespace secbeat::http
