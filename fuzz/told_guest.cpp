// A module that does what its configuration tells it, for fuzz_guest: each export returns a word of it, and the
// configuration lies in memory for those words to point at. It stands at the beginning of the data: kToldAddress.
#include <secbeat/guest.hpp>

namespace {

// The configuration begins with these words, each of 32 bits, in this order.
enum Word { kConfigured, kConfigureError, kVerdict, kDetail, kInventory, kNeeds, kPlace, kOtherPlace, kPages, kTraps };
enum Trap : uint32_t { kInspectTraps = 1, kDetailTraps = 2, kInventoryTraps = 4, kFreeTraps = 8, kDetailGrows = 16 };

struct Memory {
  unsigned char told[4096];
  unsigned char input[4096];  // where the configuration comes
  bool configured;
  bool asked;
};
constinit Memory memory = {};

uint32_t word(Word which) {
  uint32_t value;
  __builtin_memcpy(&value, memory.told + sizeof value * which, sizeof value);
  return value;
}

void trap_if(Trap what) {
  if ((word(kTraps) & what) != 0) __builtin_trap();
}

}  // namespace

SECBEAT_EXPORT("secbeat_abi") int32_t told_abi() { return TOLD_ABI; }
SECBEAT_EXPORT("secbeat_needs") uint32_t told_needs() { return word(kNeeds); }
SECBEAT_EXPORT("alloc") uint32_t told_alloc(uint32_t) {
  if (!memory.configured) return reinterpret_cast<uint32_t>(memory.input);
  memory.asked = !memory.asked;
  return word(memory.asked ? kPlace : kOtherPlace);
}
SECBEAT_EXPORT("dealloc") void told_free(uint32_t, uint32_t) { trap_if(kFreeTraps); }
SECBEAT_EXPORT("configure") int32_t told_configure(const unsigned char* text, uint32_t size) {
  __builtin_memcpy(memory.told, text, size < sizeof memory.told ? size : sizeof memory.told);
  memory.configured = true;
  return static_cast<int32_t>(word(kConfigured));
}
SECBEAT_EXPORT("configure_error") uint32_t told_configure_error() { return word(kConfigureError); }
SECBEAT_EXPORT("inspect_request") int32_t told_inspect(uint32_t, uint32_t) {
  trap_if(kInspectTraps);
  __builtin_wasm_memory_grow(0, word(kPages) % 512);
  return static_cast<int32_t>(word(kVerdict));
}
SECBEAT_EXPORT("verdict_detail") uint32_t told_detail() {
  trap_if(kDetailTraps);
  if ((word(kTraps) & kDetailGrows) != 0) __builtin_wasm_memory_grow(0, 1);
  return word(kDetail);
}
SECBEAT_EXPORT("inventory") uint32_t told_inventory() {
  trap_if(kInventoryTraps);
  return word(kInventory);
}
