// The module side of the SDK, included by guest.hpp for wasm32 only: the exports of ABI 2, the memory that
// the host writes into, the custom sections, and the functions that the compiler calls without being asked.
#pragma once

#include "secbeat/guest.hpp"

// A function that the host calls by this name.
#define SECBEAT_EXPORT(name) extern "C" __attribute__((export_name(name)))

// A custom section. Only assembly makes one: an __attribute__((section)) becomes data. lld, llvm-strip and
// wasm-opt keep it, wabt's wasm-strip does not.
#define SECBEAT_CUSTOM_SECTION(section, text) \
  __asm__(".section .custom_section." section ",\"\",@\n.ascii \"" text "\"\n.text\n");

// Once in a module, with the name and the semantic version that it embeds. The rule follows as
//   Decision inspect(const Request& request)
#define SECBEAT_MODULE(name, version)                \
  SECBEAT_CUSTOM_SECTION("secbeat.name", name)       \
  SECBEAT_CUSTOM_SECTION("secbeat.version", version) \
  SECBEAT_UNNAMED_MODULE

// The same for a module that embeds neither: the node names it and counts its versions.
#define SECBEAT_UNNAMED_MODULE                                                                                    \
  static ::secbeat::guest::Decision inspect(const ::secbeat::guest::Request& request);                            \
  SECBEAT_EXPORT("secbeat_abi") int32_t secbeat_export_abi() { return 2; }                                        \
  SECBEAT_EXPORT("alloc") uint32_t secbeat_export_alloc(uint32_t len) { return ::secbeat::guest::allocate(len); } \
  SECBEAT_EXPORT("dealloc") void secbeat_export_dealloc(uint32_t ptr, uint32_t len) {                             \
    ::secbeat::guest::release(ptr, len);                                                                          \
  }                                                                                                               \
  SECBEAT_EXPORT("inspect_request") int32_t secbeat_export_inspect(const char* ptr, uint32_t len) {               \
    const ::secbeat::guest::Request request(ptr, len);                                                            \
    if (!request.valid()) __builtin_trap();                                                                       \
    return ::secbeat::guest::answer(inspect(request));                                                            \
  }                                                                                                               \
  SECBEAT_EXPORT("verdict_detail") const void* secbeat_export_detail() { return ::secbeat::guest::last_detail(); }

// For a module that takes a configuration. The function follows as
//   Configured configure(StringView text)
// It runs once for each instance, before its first request. `text` lasts until it returns; keep() what the
// rule reads later.
#define SECBEAT_CONFIGURE                                                                       \
  static ::secbeat::guest::Configured configure(::secbeat::guest::StringView text);             \
  SECBEAT_EXPORT("configure") int32_t secbeat_export_configure(const char* ptr, uint32_t len) { \
    return ::secbeat::guest::answer(configure({ptr, len}));                                     \
  }                                                                                             \
  SECBEAT_EXPORT("configure_error") const void* secbeat_export_configure_error() {              \
    return ::secbeat::guest::last_reason();                                                     \
  }

// What the module wants to be given: abi::kNeedsBody or 0. Without this line it is given bodies.
#define SECBEAT_NEEDS(needs) \
  SECBEAT_EXPORT("secbeat_needs") uint32_t secbeat_export_needs() { return needs; }

// For a module that lists its rules, so that the node tells which came and went with a version. The function follows as
//   void list_rules(Inventory& rules)
// It runs once, after configure.
#define SECBEAT_INVENTORY                                              \
  static void list_rules(::secbeat::guest::Inventory& rules);          \
  SECBEAT_EXPORT("inventory") const void* secbeat_export_inventory() { \
    ::secbeat::guest::Inventory rules(::secbeat::guest::more_room);    \
    list_rules(rules);                                                 \
    return ::secbeat::guest::inventory_of(rules);                      \
  }

// What __builtin_memcmp and __builtin_strlen call. Copying and filling are instructions of the machine.
extern "C" inline int memcmp(const void* a, const void* b, size_t size) {
  const auto* left = static_cast<const unsigned char*>(a);
  const auto* right = static_cast<const unsigned char*>(b);
  for (size_t i = 0; i < size; ++i) {
    if (left[i] != right[i]) return left[i] < right[i] ? -1 : 1;
  }
  return 0;
}

