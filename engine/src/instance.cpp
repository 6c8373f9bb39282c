#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "frame_writer.hpp"
#include "guest.hpp"
#include "json_input.hpp"
#include "one_line.hpp"
#include "secbeat/engine/engine.hpp"
#include "secbeat/engine/inventory.hpp"
#include "utf8.hpp"

namespace secbeat::engine {
namespace {

// A reason of configure may name a rule, a key and a place; a rule and a message of a verdict go into log lines.
constexpr std::size_t kMaxConfigureErrorBytes = 1024;
constexpr std::size_t kMaxDetailBytes = 256;

Error startup_error(const CallError& error) {
  return {error.kind == CallErrorKind::kMemory ? ErrorCode::kMemoryLimit : ErrorCode::kConfigureFailed, error.message};
}

// The text of `place`, cut and repaired. Nothing where it is outside of the memory.
std::optional<std::string> read_text(const Guest& guest, abi::Span place, std::size_t limit) {
  const auto bytes = guest.read(place.off, place.len);
  if (!bytes) return std::nullopt;
  return repaired_utf8(*bytes, limit);
}

// False where it lies outside of the memory.
bool put_text(const Guest& guest, abi::Span place, std::string& into) {
  const auto bytes = guest.read(place.off, place.len);
  if (!bytes) return false;
  put_one_line(*bytes, kMaxDetailBytes, into);
  return true;
}

// Of a function that returns the address of {u32 ptr, u32 len}: these two. Nothing where the address is outside.
std::expected<std::optional<abi::Span>, CallError> call_for_place(Guest& guest, GuestFunction function) {
  auto address = guest.call(function);
  if (!address) return std::unexpected(std::move(address.error()));
  const auto bytes = guest.read(static_cast<std::uint32_t>(*address), sizeof(abi::Span));
  if (!bytes) return std::nullopt;
  abi::Span place{};
  std::memcpy(&place, bytes->data(), sizeof place);
  return place;
}

}  // namespace

struct Instance::Impl {
  std::shared_ptr<const Artifact> artifact;
  Limits limits;
  std::unique_ptr<Guest> guest;
  JsonInput json;
  int abi = 1;
  bool needs_body = true;
  bool usable = true;

