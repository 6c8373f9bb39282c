// A module that answers what the input says (told_guest.cpp): its words are what exports return, and the rest is memory
// that they point at. The first byte: bit 0 the ABI, then which requests. Whatever it is, the host gives a verdict or
// an error, texts that are UTF-8 within their bounds, and asks no instance that has failed.
#include <array>
#include <string>

#include "fuzz_compiled.hpp"
#include "fuzz_support.hpp"
#include "secbeat/engine/engine.hpp"
#include "secbeat/engine/inventory.hpp"
#include "utf8.hpp"

namespace {

using namespace secbeat;
using namespace secbeat::engine;
using fuzz::require;

constexpr std::size_t kMostTold = 4096;
constexpr std::size_t kMostSaid = 2048;
constexpr std::size_t kMostDetail = 256;

struct Host {
  Host() : engine(*Engine::create()), artifacts{load("told_abi1"), load("told_abi2")} {}
  std::shared_ptr<const Artifact> load(const std::string& name) const {
    const std::string bytes = fuzz::compiled_guest(name);
    return *Artifact::load(*engine, bytes, sha256_hex(bytes));
  }
  std::unique_ptr<Engine> engine;
  std::array<std::shared_ptr<const Artifact>, 2> artifacts;
};

void require_text(std::string_view text, std::size_t limit) {
  require(text.size() <= limit);
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    require(length > 0);
    text.remove_prefix(length);
  }
}

void check_inspection(Instance& instance, const RequestView& request) {
  if (!instance.usable()) return;
  const auto verdict = instance.inspect(request);
  require(verdict.has_value() == instance.usable());
  if (!verdict) return require_text(verdict.error().message, kMostSaid);
  require(*verdict >= Verdict::kAllow && *verdict <= Verdict::kRateLimit);
  const VerdictDetail detail = instance.verdict_detail();
  require_text(detail.rule, kMostDetail);
  require_text(detail.message, kMostDetail);
}

void check_inventory(Instance& instance) {
  const auto text = instance.inventory();
  if (!text) return require_text(text.error().message, kMostSaid);
  if (!*text) return;
  require((*text)->size() <= kMaxInventoryBytes);
  if (const auto rules = read_inventory(**text); !rules) require_text(rules.error().message, kMostSaid);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Host host;
  static const std::string long_body(20'000, 'b');
  const std::string_view input = fuzz::text_of(data, size);
  if (input.empty()) return 0;
  const auto choice = static_cast<unsigned char>(input.front());
  Limits limits;
  limits.memory_bytes = std::size_t{4} << 20U;
  auto made = Instance::create(*host.engine, host.artifacts[choice & 1U], limits, input.substr(1).substr(0, kMostTold));
  if (!made) {
    require_text(made.error().message, kMostSaid);
    return 0;
  }
  Instance& instance = **made;
  require(instance.abi() == ((choice & 1U) != 0 ? 2 : 1));
  if ((choice & 2U) != 0) check_inventory(instance);
  RequestView request;
  request.method = "POST";
  request.uri = "/";
  check_inspection(instance, request);
  request.body = std::string_view(long_body).substr(0, std::size_t{choice} * 78);
  check_inspection(instance, request);
  request.body = long_body;
  check_inspection(instance, request);
  return 0;
}
