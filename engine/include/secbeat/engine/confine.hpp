// What a process gives up before it touches a module of a stranger.
//
// The compiler and the code that it makes run in the compile child. Whoever breaks out of them finds a process that can
// compute, allocate and write into what was open before, and nothing else: it opens no file, makes no socket, starts no
// program, and reaches no other process. There is no way back.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "secbeat/base/error.hpp"

namespace secbeat::engine {

struct ConfineLimits {
  std::size_t data_bytes = 0;  // RLIMIT_DATA. Not RLIMIT_AS: the engine reserves 4 GiB of addresses for each memory
  std::size_t file_bytes = 0;  // RLIMIT_FSIZE
};

// What the kernel had to offer.
struct Confinement {
  bool filters_calls = false;  // seccomp
  int landlock_version = 0;    // 0: none
};

// Limits, nice 10, no new privileges, no capabilities, and as far as the kernel has them landlock and a filter of
// system calls. Afterwards /proc/self/fd/<n> still opens as a copy of the descriptor n, because Wasmtime loads an
// artifact by such a name; no other name opens.
// REQUIRES: one thread; every file that the process will need is open.
Result<Confinement> confine_process(const ConfineLimits& limits);

// Something that a confined process must not be able to do, tried with real system calls.
struct EscapeAttempt {
  std::string what;    // "open a file", …
  bool refused;        // the kernel or the filter said that it is not permitted
  std::string answer;  // what it said
};

// Harmless also where they succeed: nothing is changed or left behind.
std::vector<EscapeAttempt> attempt_escapes();

// Descriptors from 3 on that are open.
std::size_t count_open_descriptors();

}  // namespace secbeat::engine
