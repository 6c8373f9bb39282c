// docs/rules.schema.json, as it was when this was built.
#pragma once

#include <string_view>

namespace secbeat::agent {

std::string_view rules_schema() noexcept;

}  // namespace secbeat::agent
