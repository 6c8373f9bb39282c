// How the log lines of a program that serves look: time, level, and a text that is one line whatever stands in it.
// Texts of clients, of guests and of files reach the log from many places; here, all of them are made harmless.
//
// Thread safety: a free function without shared state.
#pragma once

#include <spdlog/formatter.h>

#include <memory>
#include <string>

namespace secbeat::service {

std::unique_ptr<spdlog::formatter> log_formatter();

// Every log line from now on, of `level` ("debug", "info", "warn", "error") and above.
void log_to_standard_error(const std::string& level);

}  // namespace secbeat::service
