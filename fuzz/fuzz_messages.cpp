// A packet of the workers' socket. What is taken must survive being written and read again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "secbeat/control/protocol.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto message = secbeat::control::message_from_json(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!message) return 0;
  const std::string json = secbeat::control::to_json(*message);
  const auto again = secbeat::control::message_from_json(json);
  if (!again || secbeat::control::to_json(*again) != json) std::abort();
  return 0;
}
