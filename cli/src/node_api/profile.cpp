#include "node_api/profile.hpp"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <ranges>

#include "secbeat/base/files.hpp"
#include "secbeat/base/text.hpp"
#include "secbeat/base/toml.hpp"

namespace secbeat::cli {
namespace {

namespace toml = toml_file;

constexpr std::size_t kMaxProfileBytes = std::size_t{64} * 1024;
constexpr std::size_t kMaxProfiles = 256;
constexpr std::size_t kMaxKeyBytes = 512;
constexpr std::size_t kMaxNameBytes = 64;
constexpr std::size_t kMaxAddressBytes = 1024;
constexpr std::array<std::string_view, 5> kProfileKeys = {"api", "key", "key_file", "ca", "state_dir"};

std::string variable(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nothing here changes the environment
  return value == nullptr ? "" : value;
}

// The XDG base directory specification: relative paths are to be ignored.
std::filesystem::path profile_file() {
  if (const std::string given = variable("XDG_CONFIG_HOME"); given.starts_with('/')) {
    return std::filesystem::path(given) / "secbeat/profile.toml";
  }
  const std::string home = variable("HOME");
  if (!home.starts_with('/')) return {};
  return std::filesystem::path(home) / ".config/secbeat/profile.toml";
}

bool is_profile_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes && std::ranges::all_of(name, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' ||
           c == '-';
  });
}

// It becomes a header line: no blanks, no line ends.
bool is_key(std::string_view key) {
  return !key.empty() && key.size() <= kMaxKeyBytes &&
         std::ranges::all_of(key, [](char c) { return c > ' ' && c < '\x7f'; });
}

// The first line of a file, without blanks around it.
Result<std::string> read_key(const std::filesystem::path& file) {
  constexpr std::size_t kMaxKeyFileBytes = 4096;
  auto content = read_file(file, kMaxKeyFileBytes);
  if (!content) return fail(ErrorCode::kConfig, std::move(content.error().message));
  std::string key = content->substr(0, content->find_first_of("\r\n"));
  while (key.ends_with(' ')) key.pop_back();
  if (!is_key(key)) {
    return fail(ErrorCode::kConfig,
                fmt::format("{}: its first line is no key: 1 to 512 visible characters of ASCII", file.string()));
  }
  return key;
}

void warn_of_readers(const std::filesystem::path& file, std::vector<std::string>& warnings) {
  struct stat st{};
  if (::stat(file.c_str(), &st) != 0 || (st.st_mode & (S_IRWXG | S_IRWXO)) == 0) return;
  warnings.push_back(
      fmt::format("{} holds a key and other users may read it: chmod 600 {}", file.string(), file.string()));
}

// Whether what is sent to this address stays on the machine or is encrypted.
bool keeps_secrets(const std::string& address) {
  if (address.starts_with("https://")) return true;
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> url(curl_url(), curl_url_cleanup);
  char* part = nullptr;
  if (url == nullptr || curl_url_set(url.get(), CURLUPART_URL, address.c_str(), 0) != CURLUE_OK ||
      curl_url_get(url.get(), CURLUPART_HOST, &part, 0) != CURLUE_OK) {
    return false;
  }
  const std::unique_ptr<char, decltype(&curl_free)> host(part, curl_free);
  const std::string_view name = host.get();
  in_addr v4{};
  if (::inet_pton(AF_INET, host.get(), &v4) == 1) return (ntohl(v4.s_addr) >> 24U) == IN_LOOPBACKNET;
  return name == "localhost" || name == "[::1]";
}

// Reads one file; the first fault ends it.
class Reader {
 public:
  explicit Reader(const std::filesystem::path& file) : file_(file) {}

  Result<Profiles> read(const toml::Table& table) {
    for (const toml::Entry& entry : table) {
      Result<void> read = entry.name == "default" ? read_default(entry)
                          : entry.name == "profiles"
                              ? read_profiles(entry)
                              : fault(entry.line, entry.name, "unknown key; known are default and [profiles.NAME]");
      if (!read) return std::unexpected(read.error());
    }
    if (!profiles_.default_name.empty() && !profiles_.by_name.contains(profiles_.default_name)) {
      return fault(default_line_, "default", fmt::format("there is no [profiles.{}]", profiles_.default_name));
    }
    return std::move(profiles_);
  }

