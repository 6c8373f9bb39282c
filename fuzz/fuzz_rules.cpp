// The rule document and what it makes of a request. The input is a document and, behind a byte 0, the parts of a
// request: method, URI, a header's value, body. Whatever they are: the document is accepted or refused with a reason,
// and the request is decided, with bounded work.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "testing.hpp"

namespace {

using secbeat::waf::testing::frame_of;
using secbeat::waf::testing::TestRequest;

std::vector<std::string> parts_of(std::string_view text) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('\0', at), text.size());
    parts.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto parts = parts_of({reinterpret_cast<const char*>(data), size});
  parts.resize(5);
  secbeat::waf::testing::forget_modules();
  secbeat::waf::testing::ConfiguredModule module(parts[0]);
  if (!module.fault().empty()) return 0;
  TestRequest request{.method = parts[1], .uri = parts[2], .headers = {{"cookie", parts[3]}, {"user-agent", parts[3]}}};
  request.body = parts[4];
  const std::string first = module.decide(request).text;
  require(module.decide(request).text == first);
  return 0;
}
