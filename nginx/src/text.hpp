// Between nginx' strings and ours.
#pragma once

#include <cstring>
#include <initializer_list>
#include <string_view>

#include "ngx_cxx.hpp"

namespace secbeat::nginx {

inline std::string_view text_of(const ngx_str_t& text) noexcept {
  return {reinterpret_cast<const char*>(text.data), text.len};
}

// The parts, one after another, in the pool; without data where there is no memory.
inline ngx_str_t concatenate(ngx_pool_t* pool, std::initializer_list<std::string_view> parts) noexcept {
  std::size_t length = 0;
  for (const std::string_view part : parts) length += part.size();
  auto* data = static_cast<u_char*>(ngx_pnalloc(pool, length));
  if (data == nullptr) return ngx_null_string;
  u_char* end = data;
  for (const std::string_view part : parts) {
    if (!part.empty()) std::memcpy(end, part.data(), part.size());
    end += part.size();
  }
  return {length, data};
}

}  // namespace secbeat::nginx