extern "C" inline size_t strlen(const char* text) {
  size_t size = 0;
  while (text[size] != '\0') ++size;
  return size;
}

extern "C" unsigned char __heap_base;  // by the linker: where the memory behind data and stack begins

namespace secbeat::guest {

inline constinit uint32_t heap_top = 0;  // 0: nothing was allocated yet

constexpr uint64_t round_to_16(uint64_t address) { return (address + 15) & ~uint64_t{15}; }

// Memory behind all that was allocated before; 0 where the node grants no more. Only the newest block can
// be given back: the host's buffer comes and goes, what configure() keeps stays.
inline uint32_t allocate(uint32_t size) {
  constexpr uint64_t kPage = 65536;
  const uint64_t start = heap_top != 0 ? heap_top : round_to_16(reinterpret_cast<uintptr_t>(&__heap_base));
  const uint64_t end = round_to_16(start + size);
  const uint64_t have = __builtin_wasm_memory_size(0) * kPage;
  if (end > have) {
    const auto pages = static_cast<size_t>((end - have + kPage - 1) / kPage);
    if (__builtin_wasm_memory_grow(0, pages) == ~size_t{0}) return 0;
  }
  heap_top = static_cast<uint32_t>(end);
  return static_cast<uint32_t>(start);
}

inline void release(uint32_t block, uint32_t size) {
  if (block != 0 && round_to_16(uint64_t{block} + size) == heap_top) heap_top = block;
}

// A copy that lasts as long as the instance. Traps where the node's memory limit leaves no room.
inline StringView keep(StringView text) {
  auto* copy = reinterpret_cast<char*>(allocate(static_cast<uint32_t>(text.size())));
  if (copy == nullptr) __builtin_trap();
  __builtin_memcpy(copy, text.data(), text.size());
  return {copy, text.size()};
}

// The block grows where it stands while it is the newest one, else it is copied.
inline char* more_room(char* data, size_t used, size_t wanted) {
  constexpr size_t kAlign = 16;  // allocate() gives multiples of it, so that blocks touch
  const size_t have = (used + kAlign - 1) / kAlign * kAlign;
  const auto here = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(data));
  if (data != nullptr && here + have == heap_top) {
    return allocate(static_cast<uint32_t>(wanted - have)) != 0 ? data : nullptr;
  }
  auto* const room = reinterpret_cast<char*>(allocate(static_cast<uint32_t>(wanted)));
  if (room != nullptr && used > 0) __builtin_memcpy(room, data, used);
  return room;
}

// What the host may ask about after a call.
inline constinit Buffer<128> last_rule;
inline constinit Buffer<256> last_message;
inline constinit Buffer<1024> last_reason_text;  // rule, key and place, of several faults
inline constinit int32_t last_score = 0;
inline constinit abi::VerdictDetail detail_for_host{};
inline constinit abi::Span reason_for_host{};
inline constinit abi::Span inventory_for_host{};

inline abi::Span span_of(StringView text) {
  return {static_cast<uint32_t>(reinterpret_cast<uintptr_t>(text.data())), static_cast<uint32_t>(text.size())};
}

inline int32_t answer(const Decision& decision) {
  last_rule.clear(), last_rule.append(decision.rule);
  last_message.clear(), last_message.append(decision.message);
  last_score = decision.score;
  return static_cast<int32_t>(decision.verdict);
}

inline int32_t answer(const Configured& result) {
  last_reason_text.clear(), last_reason_text.append(result.reason);
  return result.accepted ? 0 : 1;
}

inline const void* last_detail() {
  detail_for_host = {
      sizeof(abi::VerdictDetail), span_of(last_rule.view()), span_of(last_message.view()), last_score, 0, 0};
  return &detail_for_host;
}

inline const void* inventory_of(Inventory& rules) {
  inventory_for_host = span_of(rules.finish());
  return &inventory_for_host;
}

inline const void* last_reason() {
  reason_for_host = span_of(last_reason_text.view());
  return &reason_for_host;
}

}  // namespace secbeat::guest
