// How long a call may take that would never end: CPU time of inspections of a module that loops, one instance for each,
// as a worker does it. Prints microseconds, one call a line.  deadline-bench GUEST CALLS DEADLINE_MS
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <stdexcept>
#include <string>

#include "secbeat/base/files.hpp"
#include "secbeat/engine/engine.hpp"
#include "site.hpp"
#include "ticker.hpp"

namespace secbeat::bench {
namespace {

double thread_us() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

void measure(std::string_view guest, unsigned long calls, std::chrono::milliseconds deadline) {
  const auto engine = value_of(engine::Engine::create(), "engine");
  const engine::Ticker ticker(*engine);
  const std::string bytes = artifact_of(guest);
  const auto artifact = value_of(engine::Artifact::load(*engine, bytes, sha256_hex(bytes)), guest);
  engine::Limits limits;
  limits.call_budget = deadline;
  const engine::HeaderView header{"x-loop", "1"};
  engine::RequestView request;
  request.method = "GET";
  request.uri = "/";
  request.version = "HTTP/1.1";
  request.source_ip = "127.0.0.1";
  request.headers = {&header, 1};
  for (unsigned long i = 0; i < calls; ++i) {
    const auto instance = value_of(engine::Instance::create(*engine, artifact, limits, {}), guest);
    const double before = thread_us();
    const auto verdict = instance->inspect(request);
    const double took = thread_us() - before;
    if (verdict || verdict.error().kind != engine::CallErrorKind::kDeadline) {
      throw std::runtime_error("a call ended by something else than its deadline");
    }
    fmt::print("{:.1f}\n", took);
  }
}

}  // namespace
}  // namespace secbeat::bench

int main(int argc, char** argv) {
  if (argc != 4) {
    fmt::print(stderr, "usage: deadline-bench GUEST CALLS DEADLINE_MS\n");
    return 2;
  }
  try {
    secbeat::bench::measure(argv[1], std::strtoul(argv[2], nullptr, 10),
                            std::chrono::milliseconds(std::strtoul(argv[3], nullptr, 10)));
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
