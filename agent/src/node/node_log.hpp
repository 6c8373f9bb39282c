// How the agent's log lines look: time, level, and a text that is one line whatever stands in it. Texts of clients, of
// guests and of files reach the log from many places; here, all of them are made harmless.
//
// Thread safety: a free function without shared state.
#pragma once

#include <spdlog/formatter.h>

#include <memory>

namespace secbeat::agent {

std::unique_ptr<spdlog::formatter> log_formatter();

}  // namespace secbeat::agent
