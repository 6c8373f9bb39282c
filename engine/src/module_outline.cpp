#include "secbeat/engine/module_outline.hpp"

#include <fmt/format.h>

#include <array>
#include <optional>

#include "utf8.hpp"
#include "wasm_reader.hpp"

namespace secbeat::engine {
namespace {

constexpr std::string_view kUnknown = "?";
constexpr std::size_t kMaxTextBytes = 128;
// What the engine takes of each kind at most.
constexpr std::uint32_t kMostItems = 1'000'000;
constexpr std::uint32_t kMostTypes = 1000;  // parameters or results of one function
constexpr std::uint32_t kTypesShown = 8;    // of them

constexpr std::array<std::string_view, 14> kSectionNames = {"custom", "type",   "import",     "function", "table",
                                                            "memory", "global", "export",     "start",    "element",
                                                            "code",   "data",   "data count", "tag"};
constexpr std::array<std::string_view, 5> kKinds = {"function", "table", "memory", "global", "tag"};
enum Kind : std::uint8_t { kFunction, kTable, kMemory, kGlobal, kTag };

Result<std::uint32_t> item_count(WasmReader& reader) {
  const std::size_t offset = reader.offset();
  auto count = reader.u32();
  if (count && *count > kMostItems) return invalid_wasm(fmt::format("{} items in one section", *count), offset);
  return count;
}

std::string text_of(std::string_view bytes) { return repaired_utf8(bytes, kMaxTextBytes); }

Result<std::string_view> value_type(WasmReader& reader) {
  const auto byte = reader.byte();
  if (!byte) return std::unexpected(byte.error());
  switch (*byte) {
    case 0x7F:
      return "i32";
    case 0x7E:
      return "i64";
    case 0x7D:
      return "f32";
    case 0x7C:
      return "f64";
    case 0x7B:
      return "v128";
    case 0x70:
      return "funcref";
    case 0x6F:
      return "externref";
    case 0x63:
    case 0x64:
      if (auto heap = reader.skip_integer(); !heap) return std::unexpected(heap.error());
      return "reference";
    default:
      return kUnknown;
  }
}

// A vector of value types as text.
Result<std::string> value_types(WasmReader& reader, std::uint32_t& count) {
  const std::size_t offset = reader.offset();
  auto found = reader.u32();
  if (!found) return std::unexpected(found.error());
  if (*found > kMostTypes) return invalid_wasm(fmt::format("a function with {} values", *found), offset);
  count = *found;
  std::string text;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto type = value_type(reader);
    if (!type) return std::unexpected(type.error());
    if (i < kTypesShown) text += fmt::format("{}{}", i == 0 ? "" : ", ", *type);
    if (i == kTypesShown) text += ", …";
  }
  return text;
}

Result<std::string> function_type(WasmReader& reader) {
  std::uint32_t params = 0;
  std::uint32_t results = 0;
  const auto in = value_types(reader, params);
  if (!in) return std::unexpected(in.error());
  const auto out = value_types(reader, results);
  if (!out) return std::unexpected(out.error());
  return fmt::format("({}) -> {}", *in, results == 1 ? *out : "(" + *out + ")");
}

// Of memories and tables. Without a text: of a kind whose numbers this reader does not know.
Result<std::optional<std::string>> limits(WasmReader& reader, std::string_view unit) {
  constexpr std::uint8_t kHasMaximum = 1;
  const auto flags = reader.byte();
  if (!flags) return std::unexpected(flags.error());
  if (*flags > kHasMaximum) return std::nullopt;
  const auto least = reader.u32();
  if (!least) return std::unexpected(least.error());
  if (*flags != kHasMaximum) return fmt::format("{} {}", *least, unit);
  const auto most = reader.u32();
  if (!most) return std::unexpected(most.error());
  return fmt::format("{} to {} {}", *least, *most, unit);
}

// Reads past a constant expression; false: it has instructions that this reader does not know.
Result<bool> skip_expression(WasmReader& reader) {
  for (;;) {
    const auto code = reader.byte();
    if (!code) return std::unexpected(code.error());
    Result<void> skipped;
    switch (*code) {
      case 0x0B:  // end
        return true;
      case 0x41:  // i32.const, i64.const, global.get, ref.null, ref.func
      case 0x42:
      case 0x23:
      case 0xD0:
      case 0xD2:
        skipped = reader.skip_integer();
        break;
      case 0x43:  // f32.const
        skipped = reader.skip_bytes(4);
        break;
      case 0x44:  // f64.const
        skipped = reader.skip_bytes(8);
        break;
      case 0x6A:  // add, sub, mul of i32 and i64
      case 0x6B:
      case 0x6C:
      case 0x7C:
      case 0x7D:
      case 0x7E:
        break;
      case 0xFD:  // v128.const
        skipped = reader.skip_bytes(17);
        break;
      default:
        return false;
    }
    if (!skipped) return std::unexpected(skipped.error());
  }
}

// Collects what later sections refer to by number. Where something is met that it does not know, the rest of that
// section stays unknown; what is cut off or overlong is an error.
class Outliner {
 public:
  explicit Outliner(ModuleOutline& outline) : outline_(outline) {}

