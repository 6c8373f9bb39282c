// A real nats-server with JetStream on a free port, for tests.
//
// Thread safety: owned by one thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "secbeat/fleet/connection.hpp"

namespace secbeat::fleet {

class NatsServer {
 public:
  NatsServer();
  ~NatsServer();
  NatsServer(const NatsServer&) = delete;
  NatsServer& operator=(const NatsServer&) = delete;

  void start();  // again after kill(), with what it kept
  void kill();
  [[nodiscard]] std::string url() const;
  // A connection that is there.
  [[nodiscard]] std::unique_ptr<Connection> connect() const;

 private:
  std::filesystem::path folder_;
  std::uint16_t port_ = 0;
  pid_t pid_ = 0;
};

// Whether it becomes true within a time that nothing here should take.
bool eventually(const std::function<bool()>& condition);

}  // namespace secbeat::fleet
