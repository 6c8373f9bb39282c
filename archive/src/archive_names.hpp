// What may stand in the file names of an archive, so that nothing from outside becomes a path unchecked.
//
// Thread safety: free functions without state.
#pragma once

#include <string>
#include <string_view>

namespace secbeat::archive {

bool is_alphanumeric(char c);
// A label as labels are given: [A-Za-z0-9.+-], an alphanumeric first, at most 128.
bool is_file_label(std::string_view text);
// A node's name as the configuration allows it: [A-Za-z0-9._-], neither '.' nor '-' first, at most 64.
bool is_file_node(std::string_view text);
// Only the characters of RFC 3339.
bool is_time(std::string_view text);

// "<label>@<node>.json", "<label>@<node>~2.json", …  REQUIRES: is_file_label(label), is_file_node(node), number > 0.
std::string manifest_name(std::string_view label, std::string_view node, int number);
// Whether a file may be the manifest of this label and node.
bool is_manifest_name(std::string_view name, std::string_view label, std::string_view node);

// Whether a file may be the manifest of some label of this node.
bool is_manifest_of(std::string_view name, std::string_view node);

}  // namespace secbeat::archive
