// How to reach NATS, as a configuration says.
//
// Thread safety: a free function without state.
#pragma once

#include <string>

#include "secbeat/agent/config.hpp"
#include "secbeat/fleet/connection.hpp"

namespace secbeat::agent {

// `name` is what the server shows.
inline fleet::ConnectionOptions nats_options(const Config& config, std::string name) {
  return {.url = config.nats_url,
          .name = std::move(name),
          .credentials = config.nats_credentials,
          .nkey = config.nats_nkey,
          .nkey_seed = config.nats_nkey_seed,
          .tls_ca = config.nats_tls_ca,
          .tls_certificate = config.nats_tls_certificate,
          .tls_key = config.nats_tls_key};
}

}  // namespace secbeat::agent
