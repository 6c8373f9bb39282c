// The system calls that a confined process is left with, as a seccomp filter.
#pragma once

#include "secbeat/base/error.hpp"

namespace secbeat::engine {

// False where the kernel has no such filters. REQUIRES: no new privileges is set; one thread.
// Takes SIGSYS: calls that open files by name arrive there, and open nothing but /proc/self/fd/<n>.
Result<bool> filter_calls();

}  // namespace secbeat::engine
