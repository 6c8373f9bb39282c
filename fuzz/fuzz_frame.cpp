// A request of any bytes as a guest's input: the frame of ABI 2 must give back exactly what went in and stay inside
// of its memory; the JSON of ABI 1 must parse.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "frame_writer.hpp"
#include "fuzz_support.hpp"
#include "json_input.hpp"

namespace {

using namespace secbeat::engine;
using secbeat::fuzz::Pieces;
using secbeat::fuzz::require;
namespace abi = secbeat::abi;

// The memory is exactly as large as the frame, so that the sanitizer sees a byte too many.
void check_frame(const RequestView& request) {
  const auto size = frame_size(request);
  require(size.has_value());
  std::vector<std::byte> frame(*size);
  write_frame(request, frame);
  const std::string_view bytes(reinterpret_cast<const char*>(frame.data()), frame.size());
  const auto text = [&](abi::Span place) {
    require(place.off <= bytes.size() && place.len <= bytes.size() - place.off);
    return bytes.substr(place.off, place.len);
  };

  abi::Frame fixed;
  std::memcpy(&fixed, frame.data(), sizeof fixed);
  require(fixed.magic == abi::kFrameMagic && fixed.total_len == frame.size());
  require(text(fixed.method) == request.method && text(fixed.uri) == request.uri);
  require(text(fixed.version) == request.version && text(fixed.source_ip) == request.source_ip);
  require(text(fixed.host) == request.host && text(fixed.body) == request.body);
  require(text(fixed.server_ip) == request.server_ip && text(fixed.request_id) == request.request_id);
  require(fixed.header_count == request.headers.size());
  for (std::size_t i = 0; i < request.headers.size(); ++i) {
    abi::FrameHeaderField field;
    std::memcpy(&field, frame.data() + fixed.headers_off + i * sizeof field, sizeof field);
    require(text(field.name) == request.headers[i].name && text(field.value) == request.headers[i].value);
  }
}

void check_json(const RequestView& request) {
  const auto json = nlohmann::json::parse(JsonInput().write(request), nullptr, /*allow_exceptions=*/false);
  require(json.is_object() && json.size() == 6 && json.at("headers").is_object());
  require(json.at("headers").size() <= request.headers.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Pieces pieces(secbeat::fuzz::text_of(data, size));
  RequestView request;
  for (std::string_view* const field : {&request.method, &request.uri, &request.version, &request.source_ip,
                                        &request.host, &request.server_ip, &request.request_id}) {
    *field = pieces.next();
  }
  std::vector<HeaderView> headers;
  while (headers.size() < 64 && !pieces.empty()) {
    const std::string_view name = pieces.next();
    headers.push_back({name, pieces.next()});
  }
  request.headers = headers;
  request.body = pieces.rest();
  check_frame(request);
  check_json(request);
  return 0;
}
