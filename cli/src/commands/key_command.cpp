// key new: a key for the API, and what a node's configuration holds of it.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>

#include "commands/commands.hpp"
#include "exit_codes.hpp"
#include "node_api/api_command.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/base/unique_fd.hpp"

namespace secbeat::cli {
namespace {

constexpr std::size_t kRandomBytes = 32;
constexpr std::string_view kPrefix = "sbk_";  // by which scanners for secrets know one

struct KeyOptions {
  std::string name = "NAME";
  std::string role = "operator";
  std::string output;
  bool json = false;
};

Result<std::string> new_key() {
  std::array<unsigned char, kRandomBytes> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return std::unexpected(io_error("no random numbers"));
  }
  std::string key(kPrefix);
  for (const unsigned char byte : bytes) key += fmt::format("{:02x}", byte);
  return key;
}

// Only for its owner, and never over another one.
Result<void> write_key(const std::string& file, const std::string& key) {
  const UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return std::unexpected(io_error("cannot make " + file));
  const std::string line = key + "\n";
  if (::write(fd.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()) || ::fsync(fd.get()) != 0) {
    return std::unexpected(io_error("cannot write " + file));
  }
  return {};
}

int make_key(const KeyOptions& options) {
  const auto key = new_key();
  if (!key) return complain(key.error(), kUsage);
  if (!options.output.empty()) {
    if (auto written = write_key(options.output, *key); !written) return complain(written.error(), kUsage);
  }
  const std::string sha256 = sha256_hex(*key);
  if (options.json) {
    Json document{{"name", options.name}, {"role", options.role}, {"sha256", sha256}};
    if (options.output.empty()) document["key"] = *key;
    if (!options.output.empty()) document["file"] = options.output;
    fmt::print("{}\n", json_text(document));
    return kOk;
  }
  if (options.output.empty()) {
    fmt::print("The key, which is shown this once:\n\n  {}\n\n", *key);
  } else {
    fmt::print("The key is in {}: secbeat status --key-file {}\n\n", clean(options.output), clean(options.output));
  }
  fmt::print(
      "For the configuration of each node, which reads its keys again on SIGHUP:\n\n"
      "  [[api.keys]]\n  name = \"{}\"\n  role = \"{}\"\n  sha256 = \"{}\"\n",
      options.name, options.role, sha256);
  return kOk;
}

}  // namespace

void add_key_command(CLI::App& app, Run& run) {
  CLI::App* keys = app.add_subcommand("key", "Keys for the API");
  keys->require_subcommand(1);
  auto options = std::make_shared<KeyOptions>();
  CLI::App* command = keys->add_subcommand("new", "Make a key, and the table that a node's configuration has of it");
  command->footer(
      "A node knows keys by their SHA-256 alone. The key itself goes to whoever is to use it: into a file for "
      "--key-file,\n"
      "a profile, or a secret that becomes SECBEAT_KEY; never into arguments, which every user of a machine can "
      "read.\n\n"
      "Examples:\n"
      "  secbeat key new ci --role operator --output ci.key\n"
      "  secbeat key new grafana --role viewer");
  command->add_option("name", options->name, "What the history and the log call whoever has the key")
      ->check(CLI::Validator(
          [](const std::string& name) {
            const bool good = !name.empty() && name.size() <= 64 && name.front() != '.' && name.front() != '-' &&
                              std::ranges::all_of(name, [](char c) {
                                return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                       c == '.' || c == '_' || c == '-';
                              });
            return good ? std::string() : std::string("a name has letters, digits, '.', '_', '-', at most 64");
          },
          ""));
  command->add_option("--role", options->role, "viewer reads, operator also changes rules, admin does everything")
      ->check(CLI::IsMember({"viewer", "operator", "admin"}))
      ->capture_default_str();
  command->add_option("--output", options->output, "A new file for the key, which is not shown then")
      ->type_name("FILE");
  command->add_flag("--json", options->json, "Print the result as JSON, for programs");
  command->callback([options, &run] { run = [options] { return make_key(*options); }; });
}

}  // namespace secbeat::cli
