// What in the folders of a node others could change or read: put right at each start, and told.
//
// Thread safety: free functions without shared state.
#pragma once

#include <string>
#include <vector>

#include "node_folders.hpp"
#include "secbeat/agent/config.hpp"
#include "secbeat/base/error.hpp"

namespace secbeat::agent {

// Takes rights away that nobody but this user (and, for what workers need, theirs) should have; a sentence for each
// file or folder that had more. kConfig: something belongs to another user, who could change it at any time. REQUIRES:
// the folders are there.
Result<std::vector<std::string>> tend_permissions(const Config& config, const WorkerIdentity& workers);

// The same sentences, without changing anything; what belongs to another user is among them.
std::vector<std::string> open_permissions(const Config& config);

}  // namespace secbeat::agent
