// The folders of a node, and whether nginx' workers reach in them what they need.
//
// Thread safety: free functions without shared state; make_folders and check_reach use no thread-unsafe state.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "secbeat/agent/config.hpp"
#include "secbeat/base/error.hpp"

namespace secbeat::agent {

// Whom nginx' workers run as. Where the agent is not root: as the agent does.
struct WorkerIdentity {
  static constexpr uid_t kSameUser = static_cast<uid_t>(-1);
  static constexpr gid_t kSameGroup = static_cast<gid_t>(-1);
  std::string user;
  uid_t uid = kSameUser;
  gid_t gid = kSameGroup;
  std::vector<gid_t> groups;  // all that it is in
};

// kConfig: there is no such user.
Result<WorkerIdentity> find_worker_identity(const Config& config);

// data_dir and state_dir. Refuses one that another user could change.
Result<void> make_folders(const Config& config);
// state_dir/data → data_dir. REQUIRES: both are locked, or another node's workers would lose their files.
Result<void> link_data(const Config& config);

// Looks as the workers' user does, before nginx starts; kConfig names the first folder or file in the way.
// REQUIRES: socket, scoreboard and data are there.
Result<void> check_reach(const Config& config, const WorkerIdentity& identity);

// The same for the way to one folder that exists.
Result<void> check_way(const std::filesystem::path& folder, const WorkerIdentity& identity);

}  // namespace secbeat::agent
