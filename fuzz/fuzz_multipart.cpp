// A Content-Type line and a body under it. What is taken lies within the body, in order and within the bounds, and
// is taken again when it is written anew.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "secbeat/http/multipart.hpp"

namespace {

using namespace secbeat::http;

void require(bool condition) {
  if (!condition) std::abort();
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

void require_same(const std::vector<Part>& parts, std::string_view boundary) {
  std::string body;
  for (const Part& part : parts) {
    body.append("--").append(boundary).append("\r\nContent-Disposition: form-data; name=").append(quoted(part.name));
    body.append("\r\n\r\n").append(part.body).append("\r\n");
  }
  body.append("--").append(boundary).append("--\r\n");
  const auto again = parse_multipart(body, boundary);
  require(again && again->size() == parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    require((*again)[i].name == parts[i].name && (*again)[i].body == parts[i].body);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = input.find('\n');
  if (line == std::string_view::npos) return 0;
  const auto boundary = multipart_boundary(input.substr(0, line));
  if (!boundary) return 0;
  require(!boundary->empty() && boundary->size() <= kMaxBoundaryBytes);
  const std::string_view body = input.substr(line + 1);
  const auto parts = parse_multipart(body, *boundary);
  if (!parts) return 0;
  require(!parts->empty() && parts->size() <= kMaxParts);
  const char* after = body.data();
  for (const Part& part : *parts) {
    require(!part.name.empty() && part.name.size() <= kMaxPartNameBytes);
    require(part.body.data() >= after && part.body.data() + part.body.size() <= body.data() + body.size());
    after = part.body.data() + part.body.size();
  }
  require_same(*parts, *boundary);
  return 0;
}
