#include "rules/rule_book.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "secbeat/agent/signature.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/base/own_programs.hpp"

namespace secbeat::agent {
namespace {

constexpr std::size_t kMaxShippedBytes = std::size_t{4} << 20U;
constexpr std::size_t kMostTogether = 64;
constexpr std::size_t kLongestRuleReason = 900;
// How often a change is made again on what somebody else brought into force meanwhile.
constexpr int kAttempts = 4;

std::unexpected<Failure> refused(Error error) {
  Failure failure;
  failure.error = std::move(error);
  return std::unexpected(std::move(failure));
}

std::string what_it_does(const RuleEdit& edit) {
  switch (edit.kind) {
    case RuleEdit::Kind::kAdd:
      return fmt::format("Rule added: {}", id_of_rule(edit.json));
    case RuleEdit::Kind::kReplace:
      return fmt::format("Rule changed: {}", edit.id);
    case RuleEdit::Kind::kRemove:
      return fmt::format("Rule removed: {}", edit.id);
    case RuleEdit::Kind::kAll:
      return "Rules replaced";
  }
  return {};
}

// Somebody replaced or removed the module that was read.
bool is_overtaken(const Failure& failure, const std::optional<std::string>& version) {
  return failure.error.code == ErrorCode::kVersionConflict ||
         (failure.error.code == ErrorCode::kUnknownModule && version);
}

std::string cut_to(std::string text, std::size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0U) == 0x80U) --limit;
  return text.substr(0, limit) + "…";
}

}  // namespace

std::filesystem::path find_rules_module() { return find_own_guest(kRulesModule); }

RuleBook::RuleBook(Reloader& reloader, const Clock& clock, std::filesystem::path shipped, RuleRecords* records)
    : reloader_(reloader), clock_(clock), shipped_(std::move(shipped)), records_(records) {}

Outcome<RuleBook::Base> RuleBook::base() const {
  Base base;
  const auto view = reloader_.version(std::string(kRulesModule));
  if (!view && view.error().error.code != ErrorCode::kUnknownModule) return std::unexpected(view.error());
  std::string text;
  if (view) {
    base.version = view->version;
    if (!view->config_sha256.empty()) {
      auto bytes = reloader_.config_bytes(view->config_sha256);
      if (!bytes) return std::unexpected(bytes.error());
      text = *std::move(bytes);
    }
  }
  auto document = RuleDocument::read(text);
  if (!document) return refused({ErrorCode::kInternal, "What is in force cannot be read: " + document.error().message});
  base.document = *std::move(document);
  base.etag = etag_of(text);
  base.dropped = base.document.drop_ended(clock_.now());
  return base;
}

Outcome<RulesInForce> RuleBook::in_force() const {
  auto now = base();
  if (!now) return std::unexpected(now.error());
  const std::size_t ended = now->dropped.size();
  return RulesInForce{std::move(now->document), std::move(now->etag), std::move(now->version), ended};
}

Outcome<RuleChange> RuleBook::change(const RuleEdit& edit) {
  Waiting mine{.edit = &edit};
  std::unique_lock lock(mutex_);
  waiting_.push_back(&mine);
  while (!mine.outcome) {
    if (is_busy_) {
      changed_.wait(lock);
      continue;
    }
    is_busy_ = true;
    const Batch batch = next_batch();
    lock.unlock();
    work(batch);
    lock.lock();
    is_busy_ = false;
    changed_.notify_all();
  }
  return *std::move(mine.outcome);
}

// Those of one caller go together, so that the history names who did it.
RuleBook::Batch RuleBook::next_batch() {
  Batch batch;
  const std::string by = waiting_.front()->edit->origin.by;
  for (auto at = waiting_.begin(); at != waiting_.end() && batch.size() < kMostTogether;) {
    if ((*at)->edit->origin.by != by) {
      ++at;
      continue;
    }
    batch.push_back(*at);
    at = waiting_.erase(at);
  }
  return batch;
}

void RuleBook::work(const Batch& batch) {
  try {
    work_once(batch);
    if (batch.size() == 1) return;
    for (Waiting* waiting : batch) {
      if (!waiting->outcome) work_once({waiting});
    }
  } catch (const std::exception& error) {  // nobody may wait for ever
    for (Waiting* waiting : batch) {
      if (!waiting->outcome) waiting->outcome = refused({ErrorCode::kInternal, error.what()});
    }
  }
}

