#include "committer.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <future>

#include "secbeat/base/fault_point.hpp"

namespace secbeat::agent {
namespace {

std::string list_of(const std::vector<WorkerFailure>& failures) {
  std::string text;
  for (const WorkerFailure& failure : failures) {
    fmt::format_to(std::back_inserter(text), "{}worker {}: {}", text.empty() ? "" : "; ", failure.pid,
                   failure.error.message);
  }
  return text;
}

// Where all workers say the same about the module, it is the module; else the workers disagree.
Failure stage_failure(StageOutcome outcome) {
  const Error& first = outcome.failures.front().error;
  const bool about_the_module =
      http_status_of(first.code) == 422 && std::ranges::all_of(outcome.failures, [&](const WorkerFailure& failure) {
        return failure.error.code == first.code;
      });
  Failure failure{.error = first,
                  .about_module = true,
                  .current_version = {},
                  .retry_after_seconds = {},
                  .names = {},
                  .workers = std::move(outcome.failures)};
  if (!about_the_module) {
    failure.error = {ErrorCode::kWorkersDisagree,
                     fmt::format("{} of {} workers could not get ready, so that nothing was swapped ({})",
                                 failure.workers.size(), outcome.workers, list_of(failure.workers))};
  }
  return failure;
}

bool may_go_on(const std::vector<WorkerFailure>& failures, Late late) {
  if (late == Late::kRefuse) return failures.empty();
  return std::ranges::all_of(failures, &WorkerFailure::late);
}

Failure plain(Error error) {
  return Failure{.error = std::move(error),
                 .about_module = true,
                 .current_version = {},
                 .retry_after_seconds = {},
                 .names = {},
                 .workers = {}};
}

Error unwritable(Error error, const VersionStore& store) {
  error.message += fmt::format(
      "; the agent has to be able to replace this file: see to room, permissions and what else "
      "has its name in {}, then try again",
      store.in_force_path().parent_path().string());
  return error;
}

}  // namespace

std::expected<Staged, Failure> Committer::stage(const control::InForce& next, Late late) {
  if (control::to_json(next).size() > control::kMaxDocumentBytes - 1024) {  // the message's frame is around it
    return std::unexpected(plain({ErrorCode::kTooLarge,
                                  "There are too many modules and kept versions for one node; lower "
                                  "keep_previous_versions"}));
  }
  // The disk is waited for while the workers load; where there is no thread to be had, afterwards.
  std::future<Result<void>> durable;
  if (!store_.is_durable()) {
    durable = std::async(std::launch::async | std::launch::deferred, [this] {
      auto synced = store_.make_durable();
      fault_point("stage.files_durable");
      return synced;
    });
  }
  StageOutcome outcome = hub_.stage(next, late == Late::kGoOn ? kShortTimeout : kStageTimeout);
  if (durable.valid()) {
    if (auto synced = durable.get(); !synced) {
      hub_.abort(next.generation);
      return std::unexpected(plain(synced.error()));
    }
  }
  fault_point("stage.done");
  if (may_go_on(outcome.failures, late)) return Staged{outcome.workers, std::move(outcome.failures)};
  hub_.abort(next.generation);
  return std::unexpected(stage_failure(std::move(outcome)));
}

std::expected<std::vector<std::int64_t>, SwapFailure> Committer::put_in_force(const control::InForce& old,
                                                                              const control::InForce& next,
                                                                              std::span<const Intent> intents) {
  auto rows = ledger_.begin(intents);
  if (!rows) {
    hub_.abort(next.generation);
    return std::unexpected(SwapFailure{plain(rows.error()), old, {}});
  }
  if (auto written = store_.write_in_force(next); !written) {
    hub_.abort(next.generation);
    // The rename may have happened before the failure: put the old truth back before anybody reads the new one.
    if (auto restored = store_.write_in_force(old); !restored) {
      spdlog::error("cannot restore {}: {}", store_.in_force_path().string(), restored.error().message);
    }
    return std::unexpected(SwapFailure{plain(unwritable(written.error(), store_)), old, std::move(*rows)});
  }
  fault_point("commit.in_force_written");
  hub_.set_target(next);
  return *std::move(rows);
}

std::expected<Swapped, SwapFailure> Committer::commit(const control::InForce& old, const control::InForce& next,
                                                      std::span<const Intent> intents, Late late) {
  auto rows = put_in_force(old, next, intents);
  if (!rows) return std::unexpected(std::move(rows.error()));
  CommitOutcome outcome = hub_.commit(next.generation, late == Late::kGoOn ? kShortTimeout : kCommitTimeout);
  fault_point("commit.acknowledged");
  if (!may_go_on(outcome.failures, late)) {
    Failure failure = plain({ErrorCode::kWorkersDisagree,
                             fmt::format("{} of {} workers did not swap; every worker is brought back to what was in "
                                         "force ({})",
                                         outcome.failures.size(), outcome.workers, list_of(outcome.failures))});
    failure.workers = std::move(outcome.failures);
    return std::unexpected(bring_back(old, next.generation, SwapFailure{std::move(failure), old, std::move(*rows)}));
  }
  const WorkerCount workers{outcome.workers - std::min(outcome.workers, outcome.failures.size()), outcome.workers};
  return Swapped{std::move(*rows), workers, outcome.max_pause_ns, std::move(outcome.failures)};
}

SwapFailure Committer::bring_back(const control::InForce& old, std::uint64_t failed_generation, SwapFailure back) {
  control::InForce& again = back.in_force;
  again = old;
  const auto numbers = ledger_.reserve();
  again.generation = numbers ? numbers->generation : failed_generation + 1;
  if (auto written = store_.write_in_force(again); !written) {
    spdlog::error("cannot write {} to bring the workers back: {}", store_.in_force_path().string(),
                  written.error().message);
  }
  hub_.set_target(again);
  std::vector<WorkerFailure> lost = hub_.stage(again, kStageTimeout).failures;
  std::ranges::move(hub_.commit(again.generation, kCommitTimeout).failures, std::back_inserter(lost));
  for (const WorkerFailure& worker : lost) {
    spdlog::error("worker {} is not back at generation {}: {}; it is brought there when it answers again", worker.pid,
                  again.generation, worker.error.message);
  }
  return back;
}

}  // namespace secbeat::agent
