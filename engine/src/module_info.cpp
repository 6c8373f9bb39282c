#include "secbeat/engine/module_info.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "secbeat/abi/frame.h"
#include "utf8.hpp"

namespace secbeat::engine {
namespace {

constexpr std::size_t kMaxNameBytes = 64;
constexpr std::size_t kMaxVersionBytes = 64;

constexpr std::uint8_t kCustomSection = 0;
constexpr std::uint8_t kExportSection = 7;
constexpr std::uint8_t kFunctionExport = 0;

std::unexpected<Error> invalid(std::string_view what, std::size_t offset) {
  return fail(ErrorCode::kInvalidWasm, fmt::format("Invalid WASM module: {} at offset {}", what, offset));
}

// Reads forward in a part of the binary; every read is checked, offsets are those of the whole binary.
class Reader {
 public:
  Reader(std::string_view bytes, std::size_t offset) noexcept : bytes_(bytes), offset_(offset) {}

  [[nodiscard]] bool at_end() const noexcept { return bytes_.empty(); }
  [[nodiscard]] std::size_t offset() const noexcept { return offset_; }
  [[nodiscard]] std::size_t left() const noexcept { return bytes_.size(); }

  Result<std::uint8_t> byte() {
    if (bytes_.empty()) return invalid("unexpected end", offset_);
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
      if (shift == kLastShift && *next > 0x0FU) return invalid("integer of more than 32 bits", start);
      value |= (*next & 0x7FU) << shift;
      if ((*next & 0x80U) == 0) return value;
    }
    return invalid("integer of more than 32 bits", start);
  }

  Result<std::string_view> take(std::size_t length) {
    if (length > bytes_.size()) return invalid("unexpected end", offset_ + bytes_.size());
    const std::string_view taken = bytes_.substr(0, length);
    skip(length);
    return taken;
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

Result<void> keep_label(std::optional<std::string>& label, std::string_view section, std::string_view value,
                        bool (*is_valid)(std::string_view) noexcept, std::size_t offset) {
  if (label) return invalid(fmt::format("second custom section {}", section), offset);
  if (!is_valid(value)) {
    return invalid(
        fmt::format("custom section {} holds \"{}\", which is no {}", section, repaired_utf8(value, kMaxVersionBytes),
                    section == abi::kSectionName ? "module name" : "semantic version"),
        offset);
  }
  label = std::string(value);
  return {};
}

Result<void> read_custom_section(Reader section, ModuleInfo& info) {
  auto name = section.text();
  if (!name) return std::unexpected(name.error());
  if (*name == abi::kSectionName) {
    return keep_label(info.embedded_name, *name, section.rest(), &is_module_name, section.offset());
  }
  if (*name == abi::kSectionVersion) {
    return keep_label(info.embedded_version, *name, section.rest(), &is_semantic_version, section.offset());
  }
  return {};
}

Result<void> read_export_section(Reader section, ModuleInfo& info) {
  auto count = section.u32();
  if (!count) return std::unexpected(count.error());
  for (std::uint32_t i = 0; i < *count; ++i) {  // ends with the section at the latest
    auto name = section.text();
    if (!name) return std::unexpected(name.error());
    auto kind = section.byte();
    if (!kind) return std::unexpected(kind.error());
    if (auto index = section.u32(); !index) return std::unexpected(index.error());
    if (*name == abi::kExportConfigure && *kind == kFunctionExport) info.exports_configure = true;
  }
  if (!section.at_end()) return invalid("unexpected bytes in the export section", section.offset());
  return {};
}

Result<void> read_section(Reader& binary, ModuleInfo& info) {
  auto id = binary.byte();
  if (!id) return std::unexpected(id.error());
  const std::size_t length_offset = binary.offset();
  auto length = binary.u32();
  if (!length) return std::unexpected(length.error());
  if (*length > binary.left()) {
    return invalid(fmt::format("section of {} bytes, {} are left", *length, binary.left()), length_offset);
  }
  const std::size_t offset = binary.offset();
  auto bytes = binary.take(*length);
  if (!bytes) return std::unexpected(bytes.error());
  if (*id == kCustomSection) return read_custom_section(Reader(*bytes, offset), info);
  if (*id == kExportSection) return read_export_section(Reader(*bytes, offset), info);
  return {};
}

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_alphanumeric(char c) noexcept { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_number(std::string_view text) noexcept {
  return !text.empty() && std::ranges::all_of(text, is_digit) && (text.size() == 1 || text.front() != '0');
}

enum class LeadingZeros : std::uint8_t { kAllowed, kForbidden };

// Dot-separated, none empty, of [0-9A-Za-z-]; in a pre-release a number has no leading zero.
bool are_identifiers(std::string_view text, LeadingZeros zeros) noexcept {
  for (;;) {
    const auto end = text.find('.');
    const std::string_view part = text.substr(0, end);
    if (part.empty() || !std::ranges::all_of(part, [](char c) { return is_alphanumeric(c) || c == '-'; })) return false;
    if (zeros == LeadingZeros::kForbidden && std::ranges::all_of(part, is_digit) && !is_number(part)) return false;
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

Result<ModuleInfo> read_module_info(std::string_view bytes) {
  static constexpr std::string_view kMagic("\0asm", 4);
  static constexpr std::string_view kVersion("\1\0\0\0", 4);
  if (!bytes.starts_with(kMagic)) return invalid("no WebAssembly binary (magic number missing)", 0);
  if (bytes.substr(kMagic.size(), kVersion.size()) != kVersion) {
    return invalid("not version 1 of the binary format (components are not supported)", kMagic.size());
  }
  const std::size_t start = kMagic.size() + kVersion.size();
  Reader binary(bytes.substr(start), start);
  ModuleInfo info;
  while (!binary.at_end()) {
    if (auto read = read_section(binary, info); !read) return std::unexpected(read.error());
  }
  return info;
}

bool is_module_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= kMaxNameBytes && is_alphanumeric(name.front()) &&
         std::ranges::all_of(name, [](char c) { return is_alphanumeric(c) || c == '.' || c == '_' || c == '-'; });
}

bool is_semantic_version(std::string_view label) noexcept {
  if (label.size() > kMaxVersionBytes) return false;
  if (label.starts_with('v')) label.remove_prefix(1);
  if (const auto plus = label.find('+'); plus != std::string_view::npos) {
    if (!are_identifiers(label.substr(plus + 1), LeadingZeros::kAllowed)) return false;
    label = label.substr(0, plus);
  }
  if (const auto dash = label.find('-'); dash != std::string_view::npos) {
    if (!are_identifiers(label.substr(dash + 1), LeadingZeros::kForbidden)) return false;
    label = label.substr(0, dash);
  }
  const auto first = label.find('.');
  const auto second = first == std::string_view::npos ? first : label.find('.', first + 1);
  if (second == std::string_view::npos) return false;
  return is_number(label.substr(0, first)) && is_number(label.substr(first + 1, second - first - 1)) &&
         is_number(label.substr(second + 1));
}

}  // namespace secbeat::engine
