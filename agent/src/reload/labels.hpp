// The labels of versions: the embedded semantic version where there is one, else v1, v2, …; each is unique
// for ever within its module.
//
// Labels come in families. A family is named by what a module embeds ("1.4.2"), or by kCounted for modules
// that embed nothing. Its members are "1.4.2", "1.4.2+2", "1.4.2+3", …, or "v1", "v2", …; the ledger keeps
// how many a family has given, which is enough to know every label that was ever used.
//
// Thread safety: value types and free functions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace secbeat::agent {

inline constexpr std::string_view kCountedFamily = "";

struct LabelFamily {
  std::uint64_t given = 0;  // the highest member given; 0: none
  std::string last_sha256;  // of the module's bytes that got the last one
};
using LabelFamilies = std::map<std::string, LabelFamily, std::less<>>;  // of one module, by family

struct NewLabel {
  std::string label;
  std::string family;
  std::uint64_t number = 0;  // its place in the family
  std::string warning;       // empty: none
};

// The label for a new version of a module with these bytes. Changes nothing: it is used up when the ledger
// records it.
NewLabel next_label(const LabelFamilies& families, const std::optional<std::string>& embedded_version,
                    std::string_view sha256);

// This label, where it can be given still: no family has come to it yet.
std::optional<NewLabel> wanted_label(const LabelFamilies& families, std::string_view label);

// N of a counted label "vN"; empty for any other label.
std::optional<std::uint64_t> counted_number(std::string_view label);

// Whether some family has given this label.
bool label_used(const LabelFamilies& families, std::string_view label);

}  // namespace secbeat::agent
