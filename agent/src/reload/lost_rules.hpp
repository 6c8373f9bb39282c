// Which rules a configuration no longer has, for a history row: an operator's file replaces the node's copy whole, also
// what was added to that over the API.
//
// Thread safety: a free function without state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace secbeat::agent {

// The ids of the rules of `before` that `after` does not have, in order. Rules are the objects of "rules", as in
// waf-config.json; a configuration of another shape has none. Ids that are no plain words are left out.
std::vector<std::string> lost_rules(std::string_view before, std::string_view after);

// "; rules that are gone: a, b and 3 more", or nothing.
std::string told_as_lost(const std::vector<std::string>& ids);

}  // namespace secbeat::agent
