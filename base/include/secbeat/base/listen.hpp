// Addresses to listen on, as configurations write them, and who holds a port of this machine.
//
// Thread safety: free functions without shared state.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace secbeat {

struct Listen {
  std::string host;
  std::uint16_t port = 0;
};

// "127.0.0.1:9090", "[::1]:9090", "localhost:9090" (which is 127.0.0.1) or "*:80" (every IPv4 address).
// The host comes back without brackets. Empty: it is none of these.
std::optional<Listen> parse_listen(std::string_view text);
// "host:port" with the host as above or a DNS name.
bool is_host_and_port(std::string_view text);
bool is_loopback(std::string_view host);
// "127.0.0.1:80", "[::1]:80".
std::string to_text(const Listen& listen);

// The processes that listen on this TCP port, as far as this user may see them.
std::vector<pid_t> port_owners(std::uint16_t port);
// "the port is in use by process 4711 (nginx …)".
std::string port_in_use(std::uint16_t port);
// "process 4711 (nginx: master process …)".
std::string describe_process(pid_t pid);
// One line of a file of /proc, empty where it cannot be read.
std::string first_line(const std::filesystem::path& file);

// Calls `take(fd, inode)` for each socket of the process of this folder of /proc until it returns true.
template <class Take>
bool any_socket(const std::filesystem::path& process, Take take) {
  constexpr std::string_view kBegin = "socket:[";
  std::error_code unreadable;
  for (auto entry = std::filesystem::directory_iterator(process / "fd", unreadable);
       !unreadable && entry != std::filesystem::directory_iterator(); entry.increment(unreadable)) {
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(entry->path(), gone).string();
    if (!target.starts_with(kBegin)) continue;
    if (take(entry->path().filename().string(), target.substr(kBegin.size(), target.size() - kBegin.size() - 1))) {
      return true;
    }
  }
  return false;
}

}  // namespace secbeat
