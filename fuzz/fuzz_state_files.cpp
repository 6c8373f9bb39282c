// Small files and texts that the node has written itself and reads when it starts. The first byte says which: 'f'
// freeze.json, 'w' watches.json, 'n' fleet.json, 'c' a change of rules as the ledger keeps it, 'r' two configurations
// with a zero byte between them, whose rules are compared. What is taken survives being written and read again.
#include <string>

#include "freeze_file.hpp"
#include "fuzz_support.hpp"
#include "gates.hpp"
#include "lost_rules.hpp"
#include "reached.hpp"
#include "watch_notes.hpp"

namespace {

using namespace secbeat::agent;
using secbeat::fuzz::require;

void check_freeze(std::string_view text) {
  const auto freeze = freeze_from_json(text);
  if (!freeze) return;
  require(freeze->since_unix_ms != 0 && freeze_from_json(freeze_to_json(*freeze)) == freeze);
}

void check_watches(std::string_view text) {
  const auto notes = watch_notes_from_json(text);
  if (!notes) return;
  require(watch_notes_from_json(to_json(*notes)) == notes);
  for (const auto& [name, note] : *notes) {
    if (!note.baseline) continue;
    require(note.baseline->time.count() >= 0);
    const WatchFigures view = view_of(*note.baseline + *note.baseline);
    require(!view.p99_us || *view.p99_us >= 0);
  }
}

void check_reached(std::string_view text) {
  const auto notes = reached_notes_from_json(text);
  if (!notes) {
    require(notes.error().message.size() <= 256);
    return;
  }
  require(notes->reverted.size() <= 32);
  const auto again = reached_notes_from_json(to_json(*notes));
  require(again && *again == *notes);
}

void check_change(std::string_view text) {
  const auto change = change_from_text(text);
  if (change) require(change_from_text(to_text(change)) == change);
}

void check_lost_rules(std::string_view text) {
  const auto [before, after] = secbeat::fuzz::split(text, '\0');
  for (const std::string& id : lost_rules(before, after)) require(!id.empty() && id.size() <= 64);
  require(lost_rules(before, before).empty());
  require(told_as_lost(lost_rules(before, after)).size() <= 1024);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = secbeat::fuzz::text_of(data, size);
  if (text.empty()) return 0;
  const char which = text.front();
  text.remove_prefix(1);
  switch (which) {
    case 'f':
      check_freeze(text);
      break;
    case 'w':
      check_watches(text);
      break;
    case 'n':
      check_reached(text);
      break;
    case 'c':
      check_change(text);
      break;
    case 'r':
      check_lost_rules(text);
      break;
    default:
      break;
  }
  return 0;
}
