#include "secbeat/orchestrator/restore.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <thread>

#include "fleet_state.hpp"
#include "fleet_versions.hpp"
#include "plan.hpp"
#include "secbeat/fleet/names.hpp"
#include "secbeat/orchestrator/rollouts.hpp"

namespace secbeat::orchestrator {
namespace {

using archive::VersionArchive;

Result<ArchivedDesired> choose_desired(const VersionArchive& archive, const std::optional<std::uint64_t>& revision,
                                       RestoreSource& source) {
  auto all = archived_desired(archive.storage());
  if (!all) return std::unexpected(all.error());
  const auto newest = std::ranges::max_element(*all, {}, &ArchivedDesired::modified);
  const std::string latest = newest == all->end() ? std::string() : newest->modified;
  if (!all->empty()) source.highest = all->back().revision;
  if (!all->empty() && latest > all->back().modified) source.newer = newest->key;
  if (revision) std::erase_if(*all, [&](const ArchivedDesired& one) { return one.revision != *revision; });
  if (!all->empty()) return std::move(all->back());
  return fail(ErrorCode::kNotFound,
              revision ? fmt::format("{} has no desired state of revision {}", archive.place(), *revision)
                       : fmt::format("{} has no desired state of a fleet: did an orchestrator archive there?",
                                     archive.place()));
}

// Reads contents, each once; what is damaged is told anew each time it is asked for.
class ContentReader {
 public:
  ContentReader(const VersionArchive& archive, RestoreSource& source, const Progress& told, std::size_t all)
      : archive_(archive), source_(source), told_(told), all_(all) {}

  Result<void> read(const fleet::VersionRef& version) {
    if (auto module = read_one(version.sha256, version.size_bytes, true); !module) return module;
    if (version.config_sha256.empty()) return {};
    return read_one(version.config_sha256, version.config_size_bytes, false);
  }

 private:
  Result<void> read_one(const std::string& sha256, std::uint64_t size, bool is_module) {
    if (known_.contains(sha256)) return {};
    told_(sha256, ++done_, all_);
    const auto bytes = is_module ? archive_.module_bytes(sha256) : archive_.config_bytes(sha256);
    if (!bytes) return std::unexpected(bytes.error());
    if (bytes->size() != size) {
      return fail(ErrorCode::kIo, fmt::format("{} has {} bytes and should have {}", sha256, bytes->size(), size));
    }
    known_.insert(sha256);
    source_.contents.push_back(sha256);
    source_.bytes += size;
    return {};
  }

