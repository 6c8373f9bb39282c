// Reading JSON that somebody else wrote: bounded, typed, and every fault told with its place.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "secbeat/base/error.hpp"

namespace secbeat::control {

using Json = nlohmann::ordered_json;  // what people read keeps the order in which it is written

inline constexpr std::uint64_t kAnyNumber = std::numeric_limits<std::uint64_t>::max();

// The text as one JSON object. kProtocol with the byte offset where it is none, is longer than `limit_bytes`, or
// nests deeper than any document of ours does.
Result<Json> parse_object(std::string_view text, std::size_t limit_bytes);

// One line; bytes that are not UTF-8 (a request's URI may hold any) become U+FFFD.
std::string dump(const Json& json);

// The first fault that readers of one text met.
class Faults {
 public:
  void add(std::string message) {
    if (!first_) first_ = Error{ErrorCode::kProtocol, std::move(message)};
  }
  [[nodiscard]] const std::optional<Error>& first() const noexcept { return first_; }

 private:
  std::optional<Error> first_;
};

// The members of one object. A member that is missing, of another type or out of its range is a fault, and the
// reader goes on with a harmless value: callers look at the faults once, at the end. Keys that nobody asks for
// are ignored (docs/control_protocol.md, "Versions").
//
// Thread safety: owned by one thread; refers to the JSON value and the faults, which outlive it.
class ObjectReader {
 public:
  // `place` names the object in messages, such as "slots[1]"; empty for the outermost one.
  ObjectReader(const Json& value, std::string place, Faults& faults);

  std::uint64_t number(std::string_view key, std::uint64_t least, std::uint64_t most);
  double positive(std::string_view key, double most);
  std::string text(std::string_view key, std::size_t most_bytes);
  // 64 lower-case hexadecimal digits.
  std::string sha256(std::string_view key);
  std::string optional_sha256(std::string_view key);  // or empty
  // The place in `words` of a text that has to be one of them.
  std::size_t one_of(std::string_view key, std::initializer_list<std::string_view> words);
  // Whether the member is there; for those that older documents of the same format do not have.
  [[nodiscard]] bool has(std::string_view key) const;
  // An array of at most `most` values; an empty one after a fault.
  const Json& array(std::string_view key, std::size_t most);
  // An object; an empty one after a fault.
  const Json& object(std::string_view key);

  void fault(std::string_view key, std::string_view what);
  [[nodiscard]] std::string place_of(std::string_view key) const;

 private:
  const Json& member(std::string_view key);

  const Json& value_;
  std::string place_;
  Faults& faults_;
};

// "slots[3]": the place of an array's item.
std::string item_place(std::string_view array_place, std::size_t index);

}  // namespace secbeat::control
