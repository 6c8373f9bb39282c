// Many calls at once: each has a subject of its own below one inbox, whose last word is its tag.
#include <fmt/format.h>

#include <charconv>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "connection_impl.hpp"
#include "subscription.hpp"

namespace secbeat::fleet {
namespace {

// What is not taken in time is asked for again by the caller.
constexpr std::size_t kMostWaiting = 16384;

class NatsCalls final : public Calls {
 public:
  NatsCalls(const Connection& connection, natsConnection* handle) : connection_(connection), handle_(handle) {}

  Result<void> begin() {
    natsInbox* inbox = nullptr;
    natsStatus status = natsInbox_Create(&inbox);
    if (status == NATS_OK) {
      inbox_ = inbox;
      natsInbox_Destroy(inbox);
      status = subscription_.begin(handle_, inbox_ + ".*");
    }
    return status == NATS_OK ? Result<void>() : std::unexpected(nats_error("listen to answers", status));
  }

  Result<void> send(std::string_view subject, std::string_view data, std::uint64_t tag) override {
    // While there is no connection the library would keep it, and send it when nobody waits for the answer any more.
    if (!connection_.connected()) return fail(ErrorCode::kNotReady, "NATS is not reachable; it is tried again");
    const std::string name(subject);
    const std::string reply = fmt::format("{}.{}", inbox_, tag);
    const natsStatus status =
        natsConnection_PublishRequest(handle_, name.c_str(), reply.c_str(), data.data(), static_cast<int>(data.size()));
    return status == NATS_OK ? Result<void>() : std::unexpected(nats_error(fmt::format("call {}", name), status));
  }

  std::vector<CallAnswer> take(std::chrono::milliseconds wait) override {
    std::unique_lock lock(mutex_);
    come_.wait_for(lock, wait, [this] { return !answers_.empty(); });
    return std::exchange(answers_, {});
  }

 private:
  void hear(natsMsg* message) {
    const std::string_view subject = natsMsg_GetSubject(message);
    CallAnswer answer;
    const std::string_view word = subject.substr(subject.rfind('.') + 1);
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), answer.tag);
    if (error != std::errc{} || end != word.data() + word.size()) return;
    if (natsMsg_IsNoResponders(message)) {
      answer.data = fail(ErrorCode::kNotFound, "nobody listens there");
    } else {
      answer.data = std::string(natsMsg_GetData(message), static_cast<std::size_t>(natsMsg_GetDataLength(message)));
    }
    const std::scoped_lock lock(mutex_);
    if (answers_.size() < kMostWaiting) answers_.push_back(std::move(answer));
    come_.notify_all();
  }

  const Connection& connection_;
  natsConnection* const handle_;
  std::string inbox_;  // constant after begin()

  std::mutex mutex_;
  std::condition_variable come_;
  std::vector<CallAnswer> answers_;  // guarded by mutex_

  // Last: it uses what stands above.
  NatsSubscription subscription_{[this](natsConnection* /*connection*/, natsMsg* message) { hear(message); }};
};

}  // namespace

Result<std::unique_ptr<Calls>> NatsConnection::calls() {
  auto calls = std::make_unique<NatsCalls>(*this, connection_.get());
  if (auto begun = calls->begin(); !begun) return std::unexpected(begun.error());
  return calls;
}

}  // namespace secbeat::fleet
