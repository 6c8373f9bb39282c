// Reading and writing the fleet's documents: what comes from outside is bounded, and a fault is told with its place.
//
// Thread safety: as for std::string.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "secbeat/base/error.hpp"
#include "secbeat/fleet/documents.hpp"
#include "secbeat/fleet/names.hpp"

namespace secbeat::fleet {

using Json = nlohmann::ordered_json;

inline constexpr int kMaxDepth = 6;
inline constexpr std::size_t kMaxWord = 128;
inline constexpr std::size_t kMaxSentence = 4096;
inline constexpr std::uint64_t kMaxNumber = std::uint64_t{1} << 53U;  // what every reader of JSON holds

struct Fault {
  std::string what;
};

inline bool is_sha256(std::string_view text) {
  return text.size() == 64 &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

inline std::string cut(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return std::string(text);
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0U) == 0x80U) --limit;
  return std::string(text.substr(0, limit));
}

// The members of one object; throws Fault.
class Reader {
 public:
  Reader(const Json& json, std::string place) : json_(json), place_(std::move(place)) {
    if (!json.is_object()) throw Fault{fmt::format("{}: expected an object", place_)};
  }
  [[nodiscard]] bool has(const char* key) const { return json_.contains(key); }
  [[nodiscard]] std::uint64_t number(const char* key) const {
    const Json& value = member(key);
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > kMaxNumber) fault(key, "expected a whole number");
    return value.get<std::uint64_t>();
  }
  [[nodiscard]] std::string text(const char* key, std::size_t most = kMaxWord) const {
    const Json& value = member(key);
    if (!value.is_string()) fault(key, "expected a text");
    const auto& text = value.get_ref<const std::string&>();
    if (text.size() > most) fault(key, fmt::format("expected a text of at most {} bytes", most));
    return text;
  }
  // Nothing where the member is not there.
  [[nodiscard]] std::string text_if(const char* key, std::size_t most = kMaxWord) const {
    return has(key) ? text(key, most) : std::string();
  }
  [[nodiscard]] std::uint64_t number_if(const char* key) const { return has(key) ? number(key) : 0; }
  [[nodiscard]] bool flag_if(const char* key) const { return has(key) && flag(key); }
  // Which of the words it is.
  template <class Words>
  [[nodiscard]] std::size_t one_of(const char* key, const Words& words) const {
    const auto found = std::ranges::find(words, text(key));
    if (found == words.end()) fault(key, fmt::format("expected {}", fmt::join(words, ", ")));
    return static_cast<std::size_t>(found - words.begin());
  }
  [[nodiscard]] std::string name(const char* key) const {
    std::string text = this->text(key);
    if (!is_key(text)) fault(key, "expected a name");
    return text;
  }
  [[nodiscard]] std::string sha256(const char* key) const {
    std::string text = this->text(key);
    if (!is_sha256(text)) fault(key, "expected 64 lower-case hexadecimal digits");
    return text;
  }
  [[nodiscard]] bool flag(const char* key) const {
    const Json& value = member(key);
    if (!value.is_boolean()) fault(key, "expected true or false");
    return value.get<bool>();
  }
  template <class Read>
  void each(const char* key, Read read) const {
    const Json& list = member(key);
    if (!list.is_array() || list.size() > kMaxListed)
      fault(key, fmt::format("expected a list of at most {}", kMaxListed));
    for (std::size_t i = 0; i < list.size(); ++i) read(Reader(list[i], fmt::format("{}.{}[{}]", place_, key, i)));
  }
  [[nodiscard]] Reader object(const char* key) const { return {member(key), fmt::format("{}.{}", place_, key)}; }
  [[nodiscard]] std::map<std::string, std::string> texts(const char* key) const {
    std::map<std::string, std::string> found;
    const Reader inner = object(key);
    if (inner.json_.size() > kMaxWord) fault(key, fmt::format("expected at most {}", kMaxWord));
    for (const auto& [name, value] : inner.json_.items()) {
      if (name.size() > kMaxWord) fault(key, "a name is too long");
      found.emplace(name, inner.text(name.c_str()));
    }
    return found;
  }
  [[noreturn]] void fault(const char* key, std::string_view what) const {
    throw Fault{fmt::format("{}.{}: {}", place_, key, what)};
  }

 private:
  [[nodiscard]] const Json& member(const char* key) const {
    const auto found = json_.find(key);
    if (found == json_.end()) fault(key, "missing");
    return *found;
  }

  const Json& json_;
  std::string place_;
};

// Bytes that are not UTF-8 become U+FFFD.
inline std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

template <class T>
Result<T> read(std::string_view what, std::string_view text, T (*reads)(const Reader&),
               std::size_t limit = kMaxDocumentBytes) {
  if (text.size() > limit) {
    return fail(ErrorCode::kProtocol, fmt::format("{}: larger than {} bytes", what, limit));
  }
  // Thrown out of the parser before anything deep has been made.
  const auto not_too_deep = [](int depth, Json::parse_event_t, Json&) {
    if (depth > kMaxDepth) throw Fault{fmt::format("JSON nests deeper than {} levels", kMaxDepth)};
    return true;
  };
  try {
    const Json json = Json::parse(text, not_too_deep);
    const Reader reader(json, std::string(what));
    const std::uint64_t format = reader.number("format");
    if (format == 0 || format > kFormat + 1) {
      reader.fault("format", fmt::format("this build reads formats up to {}; update it", kFormat + 1));
    }
    return reads(reader);
  } catch (const Fault& fault) {
    return fail(ErrorCode::kProtocol, fault.what);
  } catch (const Json::parse_error& error) {
    return fail(ErrorCode::kProtocol, fmt::format("{}: no JSON at byte {}", what, error.byte));
  } catch (const Json::exception&) {
    return fail(ErrorCode::kProtocol, fmt::format("{}: no JSON: a number is out of range", what));
  }
}

// Members of a version and of an order stand beside those of what they are part of.
Json json_of(const VersionRef& version);
Json json_of(const std::vector<VersionRef>& versions);
Json json_of(const Counts& counts);
Json json_of(const Order& order);
VersionRef read_version(const Reader& reader);
std::vector<VersionRef> read_versions(const Reader& reader, const char* key);
Counts read_counts(const Reader& reader);
Order read_order(const Reader& reader);

}  // namespace secbeat::fleet
