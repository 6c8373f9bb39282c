// The way from an object to the JSON of one of its members, as the descriptions of api_documents.cpp name it.
//
//   {"version", text("…"), member<&VersionView::version>}
//
// Thread safety: free functions without state.
#pragma once

#include <cmath>
#include <concepts>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "secbeat/base/clock.hpp"
#include "secbeat/http/schema.hpp"

namespace secbeat::http {

inline Json value_of(const std::string& value) { return value; }
inline Json value_of(bool value) { return value; }
inline Json value_of(SystemTime value) { return rfc3339(value); }
template <std::integral Number>
Json value_of(Number value) {
  return value;
}
// To the microsecond, in the milliseconds that all of them are: what the clock is good for.
inline Json value_of(double value) { return std::round(value * 1000) / 1000; }
template <class T>
Json value_of(const std::optional<T>& value) {
  return value ? value_of(*value) : Json();
}
template <class T>
Json value_of(const std::vector<T>& values);  // below: the items' own value_of() may follow

namespace detail {
template <class Class, class T>
Class class_of(T Class::*);
template <auto Pointer>
using ClassOf = decltype(class_of(Pointer));
}  // namespace detail

// The member of the object, or of its base class.
template <auto Pointer, class Object = detail::ClassOf<Pointer>>
Json member(const void* object) {
  return value_of(static_cast<const Object*>(object)->*Pointer);
}

// What is not there is null, not an empty text.
template <auto Pointer, class Object = detail::ClassOf<Pointer>>
Json text_or_null(const void* object) {
  const std::string& value = static_cast<const Object*>(object)->*Pointer;
  return value.empty() ? Json() : Json(value);
}

template <class Object, auto Function>
Json computed(const void* object) {
  return Function(*static_cast<const Object*>(object));
}

inline Json always_true(const void*) { return true; }

template <class T>
Json value_of(const std::vector<T>& values) {
  Json list = Json::array();
  for (const T& value : values) list.push_back(value_of(value));
  return list;
}

}  // namespace secbeat::http
