// The drill: what break-glass needs, tried out beside the traffic.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "glass_book.hpp"
#include "probe.hpp"
#include "secbeat/base/files.hpp"
#include "supervisor_process.hpp"

namespace secbeat::agent {
namespace {

using enum DrillHealth;

// Processes that have mapped a file of this path which is no longer there: workers that were left with an old
// scoreboard. Only those that this user may look at.
std::vector<int> users_of_a_replaced(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::canonical(path.parent_path(), error);
  const std::string wanted = (error ? path : folder / path.filename()).string() + " (deleted)";
  std::vector<int> pids;
  for (const std::filesystem::path& process : entries_of("/proc")) {
    int pid = 0;
    const std::string name = process.filename().string();
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc()) continue;
    std::ifstream maps(process / "maps");
    for (std::string line; std::getline(maps, line);) {
      if (!line.ends_with(wanted)) continue;
      pids.push_back(pid);
      break;
    }
  }
  return pids;
}

}  // namespace

std::vector<DrillFinding> GlassBook::drill() {
  std::vector<DrillFinding> findings;
  drill_scoreboard(findings);
  drill_old_workers(findings);
  drill_workers(findings);
  drill_rollbacks(findings);
  drill_files(findings);
  return findings;
}

// Whoever opens the path must find what the workers and this agent have mapped.
void GlassBook::drill_scoreboard(std::vector<DrillFinding>& findings) const {
  const std::filesystem::path path = control::StatePaths{config_.state_dir}.scoreboard();
  const auto found = control::Scoreboard::open(path);
  DrillFinding& finding = findings.emplace_back(DrillFinding{"scoreboard", kOk, path.string(), ""});
  if (!found) {
    finding = {"scoreboard", kFailure, found.error().message,
               "bypass and rollback without an agent need this file: start the agent again (SIGUSR2 ends it and leaves "
               "nginx running), it makes a new one"};
  } else if (!std::ranges::equal((*found)->layout().header.hash_seed, scoreboard_.layout().header.hash_seed)) {
    finding = {"scoreboard", kFailure, fmt::format("{} is another file than the one in use", path.string()),
               "somebody has replaced it: start the agent again (SIGUSR2 ends it and leaves nginx running)"};
  }
}

// They decide by what they hold, and neither a bypass nor a commit reaches them.
void GlassBook::drill_old_workers(std::vector<DrillFinding>& findings) const {
  for (const int pid : users_of_a_replaced(control::StatePaths{config_.state_dir}.scoreboard())) {
    findings.push_back({"worker", kFailure, fmt::format("process {} uses a scoreboard that was replaced", pid),
                        "neither bypass nor reloads reach it: install agent and nginx module of one build and restart "
                        "nginx"});
  }
}

void GlassBook::drill_workers(std::vector<DrillFinding>& findings) const {
  for (const WorkerStatus& worker : hub_.workers()) {
    if (worker.in_scoreboard) continue;
    findings.push_back({"worker", kFailure,
                        fmt::format("worker {} counts in the scoreboard of another build", worker.pid),
                        "a bypass would not reach it: install agent and nginx module of one build and restart nginx"});
  }
  const std::vector<ProbedWorker> workers = probe_workers(scoreboard_);
  if (workers.empty()) {
    findings.push_back({"worker", kFailure, "no worker of nginx is there", "start nginx; secbeat doctor helps"});
  }
  for (const ProbedWorker& worker : workers) {
    findings.push_back({"bypass", worker.answered ? kOk : kFailure,
                        worker.answered ? fmt::format("worker {} sees it", worker.pid)
                                        : fmt::format("worker {} does not answer", worker.pid),
                        worker.answered ? std::string() : advice_on_hanging(worker.pid)});
  }
}

void GlassBook::drill_rollbacks(std::vector<DrillFinding>& findings) const {
  const control::InForce in_force = reloader_.in_force();
  for (const control::Slot& slot : in_force.slots) {
    if (slot.current == 0) continue;
    DrillFinding& finding = findings.emplace_back(DrillFinding{"rollback", kOk, "", ""});
    const auto rehearsed = reloader_.rehearse_rollback(slot.name);
    if (!rehearsed) {
      const Error& error = rehearsed.error().error;
      const bool passes = error.code == ErrorCode::kReloadInProgress;
      finding.health = passes || error.code == ErrorCode::kNoPreviousVersion ? kWarning : kFailure;
      finding.found = fmt::format("{}: {}", slot.name, error.message);
      finding.advice = error.code == ErrorCode::kNoPreviousVersion
                           ? fmt::format(
                                 "there is nothing to go back to: secbeat remove {} takes it out of the chain, "
                                 "secbeat bypass lets everything pass",
                                 slot.name)
                       : passes ? "secbeat drill again when it is done"
                                : "the node's log has the cause";
      continue;
    }
    finding.found = fmt::format("{} {} → {}: {} workers are ready", slot.name, rehearsed->version, rehearsed->would_be,
                                rehearsed->workers);
    if (rehearsed->history_problem) {
      finding.health = kWarning;
      finding.found = fmt::format("{}: {}", slot.name, rehearsed->history_problem->message);
      finding.advice = fmt::format(
          "a rollback to {} would work and be held by the scoreboard until the history can be "
          "written: make room in {}",
          rehearsed->would_be, config_.data_dir.string());
    }
    for (const WorkerFailure& worker : rehearsed->failures) {
      finding.health = worker.late ? kWarning : kFailure;
      finding.found += fmt::format("; worker {}: {}", worker.pid, worker.error.message);
      finding.advice = worker.late ? "a rollback would go on without it: " + advice_on_hanging(worker.pid)
                                   : fmt::format("{} would be refused: upload it again", rehearsed->would_be);
    }
  }
}

void GlassBook::drill_files(std::vector<DrillFinding>& findings) const {
  const std::filesystem::path trial = config_.data_dir / "work" / "drill";
  const auto written = write_file_atomically(trial, "secbeat drill\n", 0600);
  std::error_code ignored;
  std::filesystem::remove(trial, ignored);
  findings.push_back({"freeze", written ? kOk : kWarning,
                      written ? fmt::format("{} can be written", config_.data_dir.string()) : written.error().message,
                      written ? ""
                              : "a freeze would be in effect and be forgotten at a restart of the machine: make room, "
                                "or give the folder back to the agent's user"});
  if (const std::size_t waiting = control::waiting_notes(area()).size(); waiting > 0) {
    findings.push_back({"history", kWarning,
                        fmt::format("{} things done without an agent wait to be recorded", waiting),
                        "the node's log says why they cannot be"});
  }
}

}  // namespace secbeat::agent
