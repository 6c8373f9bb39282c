// The agent's own process_* metrics, by the names that Prometheus' clients share.
//
// Thread safety: a free function without state.
#pragma once

#include <prometheus/metric_family.h>

#include <vector>

namespace secbeat::agent {

void add_process(std::vector<prometheus::MetricFamily>& families);

}  // namespace secbeat::agent
