#include "node_folders.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "config_values.hpp"
#include "nginx_config.hpp"
#include "secbeat/control/in_force.hpp"

namespace secbeat::agent {
namespace {

namespace fs = std::filesystem;

Result<void> make_folder(const fs::path& folder, std::string_view key) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    return fail(ErrorCode::kConfig,
                fmt::format("cannot make the folder {} ([node] {}): {}", folder.string(), key, error.message()));
  }
  struct stat st{};
  if (::stat(folder.c_str(), &st) != 0) return std::unexpected(io_error("cannot look at " + folder.string()));
  if (const auto who = who_else_writes(st); !who.empty()) {
    return fail(ErrorCode::kConfig, fmt::format("{} ([node] {}) {}: whoever can change it decides what nginx runs; "
                                                "take a folder of this user with mode 0755",
                                                folder.string(), key, who));
  }
  return {};
}

struct Look {
  std::string path;
  int mode;  // of access()
};

// Every folder on the way to `path`, to be traversed, then `path` itself.
void add_way(std::vector<Look>& looks, const fs::path& path, int mode) {
  fs::path way;
  const fs::path parent = path.parent_path();
  for (const fs::path& part : parent) {
    way /= part;
    looks.push_back({way.string(), X_OK});
  }
  looks.push_back({path.string(), mode});
}

std::vector<Look> looks_of(const Config& config) {
  const control::StatePaths state{config.state_dir};
  std::vector<Look> looks;
  add_way(looks, state.socket(), R_OK | W_OK);
  add_way(looks, state.scoreboard(), R_OK | W_OK);
  add_way(looks, config.data_dir / "artifacts", X_OK);
  add_way(looks, config.data_dir / "configs", X_OK);
  std::error_code error;
  if (fs::exists(state.in_force(), error)) add_way(looks, config.data_dir / "in_force.json", R_OK);
  if (config.nginx == Nginx::kManaged) add_way(looks, nginx_paths(config).temporary, X_OK);
  return looks;
}

// Runs in a child with the workers' identity: system calls only, as other threads may have held locks at the fork.
// The status is the number of the first look that fails, from 1; 0: none; 255: the identity cannot be taken.
[[noreturn]] void look_as(const WorkerIdentity& identity, const std::vector<Look>& looks) {
  constexpr int kNotThatUser = 255;
  if (::syscall(SYS_setgroups, identity.groups.size(), identity.groups.data()) != 0 ||
      ::syscall(SYS_setresgid, identity.gid, identity.gid, identity.gid) != 0 ||
      ::syscall(SYS_setresuid, identity.uid, identity.uid, identity.uid) != 0) {
    ::_exit(kNotThatUser);
  }
  int number = 1;
  for (const Look& look : looks) {
    if (::access(look.path.c_str(), look.mode) != 0) ::_exit(number);
    ++number;
  }
  ::_exit(0);
}

Result<void> check_looks(const std::vector<Look>& looks, const WorkerIdentity& identity) {
  if (identity.uid == WorkerIdentity::kSameUser) return {};
  const pid_t child = ::fork();
  if (child < 0) return std::unexpected(io_error("cannot fork"));
  if (child == 0) look_as(identity, looks);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return std::unexpected(io_error("cannot wait for the check of folders"));
  }
  const int number = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  if (number == 0) return {};
  if (number < 0 || static_cast<std::size_t>(number) > looks.size()) {
    return fail(ErrorCode::kConfig, fmt::format("cannot look at the folders as the user {}", identity.user));
  }
  const Look& look = looks[static_cast<std::size_t>(number) - 1];
  return fail(
      ErrorCode::kConfig,
      fmt::format("nginx' workers run as {} and cannot {} {}: give them the right (chmod o+x, for a folder), or move "
                  "[node] data_dir and state_dir",
                  identity.user, look.mode == X_OK ? "pass the folder" : "use", look.path));
}

}  // namespace

Result<WorkerIdentity> find_worker_identity(const Config& config) {
  if (::geteuid() != 0) return WorkerIdentity{};
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> buffer(16 * 1024);
  if (::getpwnam_r(config.worker_user.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
    return fail(ErrorCode::kConfig, fmt::format("there is no user {} for nginx' workers: make one, or name another in "
                                                "[proxy] user",
                                                config.worker_user));
  }
  WorkerIdentity identity{.user = config.worker_user, .uid = entry.pw_uid, .gid = entry.pw_gid, .groups = {}};
  constexpr int kMostGroups = 256;
  int count = kMostGroups;
  identity.groups.resize(kMostGroups);
  if (::getgrouplist(entry.pw_name, entry.pw_gid, identity.groups.data(), &count) < 0) count = 0;
  identity.groups.resize(static_cast<std::size_t>(count));
  return identity;
}

Result<void> make_folders(const Config& config) {
  if (auto made = make_folder(config.data_dir, "data_dir"); !made) return made;
  if (auto made = make_folder(config.state_dir, "state_dir"); !made) return made;
  if (::chmod(config.state_dir.c_str(), 0755) != 0) {
    return std::unexpected(io_error("cannot set the mode of " + config.state_dir.string()));
  }
  if (config.nginx == Nginx::kManaged) {
    constexpr mode_t kNotForOthers = 0750;  // the logs lie there; tend_permissions() gives it to the workers' group
    std::error_code error;
    const fs::path prefix = nginx_paths(config).prefix;
    const bool is_new = !fs::exists(prefix, error);
    fs::create_directories(nginx_paths(config).temporary, error);
    if (!error && is_new && ::chmod(prefix.c_str(), kNotForOthers) != 0) {
      return std::unexpected(io_error("cannot set the mode of " + prefix.string()));
    }
    if (error) {
      return fail(ErrorCode::kIo,
                  fmt::format("cannot make {}: {}", nginx_paths(config).temporary.string(), error.message()));
    }
  }
  return {};
}

Result<void> link_data(const Config& config) {
  const fs::path link = config.state_dir / "data";
  std::error_code error;
  if (fs::read_symlink(link, error) == config.data_dir && !error) return {};
  if (fs::exists(fs::symlink_status(link, error)) && !fs::is_symlink(fs::symlink_status(link, error))) {
    return fail(ErrorCode::kConfig,
                fmt::format("{} is in the way: a link to the data directory belongs there", link.string()));
  }
  // Replaced in one step where it leads elsewhere: workers never see it missing.
  const fs::path temporary = config.state_dir / fmt::format(".data.{}", ::getpid());
  fs::remove(temporary, error);
  fs::create_directory_symlink(config.data_dir, temporary, error);
  if (!error) fs::rename(temporary, link, error);
  if (error) return fail(ErrorCode::kIo, fmt::format("cannot make the link {}: {}", link.string(), error.message()));
  return {};
}

Result<void> check_reach(const Config& config, const WorkerIdentity& identity) {
  return check_looks(looks_of(config), identity);
}

Result<void> check_way(const fs::path& folder, const WorkerIdentity& identity) {
  std::vector<Look> looks;
  add_way(looks, folder, X_OK);
  return check_looks(looks, identity);
}

}  // namespace secbeat::agent
