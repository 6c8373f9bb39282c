// A thread of a worker: named, and deaf to the signals that belong to the event loop.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "secbeat/base/error.hpp"

namespace secbeat::worker {

// Starts `body` on a thread that blocks every signal except SIGSEGV, SIGBUS, SIGILL and SIGFPE: Wasmtime turns
// those into traps, and a guest that traps on a thread that blocks them ends the process. `name` is at most 15
// characters.
Result<std::thread> start_thread(const std::string& name, std::function<void()> body);

}  // namespace secbeat::worker
