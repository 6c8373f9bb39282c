// sign and verify: signatures of modules, and the keys for them. Both work on files, without a node.
#include <fmt/format.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <filesystem>

#include "commands/commands.hpp"
#include "exit_codes.hpp"
#include "node_api/api_command.hpp"
#include "secbeat/agent/signature.hpp"
#include "secbeat/base/clock.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/engine/module_info.hpp"

namespace secbeat::cli {
namespace {

namespace fs = std::filesystem;
using agent::Signature;
using agent::SigningKey;

constexpr std::size_t kMaxSignedBytes = std::size_t{256} << 20U;
constexpr std::size_t kMaxPemBytes = 4096;
constexpr mode_t kSecret = 0600;
constexpr mode_t kReadable = 0644;

struct SignOptions {
  std::string file;
  std::string key;
  std::string new_key;
  std::string name;
  std::string output;
  bool json = false;
};

struct VerifyOptions {
  std::string file;
  std::string signature;
  std::string keys;
  std::string name;
  bool json = false;
};

Error about(const std::string& path, const Error& error) { return {error.code, path + ": " + error.message}; }

Result<void> write_new(const fs::path& path, std::string_view text, mode_t mode) {
  std::error_code error;
  if (fs::exists(fs::symlink_status(path, error))) {
    return fail(ErrorCode::kBadRequest, fmt::format("{} is there already; a key is never written over", path.string()));
  }
  return write_file_atomically(path, text, mode);
}

int make_key(const SignOptions& options) {
  const auto key = SigningKey::generate();
  if (!key) return complain(key.error(), kRefused);
  const auto secret = key->secret_pem();
  const auto open = key->public_pem();
  if (!secret || !open) return complain((secret ? open : secret).error(), kRefused);
  const fs::path secret_file = options.new_key + ".key";
  const fs::path public_file = options.new_key + ".pub";
  std::error_code error;
  if (fs::exists(fs::symlink_status(public_file, error))) {
    return complain(
        {ErrorCode::kBadRequest, fmt::format("{} is there already; a key is never written over", public_file.string())},
        kUsage);
  }
  if (auto written = write_new(secret_file, *secret, kSecret); !written) return complain(written.error(), kUsage);
  if (auto written = write_new(public_file, *open, kReadable); !written) return complain(written.error(), kUsage);
  if (options.json) {
    fmt::print("{}\n",
               json_text(Json{
                   {"key", key->id()}, {"secret_file", secret_file.string()}, {"public_file", public_file.string()}}));
    return kOk;
  }
  fmt::print(
      "key {}\n  {}  secret: keep it where modules are built, and a copy of it safe\n"
      "  {}  public: copy it into the folder [waf.wasm] trusted_keys of each node\n",
      key->id(), clean(secret_file.string()), clean(public_file.string()));
  return kOk;
}

// The name under which a node will serve the module unless it is told another one.
Result<std::string> name_for(const std::string& given, const std::string& bytes, const fs::path& file) {
  if (given.empty()) {
    const auto info = engine::read_module_info(bytes);
    if (!info) return std::unexpected(about(file.string(), info.error()));
    return info->embedded_name.value_or(file.stem().string());
  }
  if (engine::is_module_name(given)) return given;
  return fail(ErrorCode::kBadRequest,
              "The name must be 1 to 64 letters, digits, dots, underscores or hyphens, and "
              "begin with a letter or digit");
}

Result<SigningKey> read_secret(const std::string& file) {
  const auto pem = read_file(file, kMaxPemBytes);
  if (!pem) return std::unexpected(pem.error());
  auto key = SigningKey::secret_from_pem(*pem);
  if (!key) return std::unexpected(about(file, key.error()));
  struct stat st{};
  if (::stat(file.c_str(), &st) == 0 && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    fmt::print(stderr, "secbeat: warning: {} can be read by others: chmod 600 it\n", clean(file));
  }
  return key;
}

int sign(const SignOptions& options) {
  const auto key = read_secret(options.key);
  if (!key) return complain(key.error(), kUsage);
  const auto bytes = read_file(options.file, kMaxSignedBytes);
  if (!bytes) return complain(bytes.error(), kUsage);
  auto name = name_for(options.name, *bytes, options.file);
  if (!name) return complain(name.error(), kUsage);
  Signature signature{.module = *std::move(name),
                      .sha256 = sha256_hex(*bytes),
                      .signed_at = rfc3339(RealClock().now()),
                      .key_id = key->id()};
  if (auto done = key->sign(signature); !done) return complain(done.error(), kRefused);
  const std::string output = options.output.empty() ? agent::signature_path(options.file).string() : options.output;
  if (auto written = write_file_atomically(output, to_text(signature), kReadable); !written) {
    return complain(written.error(), kUsage);
  }
  if (options.json) {
    fmt::print("{}\n", json_text(Json{{"module", signature.module},
                                      {"sha256", signature.sha256},
                                      {"signed_at", signature.signed_at},
                                      {"key", signature.key_id},
                                      {"file", output}}));
    return kOk;
  }
  fmt::print("{}: signed as {} by the key {}\n", clean(output), signature.module, signature.key_id);
  return kOk;
}

// A folder as a node has it, or one key.
Result<agent::TrustedKeys> keys_of(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return agent::read_trusted_keys(path);
  const auto pem = read_file(path, kMaxPemBytes);
  if (!pem) return std::unexpected(pem.error());
  auto key = SigningKey::public_from_pem(*pem);
  if (!key) return std::unexpected(about(path, key.error()));
  return agent::TrustedKeys{.keys = {*std::move(key)}, .problems = {}};
}

int verify(const VerifyOptions& options) {
  const auto bytes = read_file(options.file, kMaxSignedBytes);
  if (!bytes) return complain(bytes.error(), kUsage);
  const auto text = read_file(
      options.signature.empty() ? agent::signature_path(options.file) : fs::path(options.signature), kMaxSignedBytes);
  if (!text) return complain(text.error(), kUsage);
  const auto keys = keys_of(options.keys);
  if (!keys) return complain(keys.error(), kUsage);
  const auto signature = agent::signature_from_text(*text);
  if (!signature) return complain(signature.error(), kRefused);
  const std::string sha256 = sha256_hex(*bytes);
  const std::string& name = options.name.empty() ? signature->module : options.name;
  const auto good = check_signature(*signature, {.module = name, .sha256 = sha256}, *keys, RealClock().now());
  if (!good) return complain(good.error(), kRefused);
  if (options.json) {
    fmt::print("{}\n", json_text(Json{{"module", signature->module},
                                      {"sha256", signature->sha256},
                                      {"signed_at", signature->signed_at},
                                      {"key", signature->key_id}}));
    return kOk;
  }
  fmt::print("{}: {}: signed as {} at {} by the key {}\n", clean(options.file), paint(Tone::kGood, "good"),
             signature->module, signature->signed_at, signature->key_id);
  return kOk;
}

}  // namespace

void add_sign_command(CLI::App& app, Run& run) {
  auto options = std::make_shared<SignOptions>();
  CLI::App* command = app.add_subcommand("sign", "Sign a module, or make a key to sign with");
  command->footer(
      "Writes FILE.sig beside the module. A node with [waf.wasm] require_signature takes only modules that are signed\n"
      "by a key of its folder trusted_keys, under the name that was signed. Keys are Ed25519 in PEM: those of\n"
      "openssl genpkey -algorithm ed25519 will do, also with a passphrase.\n\n"
      "Examples:\n"
      "  secbeat sign --new-key release\n"
      "  secbeat sign bad-bot-blocker.wasm --key release.key");
  command->add_option("file", options->file, "The WebAssembly module")->type_name("FILE");
  command->add_option("--key", options->key, "The secret key")->type_name("FILE");
  command->add_option("--name", options->name,
                      "The name it is to serve under; default: the embedded one, else the file's");
  command->add_option("--output", options->output, "Where the signature goes; default: FILE.sig")->type_name("FILE");
  command->add_option("--new-key", options->new_key, "Instead: make NAME.key and NAME.pub")->type_name("NAME");
  command->add_flag("--json", options->json, "Print what was done as JSON, for programs");
  command->callback([options, &run] {
    run = [options] {
      const bool makes_key = !options->new_key.empty();
      if (makes_key != (options->file.empty() && options->key.empty()) ||
          (!makes_key && (options->file.empty() || options->key.empty()))) {
        return complain({ErrorCode::kBadRequest, "sign needs a module and --key FILE, or --new-key NAME alone"},
                        kUsage);
      }
      return makes_key ? make_key(*options) : sign(*options);
    };
  });
}

void add_verify_command(CLI::App& app, Run& run) {
  auto options = std::make_shared<VerifyOptions>();
  CLI::App* command = app.add_subcommand("verify", "Check the signature of a module, without a node");
  command->footer(
      "Says who signed which name when, or what does not fit. A node besides refuses a signature that is older than "
      "one\n"
      "that came into force under the same name.\n\n"
      "Examples:\n"
      "  secbeat verify bad-bot-blocker.wasm --keys release.pub\n"
      "  secbeat verify rules.wasm --keys /etc/secbeat/keys --name universal-waf --json");
  command->add_option("file", options->file, "The WebAssembly module")->required()->type_name("FILE");
  command->add_option("--keys", options->keys, "A public key, or a folder of them (*.pub)")
      ->required()
      ->type_name("PATH");
  command->add_option("--signature", options->signature, "The signature; default: FILE.sig")->type_name("FILE");
  command->add_option("--name", options->name, "The name that it must be signed for; default: any");
  command->add_flag("--json", options->json, "Print the signature as JSON, for programs");
  command->callback([options, &run] { run = [options] { return verify(*options); }; });
}

}  // namespace secbeat::cli
