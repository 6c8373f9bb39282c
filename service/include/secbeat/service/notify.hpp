// What the service manager is told.
//
// Thread safety: a free function without shared state.
#pragma once

#include <string_view>

namespace secbeat::service {

// Tells systemd, where it asked to be told (sd_notify(3)): one datagram.
void notify(std::string_view text);

}  // namespace secbeat::service
