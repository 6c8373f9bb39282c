#include "secbeat/base/files.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "secbeat/base/fault_point.hpp"

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

Result<void> sync_folder(const std::filesystem::path& folder) {
  const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return std::unexpected(io_error("cannot sync " + folder.string()));
  return {};
}

std::filesystem::path folder_of(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : ".";
}

enum class Durable : std::uint8_t { kYes, kNo };

Result<void> replace_file(const std::filesystem::path& path, std::string_view bytes, mode_t mode, Durable durable) {
  const std::filesystem::path folder = folder_of(path);
  std::string temporary = (folder / (std::string(kTemporaryPrefix) + path.filename().string() + "-XXXXXX")).string();
  const UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return std::unexpected(io_error("cannot write in " + folder.string()));

  const auto finish = [&]() -> Result<void> {
    if (auto written = write_all(fd.get(), bytes, "cannot write " + path.string()); !written) return written;
    if (::fchmod(fd.get(), mode) != 0 || (durable == Durable::kYes && ::fsync(fd.get()) != 0)) {
      return std::unexpected(io_error("cannot write " + path.string()));
    }
    if (durable == Durable::kYes) fault_point("file.written");
    if (::rename(temporary.c_str(), path.c_str()) != 0) {
      return std::unexpected(io_error("cannot replace " + path.string()));
    }
    if (durable == Durable::kNo) return {};
    fault_point("file.renamed");
    return sync_folder(folder);
  };
  auto finished = finish();
  if (!finished) ::unlink(temporary.c_str());
  return finished;
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit_bytes) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return std::unexpected(io_error("cannot open " + path.string()));
  return read_descriptor(fd.get(), path.string(), limit_bytes);
}

Result<void> write_descriptor(int fd, std::string_view bytes, std::string_view name) {
  return write_all(fd, bytes, "cannot write " + std::string(name));
}

Result<std::string> read_descriptor(int fd, std::string_view name, std::size_t limit_bytes) {
  const std::string path(name);
  struct stat st{};
  if (::fstat(fd, &st) != 0) return std::unexpected(io_error("cannot stat " + path));
  if (!S_ISREG(st.st_mode)) return fail(ErrorCode::kIo, path + " is not a regular file");

  std::string bytes;
  // One byte more than stat says, so that a file that grows meanwhile is noticed by the limit below.
  bytes.resize(std::min(static_cast<std::size_t>(st.st_size), limit_bytes) + 1);
  std::size_t used = 0;
  for (;;) {
    const ssize_t n = ::read(fd, bytes.data() + used, bytes.size() - used);
    if (n < 0) {
      if (errno == EINTR) continue;
      return std::unexpected(io_error("cannot read " + path));
    }
    if (n == 0) break;
    used += static_cast<std::size_t>(n);
    if (used > limit_bytes) {
      return fail(ErrorCode::kTooLarge,
                  path + " is larger than the limit of " + std::to_string(limit_bytes) + " bytes");
    }
    if (used == bytes.size()) bytes.resize(std::min(bytes.size() * 2, limit_bytes + 1));
  }
  bytes.resize(used);
  return bytes;
}

Result<void> write_file_atomically(const std::filesystem::path& path, std::string_view bytes, mode_t mode) {
  return replace_file(path, bytes, mode, Durable::kYes);
}

Result<void> write_file_unsynced(const std::filesystem::path& path, std::string_view bytes, mode_t mode) {
  return replace_file(path, bytes, mode, Durable::kNo);
}

Result<void> sync_files(std::span<const std::filesystem::path> files) {
  std::vector<std::pair<UniqueFd, const std::filesystem::path*>> open;
  std::set<std::filesystem::path> folders;
  for (const std::filesystem::path& file : files) {
    UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd && errno == ENOENT) continue;
    if (!fd) return std::unexpected(io_error("cannot open " + file.string()));
    // All are on their way before the first is waited for, so that the file system commits them together.
    ::sync_file_range(fd.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
    open.emplace_back(std::move(fd), &file);
    folders.insert(folder_of(file));
  }
  for (const auto& [fd, file] : open) {
    if (::fsync(fd.get()) != 0) return std::unexpected(io_error("cannot sync " + file->string()));
  }
  for (const std::filesystem::path& folder : folders) {
    if (auto synced = sync_folder(folder); !synced) return synced;
  }
  return {};
}

bool belongs_to_us(const struct stat& st) noexcept { return st.st_uid == ::geteuid() || st.st_uid == 0; }

std::string_view who_else_writes(const struct stat& st) noexcept {
  if (!belongs_to_us(st)) return "belongs to another user";
  if ((st.st_mode & S_IWOTH) != 0) return "can be written by everybody";
  if ((st.st_mode & S_IWGRP) != 0 && st.st_gid != ::getegid() && st.st_gid != 0) return "can be written by its group";
  return {};
}

std::vector<std::filesystem::path> entries_of(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> entries;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    entries.push_back(entry->path());
  }
  return entries;
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
