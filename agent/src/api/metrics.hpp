// The node's metrics in the Prometheus text format.
//
// Thread safety: a free function; the context's members may be used from any thread.
#pragma once

#include <string>

#include "secbeat/agent/api_server.hpp"

namespace secbeat::agent {

std::string render_metrics(const ApiContext& context);

}  // namespace secbeat::agent
