// Messages as packets of a SOCK_SEQPACKET socket.
#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "secbeat/control/protocol.hpp"

namespace secbeat::control {
namespace {

// The length of the next packet without taking it; -1 with errno. 0: the peer has closed (or has sent an empty
// packet, which is no message either).
ssize_t next_length(int socket) {
  for (;;) {
    const ssize_t length = ::recv(socket, nullptr, 0, MSG_PEEK | MSG_TRUNC);
    if (length >= 0 || errno != EINTR) return length;
  }
}

ssize_t take(int socket, std::string& packet) {
  for (;;) {
    const ssize_t length = ::recv(socket, packet.data(), packet.size(), MSG_DONTWAIT);
    if (length >= 0 || errno != EINTR) return length;
  }
}

}  // namespace

Result<void> send_packet(int socket, std::string_view json) {
  if (json.size() > kMaxMessageBytes) {
    return fail(ErrorCode::kTooLarge, "a message of " + std::to_string(json.size()) + " bytes is over the limit of " +
                                          std::to_string(kMaxMessageBytes));
  }
  for (;;) {
    if (::send(socket, json.data(), json.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return {};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == ENOBUFS) return fail(ErrorCode::kProtocol, "would block");
    return std::unexpected(io_error("cannot send"));
  }
}

Result<void> send_message(int socket, const Message& message) { return send_packet(socket, to_json(message)); }

Result<std::optional<Message>> receive_message(int socket) {
  const ssize_t length = next_length(socket);
  if (length < 0 && errno == EAGAIN) return std::optional<Message>();
  if (length < 0) return std::unexpected(io_error("cannot receive"));
  if (length == 0) return fail(ErrorCode::kIo, "connection closed");

  std::string packet(std::min(static_cast<std::size_t>(length), kMaxMessageBytes), '\0');
  if (take(socket, packet) < 0) return std::unexpected(io_error("cannot receive"));
  if (static_cast<std::size_t>(length) > kMaxMessageBytes) {
    return fail(ErrorCode::kProtocol, "a packet of " + std::to_string(length) + " bytes is over the limit of " +
                                          std::to_string(kMaxMessageBytes));
  }
  auto message = message_from_json(packet);
  if (!message) return std::unexpected(message.error());
  return std::optional<Message>(std::move(*message));
}

}  // namespace secbeat::control
