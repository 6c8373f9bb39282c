#include "module.hpp"

#include "faults.hpp"
#include "rule_document.hpp"

namespace secbeat::waf {
namespace {

// Of a request's texts in all their forms: enough for bodies of several hundred kilobytes.
constexpr size_t kScratchBytes = size_t{4} << 20U;
constexpr size_t kLeastScratchBytes = size_t{64} << 10U;

#if defined(__wasm__)
char* room(size_t bytes) { return reinterpret_cast<char*>(guest::allocate(static_cast<uint32_t>(bytes))); }
char* room_or_end(size_t bytes) {
  char* const place = room(bytes);
  if (place == nullptr) __builtin_trap();
  return place;
}
#else
char* room_or_end(size_t bytes) { return host_memory(bytes); }
#endif

}  // namespace

#if defined(__wasm__)
constinit Module the_module(room);
#endif

// The node's limit may leave less than what is wanted, and has to leave room for requests.
Arena Module::make_scratch() const {
  for (size_t size = kScratchBytes; size >= kLeastScratchBytes; size /= 2) {
    char* const memory = memory_(size);
    if (memory != nullptr) return {memory, size, nullptr};
  }
  return {room_or_end(kLeastScratchBytes), kLeastScratchBytes, nullptr};
}

guest::Configured Module::configure(StringView text) {
  scratch_ = make_scratch();
  kept_ = Arena(nullptr, 0, room_or_end);
  // A request's memory serves for what is needed to read the document only; a very large one needs more.
  char* const scratch = scratch_.take_array<char>(scratch_.left());
  const size_t scratch_size = scratch_.size();
  Arena temporary(scratch, scratch_size, room_or_end);
  Faults faults(text);
  read_rule_document(text, kept_, temporary, rules_, faults);
  StringView wrong;
  if (faults.none() && matcher_.configure(rules_, kept_, temporary, &scratch_, wrong)) {
    scratch_.reset();
    return guest::accept();
  }
  reason_.append(faults.none() ? wrong : faults.text());
  return guest::reject(reason_.view());
}

void Module::list_rules(guest::Inventory& inventory) const {
  for (const Rule& rule : rules_.rules) {
    char hash[8];
    __builtin_memcpy(hash, &rule.hash, sizeof hash);
    inventory.add_tagged(rule.id, StringView(hash, sizeof hash), rule.tags, rule.tag_count);
  }
}

}  // namespace secbeat::waf
