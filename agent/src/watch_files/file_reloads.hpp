// From changed files to reloads: which module a file belongs to, changes close together as one reload, each content
// tried once.
//
// Thread safety: owned by one thread; look() blocks it for as long as a reload takes.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "secbeat/agent/config.hpp"
#include "secbeat/agent/reloader.hpp"
#include "secbeat/base/clock.hpp"
#include "watched_file.hpp"

namespace secbeat::agent {

class FileReloads {
 public:
  using WriterOf = std::function<Writer(const std::filesystem::path& file)>;

  // Takes the files as they are. `config` and `clock` outlive it.
  FileReloads(const Config& config, const Clock& clock);

  // Looks at every file and brings what has changed and is whole into force. When to look again; empty: when something
  // happens. REQUIRES: `reloader` is the same each time.
  std::optional<SteadyTime> look(Reloader& reloader, const WriterOf& writer_of);
  [[nodiscard]] std::vector<std::filesystem::path> files() const;

 private:
  struct Module {
    const ModuleConfig& config;
    WatchedFile file;
    std::optional<WatchedFile> configuration;
    // An attempt that failed for a reason that passes by itself.
    std::string retry_of;  // the hashes that it was made with
    // With which signature, or without one, the file was refused for it: tried again when that changes.
    std::optional<std::string> refused_with = {};
    std::optional<SteadyTime> unsigned_since = {};  // the file has changed and its signature has not come yet
    std::optional<SteadyTime> retry_at;
    std::chrono::seconds retry_after{0};
  };

  std::optional<SteadyTime> look_at(Module& module, const std::string& name, Reloader& reloader,
                                    const WriterOf& writer_of);
  // When to look again for a signature that is to come; empty: there is one, or it has been waited for long enough.
  std::optional<SteadyTime> wait_for_signature(Module& module, const std::vector<WatchedFile*>& changed) const;
  void bring_into_force(Module& module, const std::string& name, const std::vector<WatchedFile*>& changed,
                        Reloader& reloader);
  [[nodiscard]] Upload upload_of(const Module& module, const std::string& name,
                                 const std::vector<WatchedFile*>& changed) const;
  bool nobody_asked_for(const Module& module, const std::vector<WatchedFile*>& changed, const std::string& name,
                        const Reloader& reloader) const;

  const Config& config_;
  const Clock& clock_;
  const Patience patience_;
  std::vector<Module> modules_;
};

}  // namespace secbeat::agent