  Result<void> read(const WasmSection& section) {
    list(section);
    switch (section.id) {
      case kTypeSection:
        return types(section.content);
      case kImportSection:
        return imports(section.content);
      case kFunctionSection:
        return functions(section.content);
      case kTableSection:
        return tables(section.content);
      case kMemorySection:
        return memories(section.content);
      case kGlobalSection:
        return globals(section.content);
      case kExportSection:
        return exports(section.content);
      default:
        return {};
    }
  }

 private:
  void list(const WasmSection& section) {
    if (outline_.section_count++ >= ModuleOutline::kMostListed) return;
    std::string name(section.id < kSectionNames.size() ? kSectionNames[section.id] : kUnknown);
    if (section.id == kCustomSection) {
      WasmReader content = section.content;
      if (const auto own = content.text()) name += " " + text_of(*own);
    }
    outline_.sections.push_back({std::move(name), section.content.offset(), section.size});
  }

  Result<void> types(WasmReader reader) {
    constexpr std::uint8_t kPlainFunction = 0x60;
    const auto count = item_count(reader);
    if (!count) return std::unexpected(count.error());
    for (std::uint32_t i = 0; i < *count; ++i) {
      const auto form = reader.byte();
      if (!form) return std::unexpected(form.error());
      if (*form != kPlainFunction) return {};
      types_.push_back(reader);
      if (auto type = function_type(reader); !type) return std::unexpected(type.error());
    }
    return {};
  }

  Result<void> functions(WasmReader reader) {
    const auto count = item_count(reader);
    if (!count) return std::unexpected(count.error());
    for (std::uint32_t i = 0; i < *count; ++i) {
      const auto type = reader.u32();
      if (!type) return std::unexpected(type.error());
      functions_.push_back(*type);
    }
    return {};
  }

  Result<void> tables(WasmReader reader) {
    const auto count = item_count(reader);
    if (!count) return std::unexpected(count.error());
    for (std::uint32_t i = 0; i < *count; ++i) {
      auto type = table_type(reader);
      if (!type) return std::unexpected(type.error());
      if (!*type) return {};
      tables_.push_back(**std::move(type));
    }
    return {};
  }

  static Result<std::optional<std::string>> table_type(WasmReader& reader) {
    const auto element = value_type(reader);
    if (!element) return std::unexpected(element.error());
    if (*element == kUnknown) return std::nullopt;
    auto size = limits(reader, *element);
    return size;
  }

  Result<void> memories(WasmReader reader) {
    const auto count = item_count(reader);
    if (!count) return std::unexpected(count.error());
    for (std::uint32_t i = 0; i < *count; ++i) {
      auto size = limits(reader, "pages");
      if (!size) return std::unexpected(size.error());
      if (!*size) return {};
      memories_.push_back(**std::move(size));
    }
    return {};
  }

  static Result<std::string> global_type(WasmReader& reader) {
    const auto type = value_type(reader);
    if (!type) return std::unexpected(type.error());
    const auto changes = reader.byte();
    if (!changes) return std::unexpected(changes.error());
    return fmt::format("{}{}", *changes == 0 ? "" : "mutable ", *type);
  }

  Result<void> globals(WasmReader reader) {
    const auto count = item_count(reader);
    if (!count) return std::unexpected(count.error());
    for (std::uint32_t i = 0; i < *count; ++i) {
      auto type = global_type(reader);
      if (!type) return std::unexpected(type.error());
      globals_.push_back(*std::move(type));
      const auto known = skip_expression(reader);
      if (!known) return std::unexpected(known.error());
      if (!*known) return {};
    }
    return {};
  }

