// Which build this is.
#pragma once

#include <string_view>

namespace secbeat {

// "0.1.0+1a2b3c4d5e6f": the version, and where it was built in a checkout its commit. For people, and to see whether
// two programs come from one build. Only what is shipped links it (secbeat::build_id), or all would be linked anew with
// every commit.
std::string_view build_id() noexcept;

}  // namespace secbeat
