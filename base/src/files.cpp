#include "secbeat/base/files.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdio>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U  // Linux 6.3; Debian 12's headers do not have it
#endif

namespace secbeat {
namespace {

Result<void> write_all(int fd, std::string_view bytes, std::string_view what) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return std::unexpected(io_error(what));
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit_bytes) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return std::unexpected(io_error("cannot open " + path.string()));
  struct stat st{};
  if (::fstat(fd.get(), &st) != 0) return std::unexpected(io_error("cannot stat " + path.string()));
  if (!S_ISREG(st.st_mode)) return fail(ErrorCode::kIo, path.string() + " is not a regular file");

  std::string bytes;
  // One byte more than stat says, so that a file that grows meanwhile is noticed by the limit below.
  bytes.resize(std::min(static_cast<std::size_t>(st.st_size), limit_bytes) + 1);
  std::size_t used = 0;
  for (;;) {
    const ssize_t n = ::read(fd.get(), bytes.data() + used, bytes.size() - used);
    if (n < 0) {
      if (errno == EINTR) continue;
      return std::unexpected(io_error("cannot read " + path.string()));
    }
    if (n == 0) break;
    used += static_cast<std::size_t>(n);
    if (used > limit_bytes) {
      return fail(ErrorCode::kTooLarge,
                  path.string() + " is larger than the limit of " + std::to_string(limit_bytes) + " bytes");
    }
    if (used == bytes.size()) bytes.resize(std::min(bytes.size() * 2, limit_bytes + 1));
  }
  bytes.resize(used);
  return bytes;
}

Result<void> write_file_atomically(const std::filesystem::path& path, std::string_view bytes, mode_t mode) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  std::string temporary = (folder / (".tmp-" + path.filename().string() + "-XXXXXX")).string();
  const UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return std::unexpected(io_error("cannot write in " + folder.string()));

  const auto finish = [&]() -> Result<void> {
    if (auto written = write_all(fd.get(), bytes, "cannot write " + path.string()); !written) return written;
    if (::fchmod(fd.get(), mode) != 0 || ::fsync(fd.get()) != 0) {
      return std::unexpected(io_error("cannot write " + path.string()));
    }
    if (::rename(temporary.c_str(), path.c_str()) != 0) {
      return std::unexpected(io_error("cannot replace " + path.string()));
    }
    const UniqueFd folder_fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder_fd || ::fsync(folder_fd.get()) != 0) {
      return std::unexpected(io_error("cannot sync " + folder.string()));
    }
    return {};
  };
  auto finished = finish();
  if (!finished) ::unlink(temporary.c_str());
  return finished;
}

Result<UniqueFd> seal_in_memory(std::string_view name, std::string_view bytes) {
  const std::string label(name);
  int raw = ::memfd_create(label.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  if (raw < 0 && errno == EINVAL) raw = ::memfd_create(label.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING);
  UniqueFd fd(raw);
  if (!fd) return std::unexpected(io_error("memfd_create"));
  if (auto written = write_all(fd.get(), bytes, "cannot fill sealed memory"); !written) {
    return std::unexpected(written.error());
  }
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return std::unexpected(io_error("cannot seal memory"));
  }
  return fd;
}

std::string sha256_hex(std::string_view bytes) {
  std::array<unsigned char, 32> digest{};
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(64);
  for (const unsigned char byte : digest) {
    hex += kHex[byte >> 4U];
    hex += kHex[byte & 15U];
  }
  return hex;
}

}  // namespace secbeat
