// A subscription that the library delivers on a thread of its own.
//
// Thread safety: made and destroyed by one thread; the handler is called on the library's.
#pragma once

#include <spdlog/spdlog.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

#include "nats_handles.hpp"
#include "secbeat/fleet/connection.hpp"

namespace secbeat::fleet {

class NatsSubscription final : public Subscription {
 public:
  using Handler = std::function<void(natsConnection* connection, natsMsg* message)>;

  explicit NatsSubscription(Handler handler) : handler_(std::move(handler)) {}
  // The library may be in the handler: it says when that was the last time.
  ~NatsSubscription() override {
    if (!subscription_) return;
    natsSubscription_Unsubscribe(subscription_.get());
    std::unique_lock lock(mutex_);
    gone_.wait_for(lock, std::chrono::seconds(5), [this] { return completed_; });
  }

  // `group` is empty where every message is wanted.
  natsStatus begin(natsConnection* connection, const std::string& subject, const std::string& group = {}) {
    natsSubscription* made = nullptr;
    const natsStatus status =
        group.empty()
            ? natsConnection_Subscribe(&made, connection, subject.c_str(), &on_message, this)
            : natsConnection_QueueSubscribe(&made, connection, subject.c_str(), group.c_str(), &on_message, this);
    subscription_.reset(made);
    if (status == NATS_OK) natsSubscription_SetOnCompleteCB(made, &on_complete, this);
    return status;
  }

 private:
  static void on_message(natsConnection* connection, natsSubscription* /*subscription*/, natsMsg* raw, void* self) {
    const MessageHandle message(raw);
    try {
      static_cast<NatsSubscription*>(self)->handler_(connection, raw);
    } catch (const std::exception& error) {
      spdlog::error("fleet: a message could not be handled: {}", error.what());
    }
  }
  static void on_complete(void* self) {
    auto& subscription = *static_cast<NatsSubscription*>(self);
    const std::scoped_lock lock(subscription.mutex_);
    subscription.completed_ = true;
    subscription.gone_.notify_all();
  }

  const Handler handler_;
  SubscriptionHandle subscription_;
  std::mutex mutex_;
  std::condition_variable gone_;
  bool completed_ = false;  // guarded by mutex_
};

}  // namespace secbeat::fleet
