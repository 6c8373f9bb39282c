#include "node_permissions.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "secbeat/base/files.hpp"

namespace secbeat::agent {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kRights = 07777;

struct Wanted {
  const char* path;  // below data_dir
  mode_t most;
};

// Workers, which may be another user, read artifacts, configurations and the document. The ledger has the reasons and
// addresses of changes, nginx' folder the logs: those are nobody else's business.
constexpr Wanted kWanted[] = {
    {"artifacts", 0755},
    {"configs", 0755},
    {"modules", 0700},
    {"work", 0700},
    {"in_force.json", 0644},
    {"ledger.sqlite", 0600},
    {"ledger.sqlite-wal", 0600},
    {"ledger.sqlite-shm", 0600},
    {"watches.json", 0600},
    {"lock", 0644},
    {"nginx", 0750},
    {"nginx/nginx.conf", 0644},
};

Error belongs_to_another(const fs::path& path, uid_t owner) {
  return {ErrorCode::kConfig,
          fmt::format("{} belongs to the user with the id {}, who can change what the node relies on: give it to this "
                      "user (chown), or take another [node] data_dir",
                      path.string(), owner)};
}

std::string told(const fs::path& path, mode_t mode, mode_t most) {
  const bool writable = (mode & ~most & (S_IWGRP | S_IWOTH)) != 0;
  return fmt::format("{} could be {} others (mode {:04o}, at most {:04o} is wanted){}", path.string(),
                     writable ? "changed by" : "read by", mode, most, writable ? ": look whether somebody has" : "");
}

std::optional<struct stat> look_at(const fs::path& path) {
  struct stat st{};
  return ::stat(path.c_str(), &st) == 0 ? std::optional(st) : std::nullopt;
}

mode_t too_much(const struct stat& st, mode_t most) { return st.st_mode & kRights & ~most; }

}  // namespace

Result<std::vector<std::string>> tend_permissions(const Config& config, const WorkerIdentity& workers) {
  std::vector<std::string> sentences;
  for (const Wanted& wanted : kWanted) {
    const fs::path path = config.data_dir / wanted.path;
    const auto st = look_at(path);
    if (!st) continue;
    if (!belongs_to_us(*st)) return std::unexpected(belongs_to_another(path, st->st_uid));
    // Workers pass nginx' folder on the way to their temporary files.
    const bool for_workers = wanted.path == std::string_view("nginx") && workers.gid != WorkerIdentity::kSameGroup;
    if (for_workers && st->st_gid != workers.gid && ::chown(path.c_str(), static_cast<uid_t>(-1), workers.gid) != 0) {
      return std::unexpected(io_error("cannot give " + path.string() + " to the workers' group"));
    }
    if (too_much(*st, wanted.most) == 0) continue;
    const mode_t mode = st->st_mode & kRights;
    if (::chmod(path.c_str(), mode & wanted.most) != 0 && errno != ENOENT) {  // the ledger's helpers come and go
      return std::unexpected(io_error("cannot set the mode of " + path.string()));
    }
    sentences.push_back(told(path, mode, wanted.most));
  }
  return sentences;
}

std::vector<std::string> open_permissions(const Config& config) {
  std::vector<std::string> sentences;
  for (const Wanted& wanted : kWanted) {
    const fs::path path = config.data_dir / wanted.path;
    const auto st = look_at(path);
    if (!st) continue;
    if (!belongs_to_us(*st)) sentences.push_back(belongs_to_another(path, st->st_uid).message);
    if (too_much(*st, wanted.most) != 0) sentences.push_back(told(path, st->st_mode & kRights, wanted.most));
  }
  return sentences;
}

}  // namespace secbeat::agent
