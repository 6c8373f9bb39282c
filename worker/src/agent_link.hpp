// The worker's end of the agent's socket: connects, and sends without ever waiting.
#pragma once

#include <deque>
#include <filesystem>
#include <optional>

#include "secbeat/base/error.hpp"
#include "secbeat/base/unique_fd.hpp"
#include "secbeat/control/protocol.hpp"

namespace secbeat::worker {

// Thread safety: owned by the helper thread.
class AgentLink {
 public:
  // Any error leaves the link unconnected; the caller tries again.
  Result<void> connect(const std::filesystem::path& socket);
  void close() noexcept;
  [[nodiscard]] bool connected() const noexcept { return static_cast<bool>(fd_); }
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

  // Sends now or, where the socket is full, when flush() can. An agent that reads nothing is disconnected from.
  void send(control::Message message);
  void flush();
  [[nodiscard]] bool has_unsent() const noexcept { return !unsent_.empty(); }
  // Sends now or not at all: false where the socket is full, or something waits to be sent before it.
  bool try_send(const control::Message& message);

  // The next message; empty where there is none. A broken connection or packet closes the link.
  std::optional<control::Message> receive();

 private:
  enum class Sent { kYes, kLater, kNever };
  Sent send_now(const control::Message& message);

  UniqueFd fd_;
  std::deque<control::Message> unsent_;
};

}  // namespace secbeat::worker
