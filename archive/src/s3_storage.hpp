// Files in a bucket of any server that speaks S3.
#pragma once

#include <memory>

#include "secbeat/archive/storage.hpp"

namespace secbeat::archive {

// REQUIRES: !location.bucket.empty().
std::unique_ptr<Storage> open_s3(const Location& location, const Patience& patience);

}  // namespace secbeat::archive
