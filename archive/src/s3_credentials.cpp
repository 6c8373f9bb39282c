#include "s3_credentials.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>

#include "secbeat/base/files.hpp"
#include "secbeat/base/text.hpp"

namespace secbeat::archive {
namespace {

constexpr std::size_t kMaxCredentialsFile = 65536;
constexpr std::size_t kMaxCredential = 8192;  // session tokens are long
constexpr mode_t kOthers = 0077;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// Nothing that could end a header's line.
bool is_credential(std::string_view text) {
  return !text.empty() && text.size() <= kMaxCredential &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

Result<Credentials> checked(Credentials credentials, std::string_view where) {
  if (credentials.key_id.empty() || credentials.secret.empty()) {
    return fail(
        ErrorCode::kConfig,
        fmt::format("{} lacks {}", where, credentials.key_id.empty() ? "aws_access_key_id" : "aws_secret_access_key"));
  }
  const bool good = is_credential(credentials.key_id) && is_credential(credentials.secret) &&
                    (credentials.session_token.empty() || is_credential(credentials.session_token));
  if (good) return credentials;
  return fail(ErrorCode::kConfig, fmt::format("{} has a credential with blanks or control characters in it", where));
}

Result<Credentials> credentials_in(const std::filesystem::path& file) {
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return std::unexpected(io_error("cannot open the credentials " + file.string()));
  struct stat st{};
  if (::fstat(fd.get(), &st) != 0) return std::unexpected(io_error("cannot stat " + file.string()));
  if (!belongs_to_us(st) || (st.st_mode & kOthers) != 0) {
    return fail(ErrorCode::kConfig,
                fmt::format("{} holds secrets and {}: let it belong to who runs this, with mode 0600", file.string(),
                            belongs_to_us(st) ? "others may use it" : "belongs to another user"));
  }
  const auto text = read_descriptor(fd.get(), file.string(), kMaxCredentialsFile);
  if (!text) return std::unexpected(text.error());
  const std::string profile = environment("AWS_PROFILE");
  auto credentials = credentials_from_text(*text, profile.empty() ? "default" : profile);
  if (credentials) return credentials;
  return fail(credentials.error().code, fmt::format("{}: {}", file.string(), credentials.error().message));
}

}  // namespace

std::string environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nothing here changes the environment
  return value == nullptr ? std::string() : value;
}

Result<Credentials> credentials_from_text(std::string_view text, std::string_view profile) {
  Credentials credentials;
  bool is_ours = false;
  bool is_there = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[') {
      is_ours = line.back() == ']' && trimmed(line.substr(1, line.size() - 2)) == profile;
      is_there |= is_ours;
      continue;
    }
    const std::size_t equals = line.find('=');
    if (!is_ours || equals == line.npos) continue;
    const std::string_view key = trimmed(line.substr(0, equals));
    const std::string_view value = trimmed(line.substr(equals + 1));
    if (key == "aws_access_key_id") credentials.key_id = value;
    if (key == "aws_secret_access_key") credentials.secret = value;
    if (key == "aws_session_token") credentials.session_token = value;
  }
  if (!is_there) return fail(ErrorCode::kConfig, fmt::format("there is no section [{}]", printable(profile)));
  return checked(std::move(credentials), fmt::format("section [{}]", printable(profile)));
}

Result<Credentials> find_credentials(const std::filesystem::path& file) {
  if (!file.empty()) return credentials_in(file);
  Credentials credentials{.key_id = environment("AWS_ACCESS_KEY_ID"),
                          .secret = environment("AWS_SECRET_ACCESS_KEY"),
                          .session_token = environment("AWS_SESSION_TOKEN")};
  if (!credentials.key_id.empty() || !credentials.secret.empty()) {
    return checked(std::move(credentials), "the environment");
  }
  const std::string named = environment("AWS_SHARED_CREDENTIALS_FILE");
  if (!named.empty()) return credentials_in(named);
  const std::string home = environment("HOME");
  const std::filesystem::path usual = std::filesystem::path(home) / ".aws" / "credentials";
  std::error_code error;
  if (!home.empty() && std::filesystem::exists(usual, error)) return credentials_in(usual);
  return fail(ErrorCode::kConfig,
              "there are no credentials for S3: give [archive] credentials, or AWS_ACCESS_KEY_ID and "
              "AWS_SECRET_ACCESS_KEY in the environment");
}

}  // namespace secbeat::archive
