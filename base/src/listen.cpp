#include "secbeat/base/listen.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <set>
#include <sstream>

#include "secbeat/base/files.hpp"
#include "secbeat/base/text.hpp"

namespace secbeat {
namespace {

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

bool is_letter_or_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_dns_name(std::string_view host) {
  constexpr std::size_t kLongestName = 253;  // RFC 1035, section 2.3.4, as text
  return !host.empty() && host.size() <= kLongestName && host.front() != '-' && host.front() != '.' &&
         std::ranges::all_of(host, [](char c) { return is_letter_or_digit(c) || c == '-' || c == '.' || c == '_'; });
}

// Inodes of the sockets that listen on the port.
std::set<std::string> listening_inodes(std::uint16_t port) {
  constexpr std::string_view kListening = "0A";  // TCP_LISTEN
  std::set<std::string> inodes;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream file(table);
    std::string line;
    std::getline(file, line);  // the heading
    while (std::getline(file, line)) {
      std::istringstream words(line);
      std::string index, local, remote, state, queues, timer, retransmits, uid, timeout, inode;
      words >> index >> local >> remote >> state >> queues >> timer >> retransmits >> uid >> timeout >> inode;
      if (state == kListening && local.ends_with(fmt::format(":{:04X}", port))) inodes.insert(inode);
    }
  }
  return inodes;
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

std::string first_line(const std::filesystem::path& file) {
  std::string line;
  std::getline(std::ifstream(file), line);
  return line;
}

std::string describe_process(pid_t pid) {
  const std::filesystem::path process = fmt::format("/proc/{}", pid);
  std::string command = first_line(process / "cmdline");
  std::ranges::replace(command, '\0', ' ');
  while (!command.empty() && command.back() == ' ') command.pop_back();
  if (command.empty()) command = first_line(process / "comm");
  return fmt::format("process {} ({})", pid, printable(command));
}

std::vector<pid_t> port_owners(std::uint16_t port) {
  std::vector<pid_t> owners;
  const auto inodes = listening_inodes(port);
  for (const auto& entry : entries_of("/proc")) {
    const std::string name = entry.filename().string();
    if (inodes.empty() || name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (any_socket(entry, [&](const std::string&, const std::string& inode) { return inodes.contains(inode); })) {
      owners.push_back(static_cast<pid_t>(std::stol(name)));
    }
  }
  return owners;
}

std::string port_in_use(std::uint16_t port) {
  const auto owners = port_owners(port);
  return fmt::format("the port is in use by {}",
                     owners.empty() ? "a process of another user" : describe_process(owners.front()));
}

}  // namespace secbeat
