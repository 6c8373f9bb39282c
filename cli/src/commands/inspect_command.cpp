// inspect: what a module consists of and what a node would say to it, without a node.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "commands/commands.hpp"
#include "exit_codes.hpp"
#include "node_api/api_command.hpp"
#include "secbeat/agent/try_module.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/engine/module_info.hpp"
#include "secbeat/engine/module_outline.hpp"

namespace secbeat::cli {
namespace {

using engine::ModuleOutline;

// A node takes far less; this only keeps a mistaken argument from being read whole.
constexpr std::size_t kMaxModuleBytes = std::size_t{64} << 20U;

struct InspectOptions {
  std::string file;
  std::string config;
  bool json = false;
};

// What is known of a file. `refusal`: why a node would not take it.
struct Inspection {
  std::string file;
  std::size_t size_bytes = 0;
  std::string sha256;
  std::optional<ModuleOutline> outline;  // empty: its structure is broken
  std::optional<engine::CompileReport> report;
  std::optional<Error> refusal;
  std::vector<std::string> warnings;
};

Json or_null(const std::optional<std::string>& text) { return text ? Json(*text) : Json(); }

bool exports_abi(const ModuleOutline& outline) {
  return std::ranges::any_of(outline.exports, [](const auto& item) { return item.name == "secbeat_abi"; });
}

// A module that says nothing speaks ABI 1; what one says is known once it has run.
std::optional<int> abi_of(const Inspection& found) {
  if (found.report && !found.report->error) return found.report->abi;
  if (found.outline && !exports_abi(*found.outline)) return 1;
  return std::nullopt;
}

Result<Inspection> inspect(const InspectOptions& options) {
  auto bytes = read_file(options.file, kMaxModuleBytes);
  if (!bytes) return std::unexpected(bytes.error());
  Inspection found{.file = options.file,
                   .size_bytes = bytes->size(),
                   .sha256 = sha256_hex(*bytes),
                   .outline = {},
                   .report = {},
                   .refusal = {},
                   .warnings = {}};
  auto outline = engine::read_module_outline(*bytes);
  if (outline) {
    found.outline = *std::move(outline);
  } else {
    found.refusal = outline.error();
  }
  auto report = agent::try_module(options.file, options.config);
  if (!report) return std::unexpected(report.error());
  if (report->error) found.refusal = report->error;  // what the node itself would say
  found.warnings = report->warnings;
  const auto advice = engine::size_advice(found.size_bytes);
  if (advice && std::ranges::find(found.warnings, *advice) == found.warnings.end()) found.warnings.push_back(*advice);
  found.report = *std::move(report);
  return found;
}

Json lists_of(const ModuleOutline& outline) {
  Json sections = Json::array();
  for (const auto& item : outline.sections) {
    sections.push_back({{"name", item.name}, {"offset", item.offset}, {"size_bytes", item.size_bytes}});
  }
  Json imports = Json::array();
  for (const auto& item : outline.imports) {
    imports.push_back({{"module", item.module}, {"name", item.name}, {"kind", item.kind}, {"type", item.type}});
  }
  Json exports = Json::array();
  for (const auto& item : outline.exports) {
    exports.push_back({{"name", item.name}, {"kind", item.kind}, {"type", item.type}});
  }
  return {{"sections", std::move(sections)},      {"imports", std::move(imports)},
          {"exports", std::move(exports)},        {"section_count", outline.section_count},
          {"import_count", outline.import_count}, {"export_count", outline.export_count}};
}

Json to_document(const Inspection& found) {
  const auto abi = abi_of(found);
  Json document{{"file", found.file},
                {"size_bytes", found.size_bytes},
                {"sha256", found.sha256},
                {"accepted", !found.refusal.has_value()},
                {"error", found.refusal ? Json(found.refusal->message) : Json()},
                {"code", found.refusal ? Json(word_of(found.refusal->code)) : Json()},
                {"embedded_name", found.outline ? or_null(found.outline->info.embedded_name) : Json()},
                {"embedded_version", found.outline ? or_null(found.outline->info.embedded_version) : Json()},
                {"abi", abi ? Json(*abi) : Json()},
                {"takes_configuration", found.outline ? Json(found.outline->info.exports_configure) : Json()},
                {"warnings", found.warnings}};
  document.update(lists_of(found.outline.value_or(ModuleOutline{})));
  return document;
}

void and_more(std::string& out, std::size_t shown, std::size_t count) {
  if (count > shown) out += fmt::format("… and {} more\n", count - shown);
}

std::string render_outline(const ModuleOutline& outline) {
  using Rows = std::vector<std::vector<std::string>>;
  Rows exports;
  for (const auto& item : outline.exports) exports.push_back({item.name, item.kind, item.type});
  Rows imports;
  for (const auto& item : outline.imports) imports.push_back({item.module + "." + item.name, item.kind, item.type});
  Rows sections;
  for (const auto& item : outline.sections) {
    sections.push_back({item.name, grouped(item.size_bytes), std::to_string(item.offset)});
  }
  std::string out = "\n" + table({"EXPORT", "KIND", "TYPE"}, exports);
  and_more(out, exports.size(), outline.export_count);
  out += imports.empty() ? "\nNo imports\n" : "\n" + table({"IMPORT", "KIND", "TYPE"}, imports);
  and_more(out, imports.size(), outline.import_count);
  out += "\n" + table({"SECTION", "BYTES", "OFFSET"}, sections);
  and_more(out, sections.size(), outline.section_count);
  return out;
}

std::string render(const Inspection& found) {
  constexpr std::string_view kNone = "(none embedded)";
  std::string out =
      fmt::format("{}\n  size     {}\n  sha256   {}\n", clean(found.file), bytes_text(found.size_bytes), found.sha256);
  if (found.outline) {
    const engine::ModuleInfo& info = found.outline->info;
    const auto abi = abi_of(found);
    out += fmt::format("  name     {}\n  version  {}\n  ABI      {}\n  takes    {}\n",
                       clean(info.embedded_name.value_or(std::string(kNone))),
                       clean(info.embedded_version.value_or(std::string(kNone))),
                       abi ? std::to_string(*abi) : "unknown until it runs",
                       info.exports_configure ? "a configuration" : "no configuration");
    out += render_outline(*found.outline);
  }
  out += "\n";
  for (const std::string& warning : found.warnings) {
    out += fmt::format("{} {}\n", paint(Tone::kWarning, "warning:"), clean(warning));
  }
  if (!found.refusal) out += paint(Tone::kGood, "A node would take it") + "\n";
  return out;
}

int run_inspect(const InspectOptions& options) {
  const auto found = inspect(options);
  if (!found) return complain(found.error(), kUsage);
  if (options.json) {
    fmt::print("{}\n", json_text(to_document(*found)));
    return found->refusal ? kRefused : kOk;
  }
  fmt::print("{}", render(*found));
  if (!found->refusal) return kOk;
  return complain({found->refusal->code, fmt::format("a node would refuse {}: {}\n  ({})", clean(options.file),
                                                     clean(found->refusal->message), word_of(found->refusal->code))},
                  kRefused);
}

}  // namespace

void add_inspect_command(CLI::App& app, Run& run) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* command = app.add_subcommand("inspect", "What a module consists of, and whether a node would take it");
  command->footer(
      "Exports and imports with their types, sections with their sizes, embedded name and version; then the checks\n"
      "of a node with its default limits, in a process of its own. Exit status 1 when a node would refuse it.\n"
      "Neither a node nor the network is asked.\n\n"
      "Examples:\n"
      "  secbeat inspect bad-bot-blocker.wasm\n"
      "  secbeat inspect universal-waf.wasm --config waf-config.json --json");
  command->add_option("file", options->file, "The WebAssembly module")->required()->type_name("FILE");
  command->add_option("--config", options->config, "The module's configuration")->type_name("FILE");
  command->add_flag("--json", options->json, "Print everything as JSON, for programs");
  command->callback([options, &run] { run = [options] { return run_inspect(*options); }; });
}

}  // namespace secbeat::cli
