// Lets everything pass and tells, for a request with the header x-describe, what it has seen of it: the message of
// its verdict Log. "frame": everything but headers and body; "headers": their names and
// values, each with a bar behind it, since a message has no control characters; "body": its bytes.
#include <secbeat/guest.hpp>

using namespace secbeat::guest;

SECBEAT_UNNAMED_MODULE
SECBEAT_NEEDS(secbeat::abi::kNeedsBody)

static constinit Buffer<1024> message;

static void append_number(uint64_t number) {
  char digits[20];
  size_t at = sizeof(digits);
  do {
    digits[--at] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  message.append({digits + at, sizeof(digits) - at});
}

static void describe_frame(const Request& request) {
  const StringView texts[] = {request.method(), request.uri(),       request.version(),   request.source_ip(),
                              request.host(),   request.server_ip(), request.request_id()};
  for (const StringView text : texts) {
    message.append(text);
    message.push(' ');
  }
  const uint64_t numbers[] = {request.server_port(),    request.flags(),       request.body().size(),
                              request.body_total_len(), request.source_port(), request.now_unix_ms()};
  for (const uint64_t number : numbers) {
    append_number(number);
    message.push(' ');
  }
}

static void describe_headers(const Request& request) {
  for (const Header header : request) {
    message.append(header.name);
    message.push('=');
    message.append(header.value);
    message.push('|');
  }
}

Decision inspect(const Request& request) {
  if (!request.has_header("x-describe")) return allow();
  const StringView what = request.header("x-describe");
  message.clear();
  if (what == "headers") {
    describe_headers(request);
  } else if (what == "body") {
    message.append(request.body());
  } else {
    describe_frame(request);
  }
  return log_only(what, message.view());
}