  const VersionArchive& archive_;
  RestoreSource& source_;
  const Progress& told_;
  const std::size_t all_;
  std::size_t done_ = 0;
  std::set<std::string> known_;
};

std::size_t number_of_contents(const fleet::Desired& desired) {
  std::set<std::string> all;
  const auto add = [&all](const fleet::VersionRef& version) {
    all.insert(version.sha256);
    if (!version.config_sha256.empty()) all.insert(version.config_sha256);
  };
  for (const fleet::DesiredModule& module : desired.modules) {
    add(module.version);
    std::ranges::for_each(module.before, add);
    std::ranges::for_each(module.after, add);
  }
  return all.size();
}

bool same_content(const fleet::VersionRef& a, const fleet::VersionRef& b) {
  return a.sha256 == b.sha256 && a.config_sha256 == b.config_sha256;
}

Result<std::string> bytes_of(const VersionArchive& archive, const std::string& sha256) {
  auto bytes = archive.module_bytes(sha256);
  if (!bytes && bytes.error().code == ErrorCode::kNotFound) return archive.config_bytes(sha256);
  return bytes;
}

}  // namespace

Result<RestoreSource> read_restore_source(const VersionArchive& archive, const std::optional<std::uint64_t>& revision,
                                          const Progress& told) {
  if (auto checked = archive.storage().check(); !checked) return std::unexpected(checked.error());
  RestoreSource source;
  const auto chosen = choose_desired(archive, revision, source);
  if (!chosen) return std::unexpected(chosen.error());
  auto desired = read_desired_at(archive.storage(), *chosen);
  if (!desired) return std::unexpected(desired.error());
  source.file = chosen->key;
  source.desired = *std::move(desired);
  source.archived_at = chosen->modified;
  if (source.newer == source.file) source.newer.clear();
  ContentReader reader(archive, source, told, number_of_contents(source.desired));
  for (fleet::DesiredModule& module : source.desired.modules) {
    if (auto read = reader.read(module.version); !read) {
      return fail(ErrorCode::kIo,
                  fmt::format("{} {} cannot be restored: {}", module.name, module.version.label, read.error().message));
    }
    for (auto* others : {&module.before, &module.after}) {
      std::erase_if(*others, [&](const fleet::VersionRef& other) {
        const auto read = reader.read(other);
        if (!read) source.left_out.push_back(fmt::format("{} {}: {}", module.name, other.label, read.error().message));
        return !read;
      });
    }
  }
  // Desired state and contents are whole: without its labels a fleet is restored as well.
  const auto contents = archive.list_newest_of(kFleetAsNode, fleet::kMostGiven);
  if (!contents) {
    source.unread.push_back(contents.error().message);
    return source;
  }
  for (const auto& problem : contents->problems) source.unread.push_back(problem.file + ": " + problem.what);
  source.given = given_in(contents->manifests);
  return source;
}

Result<RestorePlan> plan_restore(fleet::Connection& connection, const RestoreSource& source,
                                 const RestoreChoice& choice) {
  RestorePlan plan{.desired = source.desired};
  const auto there = read_desired(connection);
  const auto running = read_all_running(connection);
  const auto rollouts = connection.list(fleet::kRolloutsBucket);
  const auto known = read_nodes(connection);
  if (!there) return std::unexpected(there.error());
  if (!running) return std::unexpected(running.error());
  if (!rollouts) return std::unexpected(rollouts.error());
  if (!known) return std::unexpected(known.error());
  plan.key_revision = there->revision;
  if (there->revision != 0) plan.there.push_back(fmt::format("a desired state of revision {}", there->value.revision));
  if (!rollouts->empty()) plan.there.push_back(fmt::format("{} rollouts", rollouts->size()));
  for (const auto& [module, one] : *running) {
    const auto now = under_way(connection, one);
    if (!now) return std::unexpected(now.error());
    if (*now)
      return fail(ErrorCode::kReloadInProgress,
                  fmt::format("rollout {} of {} runs; end it first", one.rollout, module));
  }
  std::vector<fleet::NodeStatus> nodes;
  for (const auto& node : *known) nodes.push_back(node.value);
  fleet::Desired highest = there->value;
  highest.revision = std::max(highest.revision, source.desired.revision);
  // An earlier one becomes the newest, also in the archive.
  if (source.desired.revision < source.highest) highest.revision = std::max(highest.revision, source.highest) + 1;
  // Whoever has not reported yet may have reached more than those that have.
  const std::uint64_t next = next_revision(highest, nodes) + (choice.anew ? kBlindStep : 0);
  plan.desired.revision = highest.revision;
  plan.nodes = nodes.size();
  for (const fleet::DesiredModule& module : there->value.modules) {
    if (plan.desired.find(module.name) == nullptr) plan.no_longer.push_back(module.name);
  }
  for (fleet::DesiredModule& module : plan.desired.modules) {
    const fleet::DesiredModule* wanted = there->value.find(module.name);
    // Where NATS wants something else, only something newer is followed.
    const bool is_other = wanted != nullptr && !same_content(wanted->version, module.version);
    if (choice.anew || is_other) {
      module.revision = next;
      plan.desired.revision = next;
      continue;
    }
    if (wanted != nullptr) module.revision = std::max(module.revision, wanted->revision);
    for (const fleet::NodeStatus& node : nodes) {
      const fleet::ModuleStatus* status = node.find(module.name);
      if (status == nullptr || status->reached <= module.revision || same_content(status->version, module.version)) {
        continue;
      }
      plan.ahead.push_back({node.node, module.name, status->version.label, status->reached});
    }
  }
  return plan;
}

Result<std::size_t> hear_nodes(fleet::Connection& connection, int replicas, std::chrono::milliseconds patience) {
  constexpr std::chrono::milliseconds kBetweenLooks{100};
  const auto until = std::chrono::steady_clock::now() + patience;
  if (auto prepared = Rollouts(connection, {}).prepare(replicas); !prepared) return std::unexpected(prepared.error());
  auto nodes = read_nodes(connection);
  if (!nodes || !nodes->empty()) return nodes ? Result<std::size_t>(nodes->size()) : std::unexpected(nodes.error());
  // Also after the first report: nodes that were refused try again at moments of their own.
  while (std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(kBetweenLooks);
  nodes = read_nodes(connection);
  if (!nodes) return std::unexpected(nodes.error());
  return nodes->size();
}

Result<std::size_t> check_desired(const VersionArchive& archive, VersionArchive::Verdict& verdict) {
  const auto all = archived_desired(archive.storage());
  if (!all) return std::unexpected(all.error());
  std::set<std::string> named;
  struct Bad {
    std::string file, what;
    std::size_t others = 0;
    bool is_desired = false;
  };
  std::map<std::string, Bad> bad;  // by content: each change of rules names the same module anew
  const auto need = [&](const std::string& file, const std::string& what, const std::string& key, std::uint64_t size,
                        bool is_desired) {
    named.insert(key);
    const auto found = verdict.whole.find(key);
    if (found != verdict.whole.end() && found->second == size) return;
    const auto [place, is_first] = bad.try_emplace(key, Bad{.file = file, .what = what, .is_desired = is_desired});
    if (is_first) return;
    ++place->second.others;
    if (is_desired && !place->second.is_desired) place->second = {file, what, place->second.others, true};
  };
  for (const ArchivedDesired& one : *all) {
    const auto desired = read_desired_at(archive.storage(), one);
    if (!desired) {
      verdict.contents.problems.push_back({one.key, desired.error().message});
      continue;
    }
    const auto need_version = [&](const std::string& name, const fleet::VersionRef& version, bool is_desired) {
      const std::string what = fmt::format("{} {}", name, version.label);
      need(one.key, what, archive::module_key(version.sha256), version.size_bytes, is_desired);
      if (version.config_sha256.empty()) return;
      need(one.key, what, archive::config_key(version.config_sha256), version.config_size_bytes, is_desired);
    };
    for (const fleet::DesiredModule& module : desired->modules) {
      need_version(module.name, module.version, true);
      for (const auto* others : {&module.before, &module.after}) {
        for (const fleet::VersionRef& other : *others) need_version(module.name, other, false);
      }
    }
  }
  for (const auto& [key, one] : bad) {
    auto& list = one.is_desired ? verdict.contents.problems : verdict.notes;
    list.push_back({key, fmt::format("is missing, damaged or of another size, and {} {} {}{}", one.file,
                                     one.is_desired ? "needs it for" : "keeps for a rollback", one.what,
                                     one.others == 0 ? "" : fmt::format(" (and {} more)", one.others))});
  }
  std::erase_if(verdict.notes, [&](const archive::ArchiveProblem& note) {
    return note.what == archive::kNobodyNamesIt && named.contains(note.file);
  });
  return all->size();
}

Result<void> restore(fleet::Connection& connection, const VersionArchive& archive, const RestoreSource& source,
                     const RestorePlan& plan, int replicas, const Progress& told) {
  if (auto prepared = Rollouts(connection, {}).prepare(replicas); !prepared) return prepared;
  for (std::size_t i = 0; i < source.contents.size(); ++i) {
    told(source.contents[i], i + 1, source.contents.size());
    const auto bytes = bytes_of(archive, source.contents[i]);
    if (!bytes) return std::unexpected(bytes.error());
    auto put = connection.put_object(fleet::kModulesBucket, source.contents[i], *bytes);
    if (!put) return put;
  }
  for (const auto& [module, running] : source.given) {
    const auto put = connection.put_if(fleet::kDesiredBucket, fleet::running_key(module), to_json(running), 0);
    if (!put && put.error().code != ErrorCode::kPreconditionFailed) return std::unexpected(put.error());
  }
  // Last: what it names is there. Nodes look for it by themselves.
  const auto written =
      connection.put_if(fleet::kDesiredBucket, fleet::kDesiredKey, to_json(plan.desired), plan.key_revision);
  if (!written) return std::unexpected(written.error());
  return {};
}

}  // namespace secbeat::orchestrator
