#include "wasm_reader.hpp"

#include <fmt/format.h>

namespace secbeat::engine {

std::unexpected<Error> invalid_wasm(std::string_view what, std::size_t offset) {
  return fail(ErrorCode::kInvalidWasm, fmt::format("Invalid WASM module: {} at offset {}", what, offset));
}

Result<WasmReader> wasm_sections(std::string_view bytes) {
  static constexpr std::string_view kMagic("\0asm", 4);
  static constexpr std::string_view kVersion("\1\0\0\0", 4);
  if (!bytes.starts_with(kMagic)) return invalid_wasm("no WebAssembly binary (magic number missing)", 0);
  if (bytes.substr(kMagic.size(), kVersion.size()) != kVersion) {
    return invalid_wasm("not version 1 of the binary format (components are not supported)", kMagic.size());
  }
  const std::size_t start = kMagic.size() + kVersion.size();
  return WasmReader(bytes.substr(start), start);
}

Result<WasmSection> next_section(WasmReader& binary) {
  auto id = binary.byte();
  if (!id) return std::unexpected(id.error());
  const std::size_t length_offset = binary.offset();
  auto length = binary.u32();
  if (!length) return std::unexpected(length.error());
  if (*length > binary.left()) {
    return invalid_wasm(fmt::format("section of {} bytes, {} are left", *length, binary.left()), length_offset);
  }
  const std::size_t offset = binary.offset();
  auto bytes = binary.take(*length);
  if (!bytes) return std::unexpected(bytes.error());
  return WasmSection{*id, *length, WasmReader(*bytes, offset)};
}

}  // namespace secbeat::engine
