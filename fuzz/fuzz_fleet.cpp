// Documents of the fleet. What is taken must survive being written and read again, and names no subject but its own.
// And the metadata of objects, whose id becomes a part of a subject.
#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "object_metadata.hpp"
#include "secbeat/fleet/documents.hpp"
#include "secbeat/fleet/names.hpp"
#include "secbeat/fleet/rollout.hpp"
#include "secbeat/fleet/rules.hpp"

namespace {

template <class T>
void survives(const secbeat::Result<T>& read, secbeat::Result<T> (*reads)(std::string_view)) {
  if (!read) return;
  const auto again = reads(to_json(*read));
  // A text that is longer than it is written is cut once.
  if (!again || to_json(*again) != to_json(*read)) std::abort();
}

void check_metadata(std::string_view text) {
  const auto metadata = secbeat::fleet::object_metadata_from_json(text);
  if (!metadata) return;
  const bool is_whole = text.size() <= secbeat::fleet::kMaxMetadataBytes && metadata->chunks <= metadata->size;
  if (!is_whole || metadata->nuid.empty() || metadata->nuid.size() > secbeat::fleet::kMaxObjectId) std::abort();
  const bool is_word = std::ranges::all_of(metadata->nuid, [](unsigned char c) { return std::isalnum(c) != 0; });
  if (!is_word) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace secbeat::fleet;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  survives(desired_from_json(text), &desired_from_json);
  survives(order_from_json(text), &order_from_json);
  survives(order_answer_from_json(text), &order_answer_from_json);
  survives(rollout_from_json(text), &rollout_from_json);
  survives(running_from_json(text), &running_from_json);
  survives(entered_rules_from_json(text), &entered_rules_from_json);
  survives(rule_ends_from_json(text), &rule_ends_from_json);
  survives(rule_counts_from_json(text), &rule_counts_from_json);
  check_metadata(text);
  const auto status = node_status_from_json(text);
  survives(status, &node_status_from_json);
  if (status && !is_key(status->node)) std::abort();
  return 0;
}