// Leaves those of a larger batch without an outcome whose reload was refused.
void RuleBook::work_once(const Batch& batch) {
  for (int attempt = 1;; ++attempt) {
    const auto before = base();
    Batch done;
    std::optional<Base> edited;
    if (before) edited = *before;
    for (Waiting* waiting : batch) {
      if (waiting->outcome) continue;
      auto applied = before ? apply(*waiting->edit, *edited) : Outcome<void>(std::unexpected(before.error()));
      if (applied) {
        done.push_back(waiting);
      } else {
        waiting->outcome = std::unexpected(applied.error());
      }
    }
    if (done.empty()) return;
    // They leave with this change.
    if (records_ != nullptr && !before->dropped.empty()) records_->report_ended();
    const auto reloaded = bring_into_force(done, *before, *edited);
    if (!reloaded && attempt < kAttempts && is_overtaken(reloaded.error(), before->version)) continue;
    if (!reloaded && batch.size() > 1) return;
    for (Waiting* waiting : done) {
      if (!reloaded) {
        waiting->outcome = std::unexpected(reloaded.error());
        continue;
      }
      const RuleEdit& edit = *waiting->edit;
      RuleChange change{.reload = *reloaded,
                        .id = edit.kind == RuleEdit::Kind::kAdd ? id_of_rule(edit.json) : edit.id,
                        .expires_at = {},
                        .etag = edited->etag,
                        .rules = edited->document.size(),
                        .changes = done.size(),
                        .dropped = before->dropped,
                        .message = what_it_does(edit)};
      if (const RuleJson* rule = change.id.empty() ? nullptr : edited->document.find(change.id)) {
        change.etag = etag_of_rule(*rule);
        if (const auto end = end_of_rule(*rule)) change.expires_at = rfc3339(*end);
      }
      waiting->outcome = std::move(change);
    }
    return;
  }
}

Outcome<void> RuleBook::apply(const RuleEdit& edit, Base& base) const {
  const bool of_one_rule = edit.kind == RuleEdit::Kind::kReplace || edit.kind == RuleEdit::Kind::kRemove;
  const RuleJson* rule = of_one_rule ? base.document.find(edit.id) : nullptr;
  const std::string etag = rule != nullptr ? etag_of_rule(*rule) : base.etag;
  if (edit.if_match && (rule != nullptr || !of_one_rule) && !is_matched(*edit.if_match, etag)) {
    return refused(
        {ErrorCode::kPreconditionFailed,
         fmt::format("If-Match does not hold: somebody changed {} since you read it, its ETag is {} now; read "
                     "it again",
                     rule != nullptr ? fmt::format("the rule \"{}\"", edit.id) : "the rules", etag)});
  }
  Result<void> done;
  switch (edit.kind) {
    case RuleEdit::Kind::kAdd:
      done = base.document.add(edit.json);
      break;
    case RuleEdit::Kind::kReplace:
      done = base.document.replace(edit.id, edit.json);
      break;
    case RuleEdit::Kind::kRemove:
      done = base.document.remove(edit.id);
      break;
    case RuleEdit::Kind::kAll: {
      auto document = RuleDocument::read(text_of_rules(edit.json));
      if (document) {
        base.document = *std::move(document);
      } else {
        done = std::unexpected(document.error());
      }
      break;
    }
  }
  if (!done) return refused(done.error());
  base.etag = etag_of(base.document.text());
  return {};
}

Outcome<ReloadResult> RuleBook::bring_into_force(const Batch& done, const Base& base, const Base& edited) const {
  const RuleEdit& first = *done.front()->edit;
  std::vector<std::string> reasons;
  bool all_of_one = true;
  for (const Waiting* waiting : done) {
    const RuleEdit& edit = *waiting->edit;
    if (edit.kind == RuleEdit::Kind::kAll) all_of_one = false;
    std::string reason = what_it_does(edit);
    if (!edit.reason.empty()) reason += fmt::format(" ({})", edit.reason);
    if (done.size() > 1) reason += fmt::format(" [{}]", edit.origin.request_id);
    reasons.push_back(std::move(reason));
  }
  Upload upload;
  upload.kind = all_of_one ? UploadKind::kRuleEdit : UploadKind::kRuleSet;
  upload.name = std::string(kRulesModule);
  upload.config = edited.document.text();
  upload.expected_version = base.version;
  upload.reason = cut_to(fmt::format("{}", fmt::join(reasons, "; ")), kLongestRuleReason);
  upload.origin = first.origin;
  upload.received = first.received;
  if (!base.version) {
    auto bytes = read_file(shipped_, kMaxShippedBytes);
    if (!bytes) {
      return refused({ErrorCode::kUnknownModule,
                      fmt::format("This node has no module {} yet, and the one that comes with it cannot be read: {}; "
                                  "load it with secbeat reload {}.wasm",
                                  kRulesModule, bytes.error().message, kRulesModule)});
    }
    upload.file = *std::move(bytes);
    if (auto signature = read_file(signature_path(shipped_), kMaxSignatureBytes)) {
      upload.signature = *std::move(signature);
    }
  }
  return reloader_.reload(upload);
}

}  // namespace secbeat::agent
