// Lets everything pass, and is large: thousands of functions, none like another, for the compiler to chew.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_NEEDS(0)

// Benchmarks build it in other sizes.
#if !defined(HEAVY_FUNCTIONS)
#define HEAVY_FUNCTIONS 4000
#endif
constexpr uint32_t kFunctions = HEAVY_FUNCTIONS;
constexpr uint32_t mixed(uint32_t n) { return (n * 2654435761U) ^ (n << 13U) ^ 0x9E3779B9U; }

template <uint32_t kIndex>
[[gnu::noinline]] static uint32_t step(uint32_t x, const char* bytes, uint32_t size) {
  for (uint32_t i = kIndex % 7; i < size; i += 1 + kIndex % 5) {
    x = (x ^ mixed(kIndex)) * (mixed(kIndex + 1) | 1U) + static_cast<unsigned char>(bytes[i]);
    if (x % (3 + kIndex % 61) == kIndex % 3) x += mixed(kIndex + 2) ^ (x >> (1 + kIndex % 29));
    if ((x & mixed(kIndex + 3)) < mixed(kIndex + 4)) x ^= (x << (1 + kIndex % 23)) | mixed(kIndex + 5);
    if (bytes[i] == static_cast<char>('!' + kIndex % 90)) return x - mixed(kIndex + 6) / (1 + kIndex % 11);
  }
  return x ^ mixed(kIndex + 7);
}

using Step = uint32_t (*)(uint32_t, const char*, uint32_t);
template <uint32_t... kIndices>
struct Table {
  static constexpr Step kSteps[] = {step<kIndices>...};
};
template <class T, T... kIndices>
using TableOf = Table<kIndices...>;
using Steps = __make_integer_seq<TableOf, uint32_t, kFunctions>;

Decision inspect(const Request& request) {
  const StringView uri = request.uri();
  const auto size = static_cast<uint32_t>(uri.size());
  return {.score = static_cast<int32_t>(Steps::kSteps[size % kFunctions](size, uri.data(), size))};
}
