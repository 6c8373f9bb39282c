#include "entered_rules.hpp"

#include <fmt/format.h>

#include "secbeat/fleet/documents.hpp"
#include "secbeat/fleet/names.hpp"

namespace secbeat::orchestrator {
namespace {

struct Kept {
  fleet::EnteredRules entered;
  std::uint64_t revision = 0;
};

Result<Kept> read(fleet::Connection& connection) {
  const auto entry = connection.get(fleet::kRulesBucket, fleet::kEnteredKey);
  if (!entry) return std::unexpected(entry.error());
  if (!*entry) return Kept{};
  auto entered = fleet::entered_rules_from_json((*entry)->value);
  if (!entered) {
    return fail(entered.error().code,
                fmt::format("What waits to be deployed cannot be read: {}; `nats kv del {} {}` drops it",
                            entered.error().message, fleet::kRulesBucket, fleet::kEnteredKey));
  }
  return Kept{*std::move(entered), (*entry)->revision};
}

}  // namespace

Result<fleet::EnteredRules> read_entered(fleet::Connection& connection) {
  auto kept = read(connection);
  if (!kept) return std::unexpected(kept.error());
  return std::move(kept->entered);
}

Result<void> edit_entered(fleet::Connection& connection,
                          const std::function<Result<void>(fleet::EnteredRules& entered)>& edit) {
  for (;;) {
    auto kept = read(connection);
    if (!kept) return std::unexpected(kept.error());
    const fleet::EnteredRules before = kept->entered;
    if (auto edited = edit(kept->entered); !edited) return edited;
    if (kept->entered == before) return {};
    const std::string text = to_json(kept->entered);
    if (kept->entered.rules.size() > fleet::kMaxEnteredRules || text.size() > fleet::kMaxDocumentBytes) {
      return fail(ErrorCode::kTooManyRules,
                  "Too many rules wait to be deployed already: deploy some with POST /api/v1/rules/deploy, or remove "
                  "them");
    }
    const auto written = connection.put_if(fleet::kRulesBucket, fleet::kEnteredKey, text, kept->revision);
    if (written) return {};
    if (written.error().code != ErrorCode::kPreconditionFailed) return std::unexpected(written.error());
  }
}

Result<void> forget_entered(fleet::Connection& connection, std::string_view id) {
  return edit_entered(connection, [&](fleet::EnteredRules& entered) {
    std::erase_if(entered.rules, [&](const fleet::EnteredRule& one) { return one.id == id; });
    return Result<void>();
  });
}

}  // namespace secbeat::orchestrator
