// The documents that the orchestrator's API answers with, in the order of docs/fleet_api.md.
//
// Thread safety: constants and free functions without state.
#pragma once

#include <string>
#include <vector>

#include "secbeat/fleet/rollout.hpp"
#include "secbeat/http/message.hpp"
#include "secbeat/http/schema.hpp"
#include "secbeat/orchestrator/changes.hpp"

namespace secbeat::orchestrator {

struct RolledBack {
  FleetResult result;
  std::string reason;
};
struct Accepted {
  std::string rollout;
};
struct NodeList {
  std::vector<fleet::NodeStatus> nodes;
};
struct VersionList {
  std::vector<ModuleVersions> modules;
};
struct RolloutList {
  std::vector<fleet::Rollout> rollouts;
};
struct History {
  std::vector<fleet::Rollout> reloads;
};
struct Health {
  std::string status;
};

http::Json to_document(const FleetResult& result);
http::Json to_document(const RolledBack& result);
http::Json to_document(const Accepted& accepted);
http::Json to_document(const SyncResult& result);
http::Json to_document(const NodeList& list);
http::Json to_document(const VersionList& list);
http::Json to_document(const fleet::Rollout& rollout);
http::Json to_document(const RolloutList& list);
http::Json to_document(const History& history);
http::Json to_document(const Health& health);

// Status, body, headers of what did not come about.
http::HttpResponse failure_response(const FleetFailure& failure, http::Json extra = http::Json::object());

namespace documents {
extern const http::DocumentType kFleetReload;
extern const http::DocumentType kFleetRollback;
extern const http::DocumentType kAccepted;
extern const http::DocumentType kSync;
extern const http::DocumentType kNodes;
extern const http::DocumentType kVersions;
extern const http::DocumentType kRollout;
extern const http::DocumentType kRollouts;
extern const http::DocumentType kFleetHistory;
extern const http::DocumentType kFleetHealth;
extern const http::DocumentType kFleetError;  // of every answer with a status of 4xx or 5xx
}  // namespace documents

}  // namespace secbeat::orchestrator
