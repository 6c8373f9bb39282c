// The rules that wait beside the document, in JetStream.
//
// Thread safety: free functions; as the connection.
#pragma once

#include <functional>
#include <string_view>

#include "secbeat/fleet/connection.hpp"
#include "secbeat/fleet/rules.hpp"

namespace secbeat::orchestrator {

Result<fleet::EnteredRules> read_entered(fleet::Connection& connection);
// `edit` may be called again where somebody else has written meanwhile; what it refuses ends it.
Result<void> edit_entered(fleet::Connection& connection,
                          const std::function<Result<void>(fleet::EnteredRules& entered)>& edit);
// Does nothing where it is not there.
Result<void> forget_entered(fleet::Connection& connection, std::string_view id);

}  // namespace secbeat::orchestrator
