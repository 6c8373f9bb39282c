#include "config_values.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>

namespace secbeat::agent {
namespace {

bool is_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

struct HostAndPort {
  std::string_view host;  // without brackets
  bool bracketed = false;
  std::uint16_t port = 0;
};

std::optional<HostAndPort> split(std::string_view text) {
  if (std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) <= ' '; })) return std::nullopt;
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  HostAndPort result;
  const std::string_view digits = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), result.port);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  result.host = text.substr(0, colon);
  if (result.host.size() > 2 && result.host.front() == '[' && result.host.back() == ']') {
    result.host = result.host.substr(1, result.host.size() - 2);
    result.bracketed = true;
  }
  return result;
}

bool is_address(int family, std::string_view host) {
  in6_addr address{};
  return ::inet_pton(family, std::string(host).c_str(), &address) == 1;
}

bool is_dns_name(std::string_view host) {
  constexpr std::size_t kLongestName = 253;  // RFC 1035, section 2.3.4, as text
  return !host.empty() && host.size() <= kLongestName && host.front() != '-' && host.front() != '.' &&
         std::ranges::all_of(host, [](char c) { return is_alnum(c) || c == '-' || c == '.' || c == '_'; });
}

}  // namespace

std::optional<Listen> parse_listen(std::string_view text) {
  const auto parts = split(text);
  if (!parts) return std::nullopt;
  if (parts->bracketed) {
    if (!is_address(AF_INET6, parts->host)) return std::nullopt;
    return Listen{std::string(parts->host), parts->port};
  }
  if (parts->host == "localhost") return Listen{"127.0.0.1", parts->port};
  if (parts->host == "*") return Listen{"0.0.0.0", parts->port};
  if (!is_address(AF_INET, parts->host)) return std::nullopt;
  return Listen{std::string(parts->host), parts->port};
}

bool is_host_and_port(std::string_view text) {
  const auto parts = split(text);
  if (!parts || parts->port == 0) return false;
  return parts->bracketed ? is_address(AF_INET6, parts->host) : is_dns_name(parts->host);
}

bool is_loopback(std::string_view host) {
  in_addr v4{};
  if (::inet_pton(AF_INET, std::string(host).c_str(), &v4) == 1) {
    return (ntohl(v4.s_addr) >> 24U) == IN_LOOPBACKNET;
  }
  in6_addr v6{};
  return ::inet_pton(AF_INET6, std::string(host).c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::string to_text(const Listen& listen) {
  const bool v6 = listen.host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", listen.host, v6 ? "]" : "", listen.port);
}

bool is_name(std::string_view text) {
  constexpr std::size_t kLongestName = 64;
  return !text.empty() && text.size() <= kLongestName && text.front() != '.' && text.front() != '-' &&
         std::ranges::all_of(text, [](char c) { return is_alnum(c) || c == '.' || c == '_' || c == '-'; });
}

std::optional<std::string> parse_sha256(std::string_view text) {
  constexpr std::size_t kDigits = 64;
  if (text.size() != kDigits) return std::nullopt;
  std::string digits(text);
  for (char& c : digits) {
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
    if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f')) return std::nullopt;
  }
  return digits;
}

bool is_plain_path(std::string_view text) {
  constexpr std::string_view kSpecialToNginx = "\"'\\$;{}";
  return std::ranges::none_of(text, [&](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f || kSpecialToNginx.find(c) != std::string_view::npos;
  });
}

}  // namespace secbeat::agent
