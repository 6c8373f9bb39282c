// Documents of rules as the command line reads them: from a file, from a node, from an editor.
//
// Thread safety: free functions without shared state.
#pragma once

#include <string>
#include <string_view>

#include "secbeat/base/error.hpp"
#include "terminal/terminal.hpp"

namespace secbeat::cli {

// Far above 10,000 rules of ordinary size; this only keeps a mistaken argument from being read whole.
inline constexpr std::size_t kMaxRulesBytes = std::size_t{16} << 20U;

// The text of a file, or of standard input for "-". kIo, kTooLarge.
Result<std::string> read_rules_text(const std::string& file);

// An object with a list "rules" whose elements are objects with an id, each id once; an empty text is a document
// without rules. What the rules say is for the module to check. kBadJson, kBadRule.
Result<Json> parse_rules(std::string_view text);

// Two spaces of indentation and a final line feed, as the node writes it.
std::string rules_text(const Json& document);

// The id of a rule of such a document.
const std::string& id_of(const Json& rule);
// null: there is none.
const Json* find_rule(const Json& document, const std::string& id);

}  // namespace secbeat::cli
