// archive list, get, verify: the versions that a node has archived, read from the folder, without a node.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>

#include "commands/commands.hpp"
#include "exit_codes.hpp"
#include "node_api/api_command.hpp"
#include "secbeat/agent/config.hpp"
#include "secbeat/agent/signature.hpp"
#include "secbeat/archive/version_archive.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/orchestrator/restore.hpp"

namespace secbeat::cli {
namespace {

namespace fs = std::filesystem;
using archive::Manifest;
using archive::VersionArchive;

constexpr std::size_t kShortHash = 12;
constexpr std::size_t kSha256Hex = 64;

// A file with [orchestrator] or without [waf.wasm] is an orchestrator's.
Result<agent::Config> load_either(const std::string& file) {
  auto node = agent::load_config(file);
  if (node) return node;
  auto orchestrator = agent::load_config(file, agent::Program::kOrchestrator);
  return orchestrator ? orchestrator : node;
}

struct ArchiveOptions {
  std::string archive;
  std::string config;
  bool json = false;

  void add_to(CLI::App& command) {
    auto* by_url = command.add_option("--archive", archive, "The archive: a folder, or its file:// or s3:// URL")
                       ->type_name("URL");
    auto* by_config = command
                          .add_option("--config", config,
                                      "The configuration of a node or an orchestrator, which names it in [archive] url")
                          ->type_name("FILE")
                          ->envname("SECBEAT_CONFIG");
    by_url->excludes(by_config);
    command.add_flag("--json", json, "Print JSON, for programs");
  }
  [[nodiscard]] Result<VersionArchive> open() const;
  [[nodiscard]] Result<archive::Location> find() const;
};

Result<VersionArchive> ArchiveOptions::open() const {
  auto location = find();
  if (!location) return std::unexpected(location.error());
  return VersionArchive(archive::open_storage(*location));
}

// --archive names the place; what else S3 needs comes from the environment.
Result<archive::Location> ArchiveOptions::find() const {
  if (!archive.empty()) {
    auto location = archive::location_of(archive);
    if (!location) return fail(ErrorCode::kConfig, "--archive: " + location.error().message);
    return location;
  }
  if (config.empty()) return fail(ErrorCode::kConfig, "which archive? Give --archive URL or --config FILE");
  auto read = load_either(config);
  if (!read) return std::unexpected(read.error());
  if (read->archive.is_nowhere()) return fail(ErrorCode::kConfig, config + " names no archive ([archive] url)");
  return read->archive;
}

Json json_of(const Manifest& manifest) { return Json::parse(to_json(manifest), nullptr, false); }

Json json_of(const std::vector<archive::ArchiveProblem>& problems) {
  Json list = Json::array();
  for (const archive::ArchiveProblem& problem : problems)
    list.push_back({{"file", problem.file}, {"what", problem.what}});
  return list;
}

void complain_of(const std::vector<archive::ArchiveProblem>& problems) {
  for (const archive::ArchiveProblem& problem : problems) {
    fmt::print(stderr, "secbeat: {}: {}\n", clean(problem.file), clean(problem.what));
  }
}

std::string last_since(const Manifest& manifest) {
  return manifest.record.times.empty() ? "-" : manifest.record.times.back().since;
}

std::string shortened(const std::string& sha256) { return sha256.empty() ? "-" : sha256.substr(0, kShortHash); }

int run_list(const ArchiveOptions& options, const std::string& name) {
  const auto archive = options.open();
  if (!archive) return complain(archive.error(), kUsage);
  auto contents = archive->list();
  if (!contents) return complain(contents.error(), kUsage);
  std::erase_if(contents->manifests, [&](const Manifest& m) { return !name.empty() && m.record.module != name; });
  if (options.json) {
    Json versions = Json::array();
    for (const Manifest& manifest : contents->manifests) versions.push_back(json_of(manifest));
    fmt::print("{}\n", Json{{"archive", archive->place()},
                            {"versions", std::move(versions)},
                            {"problems", json_of(contents->problems)}}
                           .dump(2, ' ', false, Json::error_handler_t::replace));
  } else if (contents->manifests.empty()) {
    fmt::print("No version {}in {}\n", name.empty() ? "" : "of " + clean(name) + " ", clean(archive->place()));
  } else {
    std::vector<std::vector<std::string>> rows;
    for (const Manifest& m : contents->manifests) {
      rows.push_back({m.record.module, m.record.label, m.node, m.record.created_at, last_since(m),
                      grouped(m.record.size_bytes), shortened(m.record.sha256), shortened(m.record.config_sha256)});
    }
    fmt::print("{}", table({"MODULE", "VERSION", "NODE", "CREATED", "LAST IN FORCE SINCE", "BYTES", "SHA256", "CONFIG"},
                           rows));
  }
  complain_of(contents->problems);
  return contents->problems.empty() ? kOk : kRefused;
}

int run_verify(const ArchiveOptions& options) {
  const auto archive = options.open();
  if (!archive) return complain(archive.error(), kUsage);
  auto verdict = archive->verify();
  if (!verdict) return complain(verdict.error(), kUsage);
  const auto desired = orchestrator::check_desired(*archive, *verdict);
  if (!desired) return complain(desired.error(), kUsage);
  const auto& problems = verdict->contents.problems;
  if (options.json) {
    fmt::print("{}\n", Json{{"archive", archive->place()},
                            {"good", problems.empty()},
                            {"versions", verdict->contents.manifests.size()},
                            {"desired_states", *desired},
                            {"modules", verdict->modules},
                            {"configurations", verdict->configs},
                            {"problems", json_of(problems)},
                            {"notes", json_of(verdict->notes)}}
                           .dump(2, ' ', false, Json::error_handler_t::replace));
    return problems.empty() ? kOk : kRefused;
  }
  fmt::print("{}: {} versions, {} modules, {} configurations, {} desired states: {}\n", clean(archive->place()),
             verdict->contents.manifests.size(), verdict->modules, verdict->configs, *desired,
             problems.empty() ? paint(Tone::kGood, "all good")
                              : paint(Tone::kBad, fmt::format("{} problems", problems.size())));
  for (const archive::ArchiveProblem& note : verdict->notes) {
    fmt::print("  note: {}: {}\n", clean(note.file), clean(note.what));
  }
  complain_of(problems);
  return problems.empty() ? kOk : kRefused;
}

struct GetOptions {
  ArchiveOptions archive;
  std::string what;
  std::string node;
  std::string output;
  std::string config_output;
  bool force = false;
};

// What is to be written, after its hash was checked.
struct Found {
  std::string name;  // of the file, where none was given
  std::string bytes;
  std::optional<std::string> config;  // of the version
  Json told;
  std::string signature = {};  // of the module under its name; empty: none
};

bool is_hash(std::string_view text) {
  return text.size() == kSha256Hex && text.find_first_not_of("0123456789abcdef") == text.npos;
}

Result<Found> find_by_hash(const VersionArchive& archive, const std::string& sha256) {
  auto bytes = archive.module_bytes(sha256);
  if (bytes) return Found{sha256 + ".wasm", *std::move(bytes), std::nullopt, {{"sha256", sha256}}};
  if (bytes.error().code != ErrorCode::kNotFound) return std::unexpected(bytes.error());
  bytes = archive.config_bytes(sha256);
  if (bytes) return Found{sha256 + ".json", *std::move(bytes), std::nullopt, {{"config_sha256", sha256}}};
  if (bytes.error().code != ErrorCode::kNotFound) return std::unexpected(bytes.error());
  return fail(ErrorCode::kNotFound,
              fmt::format("{} holds neither a module nor a configuration {}", archive.place(), sha256));
}

std::string list_of(const std::vector<Manifest>& manifests) {
  std::string text;
  for (const Manifest& m : manifests) {
    text += fmt::format("\n  {}@{} on {}, sha256 {}, configuration {}", m.record.module, m.record.label, m.node,
                        m.record.sha256, m.record.config_sha256.empty() ? "none" : m.record.config_sha256);
  }
  return text;
}

bool same_content(const Manifest& a, const Manifest& b) {
  return a.record.sha256 == b.record.sha256 && a.record.config_sha256 == b.record.config_sha256;
}

Result<Found> find_by_version(const VersionArchive& archive, const GetOptions& options) {
  const std::size_t at = options.what.find('@');
  if (at == std::string::npos) {
    return fail(
        ErrorCode::kBadRequest,
        fmt::format("\"{}\" is neither NAME@VERSION nor a SHA-256; secbeat archive list shows both", options.what));
  }
  auto contents = archive.list();
  if (!contents) return std::unexpected(contents.error());
  const std::string name = options.what.substr(0, at);
  std::erase_if(contents->manifests, [&](const Manifest& m) {
    return m.record.module != name || m.record.label != options.what.substr(at + 1) ||
           (!options.node.empty() && m.node != options.node);
  });
  const auto& found = contents->manifests;
  if (found.empty()) {
    return fail(ErrorCode::kUnknownVersion,
                fmt::format("{} holds no {}; secbeat archive list shows what it holds", archive.place(), options.what));
  }
  const bool ambiguous = std::ranges::any_of(found, [&](const Manifest& m) { return !same_content(m, found.front()); });
  if (ambiguous) {
    return fail(ErrorCode::kBadRequest, fmt::format("{} is there more than once; say --node NODE, or the SHA-256:{}",
                                                    options.what, list_of(found)));
  }
  const archive::ForceRecord& record = found.front().record;
  auto bytes = archive.module_bytes(record.sha256);
  if (!bytes) return std::unexpected(bytes.error());
  std::optional<std::string> config;
  if (!record.config_sha256.empty()) {
    auto read = archive.config_bytes(record.config_sha256);
    if (!read) return std::unexpected(read.error());
    config = *std::move(read);
  }
  return Found{fmt::format("{}-{}.wasm", record.module, record.label), *std::move(bytes), std::move(config),
               json_of(found.front()), record.signature};
}

Result<void> write(const std::string& file, std::string_view bytes, bool force) {
  if (file == "-") {
    if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size() && std::fflush(stdout) == 0) return {};
    return std::unexpected(io_error("cannot write to standard output"));
  }
  std::error_code ignored;
  if (!force && fs::exists(fs::symlink_status(file, ignored))) {
    return fail(ErrorCode::kIo, fmt::format("{} is there already; --force replaces it", file));
  }
  return write_file_atomically(file, bytes);
}

void tell(const GetOptions& options, Found& found, const std::string& output) {
  if (options.archive.json) {
    found.told["file"] = output;
    if (!options.config_output.empty()) found.told["config_file"] = options.config_output;
    fmt::print("{}\n", found.told.dump(2, ' ', false, Json::error_handler_t::replace));
    return;
  }
  fmt::print("{} → {} ({}, hash checked)\n", clean(options.what), clean(output), bytes_text(found.bytes.size()));
  if (!found.config) return;
  if (options.config_output.empty()) {
    fmt::print("  Its configuration: secbeat archive get {}\n", text_of(found.told, "config_sha256"));
  } else {
    fmt::print("  Its configuration → {} ({})\n", clean(options.config_output), bytes_text(found.config->size()));
  }
}

int run_get(const GetOptions& options) {
  const auto archive = options.archive.open();
  if (!archive) return complain(archive.error(), kUsage);
  auto found = is_hash(options.what) ? find_by_hash(*archive, options.what) : find_by_version(*archive, options);
  if (!found) return complain(found.error(), kRefused);
  if (!options.config_output.empty() && !found->config) {
    return complain({ErrorCode::kNotFound, options.what + " has no configuration; leave --config-output out"},
                    kRefused);
  }
  const std::string output = options.output.empty() ? found->name : options.output;
  if (auto written = write(output, found->bytes, options.force); !written) return complain(written.error(), kUsage);
  if (!found->signature.empty() && output != "-") {
    const std::string beside = agent::signature_path(output).string();
    if (auto written = write(beside, found->signature, options.force); !written) {
      return complain(written.error(), kUsage);
    }
  }
  if (!options.config_output.empty()) {
    auto written = write(options.config_output, *found->config, options.force);
    if (!written) return complain(written.error(), kUsage);
  }
  if (output != "-" && options.config_output != "-") tell(options, *found, output);
  return kOk;
}

void add_list(CLI::App& archive, Run& run) {
  auto options = std::make_shared<std::pair<ArchiveOptions, std::string>>();
  CLI::App* command = archive.add_subcommand("list", "The versions that an archive holds, oldest first");
  command->add_option("name", options->second, "The module; default: all");
  options->first.add_to(*command);
  command->callback([options, &run] { run = [options] { return run_list(options->first, options->second); }; });
}

void add_get(CLI::App& archive, Run& run) {
  auto options = std::make_shared<GetOptions>();
  CLI::App* command = archive.add_subcommand("get", "Copy a module or a configuration out of an archive");
  command->footer(
      "The hash is checked before anything is written.\n\n"
      "Examples:\n"
      "  secbeat archive get bad-bot-blocker@1.0.0 --archive /srv/secbeat-archive\n"
      "  secbeat reload bad-bot-blocker-1.0.0.wasm --reason 'from the archive'");
  command->add_option("what", options->what, "NAME@VERSION, or the SHA-256 of a module or a configuration")->required();
  command
      ->add_option("--output,-o", options->output,
                   "The file to write; \"-\": standard output. Default: NAME-VERSION.wasm")
      ->type_name("FILE");
  command
      ->add_option("--config-output", options->config_output, "Write the version's configuration to this file as well")
      ->type_name("FILE");
  command->add_option("--node", options->node, "The node whose version is meant, where several have the same label");
  command->add_flag("--force", options->force, "Replace files that are there");
  options->archive.add_to(*command);
  command->callback([options, &run] { run = [options] { return run_get(*options); }; });
}

void add_verify(CLI::App& archive, Run& run) {
  auto options = std::make_shared<ArchiveOptions>();
  CLI::App* command = archive.add_subcommand("verify", "Check every manifest and file of an archive");
  command->footer("Exit status 1, and a line on standard error for each fault, where something is missing or damaged.");
  options->add_to(*command);
  command->callback([options, &run] { run = [options] { return run_verify(*options); }; });
}

}  // namespace

void add_archive_command(CLI::App& app, Run& run) {
  CLI::App* archive = app.add_subcommand("archive", "Look into the archive of versions that were in force");
  archive->footer(
      "Reads what [archive] url names, a folder or a bucket of S3; needs no node.\n\n"
      "Examples:\n"
      "  secbeat archive list --config /etc/secbeat/secbeat.toml\n"
      "  secbeat archive get bad-bot-blocker@1.0.0 --archive /srv/secbeat-archive\n"
      "  secbeat archive verify --archive file:///srv/secbeat-archive");
  archive->require_subcommand(1);
  add_list(*archive, run);
  add_get(*archive, run);
  add_verify(*archive, run);
  add_restore_command(*archive, run);
}

}  // namespace secbeat::cli
