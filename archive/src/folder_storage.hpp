// Files in a folder, which is made where it is missing.
#pragma once

#include <filesystem>
#include <memory>

#include "secbeat/archive/storage.hpp"

namespace secbeat::archive {

std::unique_ptr<Storage> open_folder(const std::filesystem::path& folder);

}  // namespace secbeat::archive
