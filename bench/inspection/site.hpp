// A worker as nginx has it, with one module in force, in a folder that goes with it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "secbeat/control/in_force.hpp"
#include "secbeat/control/scoreboard.hpp"
#include "secbeat/engine/engine.hpp"
#include "secbeat/worker/worker.hpp"

namespace secbeat::bench {

// Ends the process with the reason where something that has to work does not.
template <class T>
T value_of(Result<T> result, std::string_view what) {
  if (result) return std::move(*result);
  throw std::runtime_error(std::string(what) + ": " + result.error().message);
}

// The artifact of the guest of this name, as the compile child makes it.
std::string artifact_of(std::string_view guest);

// Thread safety: one thread, which is the event loop.
class Site {
 public:
  Site(std::string_view guest, engine::Isolation isolation, std::string_view config = {});
  ~Site();
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

  [[nodiscard]] worker::Worker& worker() noexcept { return *worker_; }

 private:
  std::filesystem::path folder_;
  std::unique_ptr<control::Scoreboard> scoreboard_;
  std::unique_ptr<worker::Worker> worker_;
};

}  // namespace secbeat::bench
