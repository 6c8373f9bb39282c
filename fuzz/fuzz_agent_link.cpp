// The worker's end of the agent's socket: what an agent sends, packets with a zero byte between them, and what a
// document becomes that it asks for. There is no artifact in the state directory, so that no version can be loaded:
// what cannot be served is told and not served.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <variant>

#include "agent_link.hpp"
#include "chain.hpp"
#include "fuzz_support.hpp"
#include "secbeat/base/unique_fd.hpp"

namespace {

using namespace secbeat;
using namespace secbeat::control;
using fuzz::require;

struct Worker {
  Worker() : engine(*engine::Engine::create()), ticker(*worker::Ticker::start(*engine)) {
    char made[] = "/tmp/secbeat-fuzz-link-XXXXXX";
    require(::mkdtemp(made) != nullptr);
    paths.state_dir = made;
    counters = *worker::Counters::in_private_memory();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, paths.socket().c_str(), paths.socket().native().size());
    listener = UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    require(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    require(::listen(listener.get(), 1) == 0);
  }
  ~Worker() { std::filesystem::remove_all(paths.state_dir); }

  std::unique_ptr<engine::Engine> engine;
  std::unique_ptr<worker::Ticker> ticker;
  StatePaths paths;
  std::shared_ptr<worker::Counters> counters;
  UniqueFd listener;
};

void send_all(int socket, std::string_view packets) {
  while (!packets.empty()) {
    const auto [packet, rest] = fuzz::split(packets, '\0');
    packets = rest;
    if (!packet.empty() && ::send(socket, packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) return;
  }
}

void check_stage(Worker& worker, const InForce& document) {
  const worker::LoadContext context{*worker.engine, worker.ticker->helper_lane(), worker.paths};
  const worker::BuiltChain built = worker::build_chain(context, document, worker.counters, {});
  std::size_t in_chain = 0;
  for (const Slot& slot : document.slots) in_chain += slot.is_removed() ? 0 : 1;
  require(built.chain->links.size() == in_chain && built.failures.size() == in_chain);
  require(built.chain->generation == (in_chain == 0 ? document.generation : 0));
  for (const worker::Link& link : built.chain->links) {
    require(!link.current.loaded && !link.previous.loaded && link.current.series != nullptr);
  }
  for (const worker::LoadFailure& failure : built.failures) {
    require(document.find(failure.module) != nullptr && failure.error.message.size() <= 1024);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Worker worker;
  worker::AgentLink link;
  require(link.connect(worker.paths.socket()).has_value());
  {
    const UniqueFd agent(::accept4(worker.listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    require(static_cast<bool>(agent));
    send_all(agent.get(), fuzz::text_of(data, size));
  }
  while (const auto message = link.receive()) {
    if (const auto* stage = std::get_if<Stage>(&*message)) check_stage(worker, stage->in_force);
  }
  require(!link.connected());  // the agent is gone, or has sent what is no message
  return 0;
}