 private:
  std::unexpected<Error> fault(int line, std::string_view key, std::string_view what) const {
    return fail(ErrorCode::kConfig, fmt::format("{}:{}: {}: {}", file_.string(), line, printable(key), what));
  }

  Result<void> read_default(const toml::Entry& entry) {
    const auto* name = std::get_if<std::string>(&entry.node.value);
    if (name == nullptr || !is_profile_name(*name)) return fault(entry.line, entry.name, "expected a profile's name");
    profiles_.default_name = *name;
    default_line_ = entry.line;
    return {};
  }

  Result<void> read_profiles(const toml::Entry& entry) {
    const auto* table = std::get_if<toml::Table>(&entry.node.value);
    if (table == nullptr) return fault(entry.line, entry.name, "expected tables [profiles.NAME]");
    if (table->size() > kMaxProfiles) return fault(entry.line, entry.name, "too many profiles");
    for (const toml::Entry& profile : *table) {
      if (auto read = read_profile(profile); !read) return read;
    }
    return {};
  }

  Result<void> read_profile(const toml::Entry& entry) {
    const std::string path = "profiles." + entry.name;
    const auto* table = std::get_if<toml::Table>(&entry.node.value);
    if (!is_profile_name(entry.name)) {
      return fault(entry.line, path, "a profile's name has 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'");
    }
    if (table == nullptr) return fault(entry.line, path, fmt::format("expected a table [{}]", path));
    Profile profile;
    for (const toml::Entry& given : *table) {
      const auto* text = std::get_if<std::string>(&given.node.value);
      const std::string key = path + "." + given.name;
      if (std::ranges::find(kProfileKeys, given.name) == kProfileKeys.end())
        return fault(given.line, key, fmt::format("unknown key; known are {}", fmt::join(kProfileKeys, ", ")));
      if (text == nullptr)
        return fault(given.line, key, fmt::format("expected a text in quotes, got {}", kind_of(given.node)));
      if (given.name == "key") {
        if (!is_key(*text)) return fault(given.line, key, "a key has 1 to 512 visible characters of ASCII");
        profile.key = *text;
      } else if (given.name == "state_dir") {
        if (!text->starts_with('/')) return fault(given.line, key, "expected the path of a folder, from /");
        profile.state_dir = *text;
      } else if (given.name == "api") {
        auto address = checked_address(*text);
        if (!address) return fault(given.line, key, address.error().message);
        profile.api = *std::move(address);
      } else {
        if (text->empty()) return fault(given.line, key, "expected the path of a file");
        (given.name == "ca" ? profile.ca : profile.key_file) = file_.parent_path() / *text;
      }
    }
    if (profile.api.empty()) return fault(entry.line, path, "api is missing: the address of the node's API");
    if (!profile.key.empty() && !profile.key_file.empty()) return fault(entry.line, path, "key and key_file: give one");
    profiles_.by_name.emplace(entry.name, std::move(profile));
    return {};
  }

  const std::filesystem::path& file_;
  Profiles profiles_;
  int default_line_ = 1;
};

Result<Target> target_of(const Profile& profile, const std::filesystem::path& file, const Profiles& profiles) {
  Target target{
      .address = profile.api, .key = profile.key, .state_dir = profile.state_dir, .ca = profile.ca, .warnings = {}};
  if (std::ranges::any_of(profiles.by_name, [](const auto& entry) { return !entry.second.key.empty(); })) {
    warn_of_readers(file, target.warnings);
  }
  if (!profile.key_file.empty()) {
    auto key = read_key(profile.key_file);
    if (!key) return std::unexpected(key.error());
    target.key = *std::move(key);
    warn_of_readers(profile.key_file, target.warnings);
  }
  return target;
}

Result<Target> from_file(const std::filesystem::path& file, const std::string& name) {
  std::error_code error;
  if (file.empty() || !std::filesystem::exists(file, error)) {
    if (name.empty()) return Target{};
    return fail(ErrorCode::kConfig,
                fmt::format("there is no profile {}: {} does not exist; secbeat --help and "
                            "docs/cli.md say what belongs there",
                            printable(name), file.empty() ? "~/.config/secbeat/profile.toml" : file.string()));
  }
  auto text = read_file(file, kMaxProfileBytes);
  if (!text) return fail(ErrorCode::kConfig, std::move(text.error().message));
  auto profiles = parse_profiles(*text, file);
  if (!profiles) return std::unexpected(profiles.error());
  const std::string& wanted = name.empty() ? profiles->default_name : name;
  if (wanted.empty()) return Target{};
  const auto found = profiles->by_name.find(wanted);
  if (found == profiles->by_name.end()) {
    return fail(ErrorCode::kConfig, fmt::format("{} has no profile {}; it has: {}", file.string(), printable(wanted),
                                                fmt::join(std::views::keys(profiles->by_name), ", ")));
  }
  return target_of(found->second, file, *profiles);
}

