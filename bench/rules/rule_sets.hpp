// Documents of many rules as people and generators write them: literals and globs over all fields.
#pragma once

#include <cstddef>
#include <string>

namespace secbeat::bench {

// The same for the same number, on every machine. None of the rules holds for the reference requests.
std::string rule_document(std::size_t rules);

}  // namespace secbeat::bench
