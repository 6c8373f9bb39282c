// Files that are whole or not there: bounded reads, writes that survive a crash, sealed memory.
//
// Thread safety: free functions without shared state; call from any thread.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/base/error.hpp"
#include "secbeat/base/unique_fd.hpp"

namespace secbeat {

// Temporary files are called so: .tmp-NAME-XXXXXX
inline constexpr std::string_view kTemporaryPrefix = ".tmp-";

// The whole file. kTooLarge when it holds more than `limit_bytes`, kIo when it cannot be read.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit_bytes);
// The same of a file that is open, from where it stands; `name` is for messages.
Result<std::string> read_descriptor(int fd, std::string_view name, std::size_t limit_bytes);

// All of the bytes, or kIo.
Result<void> write_descriptor(int fd, std::string_view bytes, std::string_view name);

// Replaces `path` so that a reader, also after a crash at any point, sees the old or the new bytes whole:
// temporary file in the same folder, fsync, rename, fsync of the folder. A crash can leave the temporary file.
Result<void> write_file_atomically(const std::filesystem::path& path, std::string_view bytes, mode_t mode = 0644);

// The same for readers, without the waits for the disk: what a crash of the machine leaves is anybody's guess. For
// files that are of no use after one, and for those that sync_files() makes durable later.
Result<void> write_file_unsynced(const std::filesystem::path& path, std::string_view bytes, mode_t mode = 0644);

// Makes files and their names durable; those that are not there are left out. Many together cost little more than one.
Result<void> sync_files(std::span<const std::filesystem::path> files);

// Whether a file or folder is root's or this process's user's.
bool belongs_to_us(const struct stat& st) noexcept;
// Who else could change it, as the end of a sentence ("belongs to another user", "can be written by everybody"); empty:
// nobody. A group that may write has to be root's or this process's own.
std::string_view who_else_writes(const struct stat& st) noexcept;

// What a folder holds, as far as it can be read, in no order. A folder that changes or goes meanwhile, as those of
// processes do, ends the list early.
std::vector<std::filesystem::path> entries_of(const std::filesystem::path& folder);

// Anonymous memory with these bytes that nobody can write, shrink or grow any more (memfd with seals).
// Load executable artifacts from here and not from disk: a file can change or be truncated under a mapping.
Result<UniqueFd> seal_in_memory(std::string_view name, std::string_view bytes);

// Lower-case hexadecimal SHA-256, 64 characters.
std::string sha256_hex(std::string_view bytes);

}  // namespace secbeat