Result<Target> with_address(std::string_view address, std::string_view from) {
  auto checked = checked_address(address);
  if (!checked) return fail(ErrorCode::kConfig, fmt::format("{}: {}", from, checked.error().message));
  Target target;
  target.address = *std::move(checked);
  return target;
}

Result<Target> without_key_of_environment(const Choice& choice) {
  if (!choice.api.empty()) return with_address(choice.api, "--api");
  if (!choice.profile.empty()) return from_file(choice.file, choice.profile);
  if (!choice.env_api.empty()) return with_address(choice.env_api, "SECBEAT_API");
  return from_file(choice.file, choice.env_profile);
}

}  // namespace

Choice choice_from_environment() {
  return {.api = {},
          .profile = {},
          .key_file = {},
          .ca = {},
          .env_api = variable("SECBEAT_API"),
          .env_profile = variable("SECBEAT_PROFILE"),
          .env_key = variable("SECBEAT_KEY"),
          .env_ca = variable("SECBEAT_CA"),
          .file = profile_file()};
}

Result<Target> choose_target(const Choice& choice) {
  auto target = without_key_of_environment(choice);
  if (!target) return target;
  if (!choice.key_file.empty()) {
    auto key = read_key(choice.key_file);
    if (!key) return std::unexpected(key.error());
    target->key = *std::move(key);
    warn_of_readers(choice.key_file, target->warnings);
  } else if (!choice.env_key.empty()) {
    if (!is_key(choice.env_key)) {
      return fail(ErrorCode::kConfig, "SECBEAT_KEY: a key has 1 to 512 visible characters of ASCII");
    }
    target->key = choice.env_key;
  }
  if (const std::string& ca = choice.ca.empty() ? choice.env_ca : choice.ca; !ca.empty()) target->ca = ca;
  if (!target->key.empty() && !keeps_secrets(target->address)) {
    target->warnings.push_back(
        fmt::format("the key goes to {} unencrypted: whoever listens on the way can take it; use "
                    "https:// (tls_certificate in the node's configuration)",
                    target->address));
  }
  return target;
}

Result<Profiles> parse_profiles(std::string_view text, const std::filesystem::path& file) {
  if (text.size() > kMaxProfileBytes) {
    return fail(ErrorCode::kConfig, fmt::format("{}: larger than {} bytes", file.string(), kMaxProfileBytes));
  }
  auto table = toml::parse(text);
  if (!table) {
    return fail(ErrorCode::kConfig,
                fmt::format("{}:{}: toml: {}", file.string(), table.error().line, table.error().what));
  }
  return Reader(file).read(*table);
}

Result<std::string> checked_address(std::string_view text) {
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorCode::kConfig, fmt::format("{}: expected an address such as {}", why, kDefaultAddress));
  };
  if (text.size() > kMaxAddressBytes) return refuse("too long");
  // curl would take more than that for an address, and guess what is missing.
  if (!text.starts_with("http://") && !text.starts_with("https://")) {
    return refuse(fmt::format("\"{}\" is no http:// or https:// address", printable(text)));
  }
  if (!std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f'; })) {
    return refuse(fmt::format("\"{}\" has characters that no address has", printable(text)));
  }
  if (text.find_first_of("?#") != std::string_view::npos) return refuse("an address has neither '?' nor '#'");
  // Not shown back: what stands before the '@' may be a password.
  if (text.find('@') != std::string_view::npos) return refuse("an address has no user or password in it");
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> url(curl_url(), curl_url_cleanup);
  if (url == nullptr || curl_url_set(url.get(), CURLUPART_URL, std::string(text).c_str(), 0) != CURLUE_OK) {
    return refuse(fmt::format("\"{}\" is no address", printable(text)));
  }
  while (text.ends_with('/')) text.remove_suffix(1);
  return std::string(text);
}

}  // namespace secbeat::cli