  Result<void> read_abi();
  Result<void> configure(std::string_view config);
  Result<void> read_needs();
  std::expected<std::uint32_t, CallError> place_input(const RequestView& request);
  std::expected<Verdict, CallError> inspect(const RequestView& request);
  std::expected<void, CallError> read_detail(VerdictDetail& detail);
};

Result<void> Instance::Impl::read_abi() {
  if (!guest->has(GuestFunction::kAbi)) return {};
  auto answer = guest->call(GuestFunction::kAbi);
  if (!answer) return std::unexpected(startup_error(answer.error()));
  if (*answer != 1 && *answer != 2) {
    return fail(ErrorCode::kInvalidWasm,
                fmt::format("Invalid WASM module: secbeat_abi returned {}, this node knows 1 and 2", *answer));
  }
  abi = *answer;
  return {};
}

Result<void> Instance::Impl::configure(std::string_view config) {
  // Room is made at the start in any case, so that a module that can have none is refused before it serves.
  if (auto room = guest->reserve_input(std::max<std::size_t>(config.size(), 1)); !room) {
    return std::unexpected(startup_error(room.error()));
  }
  if (!guest->has(GuestFunction::kConfigure)) return {};
  if (!config.empty()) std::memcpy(guest->input(config.size()).data(), config.data(), config.size());
  auto answer =
      guest->call(GuestFunction::kConfigure, guest->input_address(), static_cast<std::uint32_t>(config.size()));
  if (!answer) return std::unexpected(startup_error(answer.error()));
  if (*answer == 0) return {};

  std::string reason;
  if (guest->has(GuestFunction::kConfigureError)) {
    if (const auto place = call_for_place(*guest, GuestFunction::kConfigureError); place && *place) {
      reason = read_text(*guest, **place, kMaxConfigureErrorBytes).value_or("");
    }
  }
  if (reason.empty()) reason = fmt::format("configure returned {} and gave no reason", *answer);
  return fail(ErrorCode::kConfigureFailed, "The module refuses its configuration: " + reason);
}

Result<void> Instance::Impl::read_needs() {
  if (!guest->has(GuestFunction::kNeeds)) return {};
  auto answer = guest->call(GuestFunction::kNeeds);
  if (!answer) return std::unexpected(startup_error(answer.error()));
  needs_body = (static_cast<std::uint32_t>(*answer) & abi::kNeedsBody) != 0;
  return {};
}

std::expected<std::uint32_t, CallError> Instance::Impl::place_input(const RequestView& request) {
  if (abi == 2) {
    const auto size = frame_size(request);
    if (!size) return std::unexpected(CallError{CallErrorKind::kMemory, "The request does not fit a frame of 4 GiB"});
    if (auto room = guest->reserve_input(*size); !room) return std::unexpected(std::move(room.error()));
    write_frame(request, guest->input(*size));
    return *size;
  }
  const std::string_view text = json.write(request);
  if (auto room = guest->reserve_input(text.size()); !room) return std::unexpected(std::move(room.error()));
  std::memcpy(guest->input(text.size()).data(), text.data(), text.size());
  return static_cast<std::uint32_t>(text.size());
}

std::expected<Verdict, CallError> Instance::Impl::inspect(const RequestView& request) {
  guest->start_budget(limits.call_budget);
  auto size = place_input(request);
  if (!size) return std::unexpected(std::move(size.error()));
  auto answer = guest->call(GuestFunction::kInspect, guest->input_address(), *size);
  if (!answer) return std::unexpected(std::move(answer.error()));
  if (*answer < 0 || *answer > static_cast<std::int32_t>(Verdict::kRateLimit)) {
    return std::unexpected(
        CallError{CallErrorKind::kBadVerdict, fmt::format("inspect_request returned {}, expected 0 to 3", *answer)});
  }
  return static_cast<Verdict>(*answer);
}

std::expected<void, CallError> Instance::Impl::read_detail(VerdictDetail& detail) {
  guest->start_budget(limits.call_budget);
  auto answer = guest->call(GuestFunction::kVerdictDetail);
  if (!answer) return std::unexpected(std::move(answer.error()));

  const auto address = static_cast<std::uint32_t>(*answer);
  const auto length = guest->read(address, sizeof(std::uint32_t));
  if (!length) {
    detail.dropped = true;
    return {};
  }
  abi::VerdictDetail fixed{};  // what a shorter struct does not have is 0: empty
  std::memcpy(&fixed.struct_len, length->data(), sizeof fixed.struct_len);
  const auto given = std::min<std::uint32_t>(fixed.struct_len, sizeof fixed);
  const auto bytes = guest->read(address, given);
  if (!bytes) {
    detail.dropped = true;
    return {};
  }
  std::memcpy(&fixed, bytes->data(), given);
  // A field counts only where the struct holds it whole.
  if (given < offsetof(abi::VerdictDetail, message)) fixed.rule = {};
  if (given < offsetof(abi::VerdictDetail, score)) fixed.message = {};
  if (given < offsetof(abi::VerdictDetail, match_count)) fixed.score = 0;

  detail.dropped = !put_text(*guest, fixed.rule, detail.rule);
  if (!put_text(*guest, fixed.message, detail.message)) detail.dropped = true;
  detail.score = fixed.score;
  return {};
}

Result<std::unique_ptr<Instance>> Instance::create(const Engine&, std::shared_ptr<const Artifact> artifact,
                                                   const Limits& limits, std::string_view config) {
  auto guest = Guest::create(*artifact, limits, limits.configure_budget);
  if (!guest) return std::unexpected(startup_error(guest.error()));
  auto impl = std::make_unique<Impl>();
  impl->artifact = std::move(artifact);
  impl->limits = limits;
  impl->guest = std::move(*guest);

  impl->guest->start_budget(limits.configure_budget);
  if (auto read = impl->read_abi(); !read) return std::unexpected(read.error());
  if (auto configured = impl->configure(config); !configured) return std::unexpected(configured.error());
  if (auto read = impl->read_needs(); !read) return std::unexpected(read.error());
  return std::unique_ptr<Instance>(new Instance(std::move(impl)));
}

Instance::Instance(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Instance::~Instance() = default;

std::expected<Verdict, CallError> Instance::inspect(const RequestView& request) {
  auto verdict = impl_->inspect(request);
  if (!verdict) impl_->usable = false;
  return verdict;
}

VerdictDetail Instance::verdict_detail() {
  VerdictDetail detail;
  verdict_detail(detail);
  return detail;
}

void Instance::verdict_detail(VerdictDetail& detail) {
  detail.rule.clear();
  detail.message.clear();
  detail.score = 0;
  detail.dropped = false;
  if (!impl_->usable || !impl_->guest->has(GuestFunction::kVerdictDetail)) return;
  if (!impl_->read_detail(detail)) impl_->usable = false;
}

Result<std::optional<std::string>> Instance::inventory() {
  Guest& guest = *impl_->guest;
  if (!impl_->usable || !guest.has(GuestFunction::kInventory)) return std::nullopt;
  guest.start_budget(impl_->limits.configure_budget);
  auto place = call_for_place(guest, GuestFunction::kInventory);
  if (!place) {
    impl_->usable = false;
    return std::unexpected(startup_error(place.error()));
  }
  const auto bytes = *place ? guest.read((*place)->off, (*place)->len) : std::nullopt;
  if (!bytes) return fail(ErrorCode::kBadJson, "it lies outside of the module's memory");
  if (bytes->size() > kMaxInventoryBytes) {
    return fail(ErrorCode::kBadJson,
                fmt::format("it has {} bytes, the limit is {}", bytes->size(), kMaxInventoryBytes));
  }
  return std::string(*bytes);
}

std::uint64_t Instance::fuel() const noexcept { return impl_->guest->fuel(); }
void Instance::set_fuel(std::uint64_t fuel) noexcept { impl_->guest->set_fuel(fuel); }

Result<std::unique_ptr<InstanceMaker>> InstanceMaker::create(const Engine& engine,
                                                             std::shared_ptr<const Artifact> artifact,
                                                             const Limits& limits) {
  if (artifact->impl().exports.has(GuestFunction::kConfigure)) {
    return fail(
        ErrorCode::kConfigureFailed,
        "The module exports configure, and isolation = \"request\" would have to configure an instance for each "
        "request: set isolation = \"instance\", or build the module without configure");
  }
  auto trial = Instance::create(engine, artifact, limits, {});
  if (!trial) return std::unexpected(trial.error());
  return std::unique_ptr<InstanceMaker>(new InstanceMaker(std::move(artifact), limits, **trial));
}

std::expected<std::unique_ptr<Instance>, CallError> InstanceMaker::make() const {
  auto guest = Guest::create(*artifact_, limits_, limits_.call_budget);
  if (!guest) return std::unexpected(std::move(guest.error()));
  auto impl = std::make_unique<Instance::Impl>();
  impl->artifact = artifact_;
  impl->limits = limits_;
  impl->guest = std::move(*guest);
  impl->abi = abi_;
  impl->needs_body = needs_body_;
  return std::unique_ptr<Instance>(new Instance(std::move(impl)));
}

bool Instance::usable() const noexcept { return impl_->usable; }
bool Instance::needs_body() const noexcept { return impl_->needs_body; }
int Instance::abi() const noexcept { return impl_->abi; }

}  // namespace secbeat::engine
