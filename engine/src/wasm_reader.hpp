// The WebAssembly binary format as a walk over its sections. Every read is checked, offsets are those of the whole
// binary, and nothing is decoded that nobody asked for.
//
// Value types; thread safety as for std::string_view.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "secbeat/base/error.hpp"

namespace secbeat::engine {

// Ids of sections that are looked into.
inline constexpr std::uint8_t kCustomSection = 0;
inline constexpr std::uint8_t kTypeSection = 1;
inline constexpr std::uint8_t kImportSection = 2;
inline constexpr std::uint8_t kFunctionSection = 3;
inline constexpr std::uint8_t kTableSection = 4;
inline constexpr std::uint8_t kMemorySection = 5;
inline constexpr std::uint8_t kGlobalSection = 6;
inline constexpr std::uint8_t kExportSection = 7;

// kInvalidWasm, "Invalid WASM module: <what> at offset <offset>".
std::unexpected<Error> invalid_wasm(std::string_view what, std::size_t offset);

// Reads forward in a part of the binary; every read is checked, offsets are those of the whole binary.
class WasmReader {
 public:
  WasmReader(std::string_view bytes, std::size_t offset) noexcept : bytes_(bytes), offset_(offset) {}

  [[nodiscard]] bool at_end() const noexcept { return bytes_.empty(); }
  [[nodiscard]] std::size_t offset() const noexcept { return offset_; }
  [[nodiscard]] std::size_t left() const noexcept { return bytes_.size(); }

  Result<std::uint8_t> byte() {
    if (bytes_.empty()) return invalid_wasm("unexpected end", offset_);
    const auto value = static_cast<std::uint8_t>(bytes_.front());
    skip(1);
    return value;
  }

  // LEB128, at most 5 bytes, of which the last may hold 4 bits.
  Result<std::uint32_t> u32() {
    static constexpr unsigned kLastShift = 28;
    const std::size_t start = offset_;
    std::uint32_t value = 0;
    for (unsigned shift = 0; shift <= kLastShift; shift += 7) {
      auto next = byte();
      if (!next) return std::unexpected(next.error());
      if (shift == kLastShift && *next > 0x0FU) return invalid_wasm("integer of more than 32 bits", start);
      value |= (*next & 0x7FU) << shift;
      if ((*next & 0x80U) == 0) return value;
    }
    return invalid_wasm("integer of more than 32 bits", start);
  }

  Result<std::string_view> take(std::size_t length) {
    if (length > bytes_.size()) return invalid_wasm("unexpected end", offset_ + bytes_.size());
    const std::string_view taken = bytes_.substr(0, length);
    skip(length);
    return taken;
  }

  // A LEB128 of up to 64 bits, whatever its value.
  Result<void> skip_integer() {
    static constexpr int kMostBytes = 10;
    const std::size_t start = offset_;
    for (int i = 0; i < kMostBytes; ++i) {
      auto next = byte();
      if (!next) return std::unexpected(next.error());
      if ((*next & 0x80U) == 0) return {};
    }
    return invalid_wasm("integer of more than 64 bits", start);
  }

  Result<void> skip_bytes(std::size_t count) {
    if (auto taken = take(count); !taken) return std::unexpected(taken.error());
    return {};
  }

  // A length and as many bytes.
  Result<std::string_view> text() {
    auto length = u32();
    if (!length) return std::unexpected(length.error());
    return take(*length);
  }

  [[nodiscard]] std::string_view rest() const noexcept { return bytes_; }

 private:
  void skip(std::size_t count) noexcept {
    bytes_.remove_prefix(count);
    offset_ += count;
  }

  std::string_view bytes_;
  std::size_t offset_;
};

struct WasmSection {
  std::uint8_t id = 0;
  std::size_t size = 0;  // of its content
  WasmReader content;
};

// The reader stands before the first section. kInvalidWasm: no binary of version 1.
Result<WasmReader> wasm_sections(std::string_view bytes);

// The next section. REQUIRES: !binary.at_end().
Result<WasmSection> next_section(WasmReader& binary);

}  // namespace secbeat::engine
