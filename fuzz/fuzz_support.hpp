// What targets share: a promise that has to hold, and the fuzzer's bytes in pieces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace secbeat::fuzz {

inline void require(bool holds) {
  if (!holds) std::abort();
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Pieces of the fuzzer's bytes: each begins with its length.
class Pieces {
 public:
  explicit Pieces(std::string_view bytes) : left_(bytes) {}
  // An empty one where nothing is left.
  std::string_view next() {
    const std::size_t length = number();
    const std::string_view piece = left_.substr(0, length);
    left_.remove_prefix(piece.size());
    return piece;
  }
  // One byte of them; 0 where nothing is left.
  std::uint8_t number() {
    if (left_.empty()) return 0;
    const auto byte = static_cast<std::uint8_t>(left_.front());
    left_.remove_prefix(1);
    return byte;
  }
  [[nodiscard]] bool empty() const { return left_.empty(); }
  [[nodiscard]] std::string_view rest() const { return left_; }

 private:
  std::string_view left_;
};

// The bytes before and after the first `separator`; all of them and none where there is no separator.
struct Halves {
  std::string_view first;
  std::string_view second;
};
inline Halves split(std::string_view bytes, char separator) {
  const std::size_t place = bytes.find(separator);
  if (place == std::string_view::npos) return {bytes, {}};
  return {bytes.substr(0, place), bytes.substr(place + 1)};
}

}  // namespace secbeat::fuzz
