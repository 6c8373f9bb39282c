// Landlock: a second wall behind the filter of system calls, which the kernel keeps by objects and not by calls.
#pragma once

#include "secbeat/base/error.hpp"

namespace secbeat::engine {

// Gives up every right to files, TCP ports and, where the kernel knows them, abstract sockets and signals to others.
// The version of landlock; 0 where the kernel has none. REQUIRES: no new privileges is set; one thread.
Result<int> give_up_files();

}  // namespace secbeat::engine