  Result<void> imports(WasmReader reader) {
    const auto count = item_count(reader);
    if (!count) return std::unexpected(count.error());
    outline_.import_count += *count;  // a section may come twice: the engine says so
    for (std::uint32_t i = 0; i < *count; ++i) {
      const auto module = reader.text();
      if (!module) return std::unexpected(module.error());
      const auto name = reader.text();
      if (!name) return std::unexpected(name.error());
      const auto kind = reader.byte();
      if (!kind) return std::unexpected(kind.error());
      const auto type = imported(reader, *kind);
      if (!type) return std::unexpected(type.error());
      if (outline_.imports.size() < ModuleOutline::kMostListed) {
        outline_.imports.push_back(
            {text_of(*module), text_of(*name), kind_text(*kind), type->value_or(std::string(kUnknown))});
      }
      if (!*type) return {};  // where the next one begins is not known
    }
    return {};
  }

  Result<std::optional<std::string>> imported(WasmReader& reader, std::uint8_t kind) {
    if (kind == kFunction || kind == kTag) {
      if (kind == kTag) {
        if (auto attribute = reader.byte(); !attribute) return std::unexpected(attribute.error());
      }
      const auto type = reader.u32();
      if (!type) return std::unexpected(type.error());
      if (kind == kFunction) functions_.push_back(*type);
      return type_text(*type);
    }
    if (kind == kGlobal) {
      auto type = global_type(reader);
      if (!type) return std::unexpected(type.error());
      globals_.push_back(*type);
      return *std::move(type);
    }
    if (kind != kTable && kind != kMemory) return std::nullopt;
    auto type = kind == kTable ? table_type(reader) : limits(reader, "pages");
    if (type && *type) (kind == kTable ? tables_ : memories_).push_back(**type);
    return type;
  }

  Result<void> exports(WasmReader reader) {
    const auto count = item_count(reader);
    if (!count) return std::unexpected(count.error());
    outline_.export_count += *count;
    for (std::uint32_t i = 0; i < *count; ++i) {
      const auto name = reader.text();
      if (!name) return std::unexpected(name.error());
      const auto kind = reader.byte();
      if (!kind) return std::unexpected(kind.error());
      const auto index = reader.u32();
      if (!index) return std::unexpected(index.error());
      if (outline_.exports.size() < ModuleOutline::kMostListed) {
        outline_.exports.push_back({text_of(*name), kind_text(*kind), exported(*kind, *index)});
      }
    }
    return {};
  }

  [[nodiscard]] std::string exported(std::uint8_t kind, std::uint32_t index) const {
    if (kind == kFunction && index < functions_.size()) return type_text(functions_[index]);
    if (kind == kTable && index < tables_.size()) return tables_[index];
    if (kind == kMemory && index < memories_.size()) return memories_[index];
    if (kind == kGlobal && index < globals_.size()) return globals_[index];
    return std::string(kUnknown);
  }

  [[nodiscard]] std::string type_text(std::uint32_t index) const {
    if (index >= types_.size()) return std::string(kUnknown);
    WasmReader reader = types_[index];
    return function_type(reader).value_or(std::string(kUnknown));
  }

  static std::string kind_text(std::uint8_t kind) {
    return std::string(kind < kKinds.size() ? kKinds[kind] : kUnknown);
  }

  ModuleOutline& outline_;
  std::vector<WasmReader> types_;  // each stands before the type's parameters
  std::vector<std::uint32_t> functions_;
  std::vector<std::string> tables_;
  std::vector<std::string> memories_;
  std::vector<std::string> globals_;
};

}  // namespace

Result<ModuleOutline> read_module_outline(std::string_view bytes) {
  ModuleOutline outline;
  outline.size_bytes = bytes.size();
  auto info = read_module_info(bytes);
  if (!info) return std::unexpected(info.error());
  outline.info = *std::move(info);
  auto binary = wasm_sections(bytes);
  if (!binary) return std::unexpected(binary.error());
  Outliner outliner(outline);
  while (!binary->at_end()) {
    const auto section = next_section(*binary);
    if (!section) return std::unexpected(section.error());
    if (auto read = outliner.read(*section); !read) return std::unexpected(read.error());
  }
  return outline;
}

}  // namespace secbeat::engine
