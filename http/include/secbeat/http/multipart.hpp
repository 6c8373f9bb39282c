// multipart/form-data (RFC 7578), parsed strictly and within bounds: the bytes come from anybody.
//
// What a client of ours, a browser or curl sends is accepted; what could be read in two ways is refused with
// the byte at which it goes wrong. The parser copies nothing but headers: a part's body is a view.
//
// Thread safety: free functions without state.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/base/error.hpp"

namespace secbeat::http {

inline constexpr std::size_t kMaxParts = 32;
inline constexpr std::size_t kMaxPartHeaders = 8;
inline constexpr std::size_t kMaxPartHeaderBytes = 4096;  // all header lines of one part
inline constexpr std::size_t kMaxPartNameBytes = 128;
inline constexpr std::size_t kMaxBoundaryBytes = 70;  // RFC 2046, section 5.1.1

struct Part {
  std::string name;
  std::optional<std::string> filename;  // as sent: never a path to use
  std::string_view body;                // into the parsed text
};

// The boundary of a Content-Type value. kUnsupportedMediaType where the type is another one, kBadMultipart
// where it has no boundary, two, or one that RFC 2046 does not allow.
Result<std::string> multipart_boundary(std::string_view content_type);

// The parts in their order. kBadMultipart: "Malformed multipart body at byte N: …".
// REQUIRES: boundary is one that multipart_boundary() gave; the parts live no longer than `body`'s bytes.
Result<std::vector<Part>> parse_multipart(std::string_view body, std::string_view boundary);

}  // namespace secbeat::http
