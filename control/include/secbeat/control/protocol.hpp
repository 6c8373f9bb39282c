// The messages between the agent and the workers' helper threads: one JSON object a packet on a unix socket
// of type SOCK_SEQPACKET. docs/control_protocol.md is the specification.
//
//   worker → agent   hello, staged, stage_failed, serving, events
//   agent → worker   stage, commit, abort
//
// Level-triggered: stage carries the whole document, and a worker computes what it lacks. A worker that
// connects says what it serves; the agent stages and commits what is in force if that differs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "secbeat/base/error.hpp"
#include "secbeat/control/in_force.hpp"

namespace secbeat::control {

inline constexpr int kProtocolVersion = 1;
// A bound for one packet: the largest document and the words around it.
inline constexpr std::size_t kMaxMessageBytes = kMaxDocumentBytes + 256;
inline constexpr std::size_t kMaxEventsPerMessage = 16;  // fit into a packet also where every byte needs an escape
inline constexpr std::size_t kMaxFailureText = 4096;

struct Hello {
  int protocol = kProtocolVersion;
  std::int32_t pid = 0;
  std::uint32_t slot = 0;        // in the scoreboard
  std::uint64_t generation = 0;  // served now
  std::string build;             // the module's version, for people
  std::int32_t parent_pid = 0;   // nginx' master
  // Versions other than the current ones that it could not load, and why: for people. Empty: it has all of them.
  std::string failed_fallbacks = {};
};

struct Stage {  // load everything that this document names and get it ready; do not serve it yet
  InForce in_force;
};
struct Staged {  // ready to swap to this generation
  std::uint64_t generation = 0;
  std::string failed_fallbacks = {};  // as in hello
};
struct StageFailed {
  std::uint64_t generation = 0;
  std::string module;
  std::string code;  // word of an ErrorCode
  std::string message;
};
struct Commit {  // swap to the staged generation now
  std::uint64_t generation = 0;
};
struct Abort {  // forget the staged generation
  std::uint64_t generation = 0;
};
struct Serving {  // the event loop has swapped
  std::uint64_t generation = 0;
  std::uint64_t pause_ns = 0;  // for which it could not begin an inspection because of the swap
};

// A request that was not simply let through, or an error of a module.
struct Event {
  std::int64_t unix_ms = 0;
  std::string method;
  std::string uri;  // cut at kMaxEventUri
  std::string source_ip;
  std::string module;
  std::uint64_t version_id = 0;
  std::string kind;  // a verdict ("block", "log", "rate_limit") or an error ("trap", "deadline", "memory",
                     // "bad_verdict", "no_instance")
  std::string rule;
  std::string message;
};
inline constexpr std::size_t kMaxEventUri = 512;
inline constexpr std::size_t kMaxEventText = 256;

struct Events {
  std::vector<Event> events;
};

using Message = std::variant<Hello, Stage, Staged, StageFailed, Commit, Abort, Serving, Events>;

// Texts over their bound are cut (at a character), events over kMaxEventsPerMessage left out: what a well-meaning
// sender gives is always a message that the reader takes, except a document that is too long.
std::string to_json(const Message& message);
// kProtocol, with the place of the fault, for anything that is not a message, and for a hello of a later protocol
// version.
Result<Message> message_from_json(std::string_view text);

// One packet. Neither blocks: kProtocol with "would block" where the socket's buffer is full, kTooLarge above
// kMaxMessageBytes, kIo where the connection is gone.
Result<void> send_message(int socket, const Message& message);
Result<void> send_packet(int socket, std::string_view json);  // of to_json()
// The next packet. An empty optional: nothing there now (only on a non-blocking socket). kProtocol: the
// packet is no message or too long; kIo "connection closed" at the end.
Result<std::optional<Message>> receive_message(int socket);

}  // namespace secbeat::control
