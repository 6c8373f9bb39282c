#include "secbeat/engine/module_info.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "secbeat/abi/frame.h"
#include "utf8.hpp"
#include "wasm_reader.hpp"

namespace secbeat::engine {
namespace {

constexpr std::size_t kMaxNameBytes = 64;
constexpr std::size_t kMaxVersionBytes = 64;
// Above this a module's compile is felt at each reload.
constexpr std::size_t kAdvisedModuleBytes = 500'000;

constexpr std::uint8_t kFunctionExport = 0;

Result<void> keep_label(std::optional<std::string>& label, std::string_view section, std::string_view value,
                        bool (*is_valid)(std::string_view) noexcept, std::size_t offset) {
  if (label) return invalid_wasm(fmt::format("second custom section {}", section), offset);
  if (!is_valid(value)) {
    return invalid_wasm(
        fmt::format("custom section {} holds \"{}\", which is no {}", section, repaired_utf8(value, kMaxVersionBytes),
                    section == abi::kSectionName ? "module name" : "semantic version"),
        offset);
  }
  label = std::string(value);
  return {};
}

Result<void> read_custom_section(WasmReader section, ModuleInfo& info) {
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

Result<void> read_export_section(WasmReader section, ModuleInfo& info) {
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
  if (!section.at_end()) return invalid_wasm("unexpected bytes in the export section", section.offset());
  return {};
}

Result<void> read_labels(const WasmSection& section, ModuleInfo& info) {
  if (section.id == kCustomSection) return read_custom_section(section.content, info);
  if (section.id == kExportSection) return read_export_section(section.content, info);
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

std::optional<std::string> size_advice(std::size_t module_bytes) {
  if (module_bytes <= kAdvisedModuleBytes) return std::nullopt;
  return fmt::format("The module has {} KB; below {} KB it compiles fast: wasm-opt -Oz --strip-debug makes it smaller",
                     module_bytes / 1000, kAdvisedModuleBytes / 1000);
}

Result<ModuleInfo> read_module_info(std::string_view bytes) {
  auto binary = wasm_sections(bytes);
  if (!binary) return std::unexpected(binary.error());
  ModuleInfo info;
  while (!binary->at_end()) {
    const auto section = next_section(*binary);
    if (!section) return std::unexpected(section.error());
    if (auto read = read_labels(*section, info); !read) return std::unexpected(read.error());
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
