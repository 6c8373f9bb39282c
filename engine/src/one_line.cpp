#include "one_line.hpp"

#include "secbeat/base/text.hpp"
#include "utf8.hpp"

namespace secbeat::engine {
namespace {

constexpr unsigned char kDelete = 0x7f;

}  // namespace

void put_one_line(std::string_view text, std::size_t limit, std::string& into) {
  into.clear();
  while (!text.empty()) {
    const bool is_plain =
        static_cast<unsigned char>(text.front()) >= ' ' && static_cast<unsigned char>(text.front()) < kDelete;
    const Character first = is_plain ? Character{1, 0, true} : first_character(text);
    const bool is_kept = is_plain || (first.valid && !steers(first.code));
    const std::string_view piece = is_kept ? text.substr(0, first.bytes) : kReplacementCharacter;
    if (into.size() + piece.size() > limit) break;
    into += piece;
    text.remove_prefix(first.bytes);
  }
}

}  // namespace secbeat::engine
