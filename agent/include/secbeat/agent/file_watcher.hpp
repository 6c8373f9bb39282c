// Brings module and configuration files that change on the disk into force ([waf.wasm.reload]
// auto_reload_on_file_change), through the same checks as an upload. docs/operations.md tells what counts as a change.
//
// Thread safety: create, start, stop and destruction from one thread; a thread of its own looks at the files.
#pragma once

#include <memory>

#include "secbeat/agent/config.hpp"
#include "secbeat/agent/reloader.hpp"
#include "secbeat/base/clock.hpp"

namespace secbeat::agent {

class FileWatcher {
 public:
  // Reads the files that `config` names: what differs from them later has changed. Both outlive the watcher.
  static std::unique_ptr<FileWatcher> create(const Config& config, const Clock& clock);
  virtual ~FileWatcher() = default;
  // REQUIRES: called once; the reloader outlives the watcher.
  virtual Result<void> start(Reloader& reloader) = 0;
  // Returns when no reload of its own is under way any more; a reloader that shuts down ends one.
  virtual void stop() = 0;
};

}  // namespace secbeat::agent
