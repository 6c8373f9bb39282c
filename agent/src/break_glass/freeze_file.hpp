// The file that remembers a freeze over a restart of the machine: data_dir/freeze.json, there while changes are frozen.
//
// Thread safety: free functions without state.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "secbeat/base/error.hpp"
#include "secbeat/control/break_glass.hpp"

namespace secbeat::agent {

std::string freeze_to_json(const control::Statement& freeze);
// Empty: it is no such document.
std::optional<control::Statement> freeze_from_json(std::string_view text);

std::filesystem::path freeze_file(const std::filesystem::path& data_dir);
// A file that is damaged freezes as well: whoever froze did not unfreeze.
std::optional<control::Statement> read_freeze_file(const std::filesystem::path& file);
// Without one: removes the file.
Result<void> write_freeze_file(const std::filesystem::path& file, const std::optional<control::Statement>& freeze);

}  // namespace secbeat::agent
