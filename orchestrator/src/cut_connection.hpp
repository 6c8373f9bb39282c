// A connection that dies for ever at a chosen write, as the process that has it would: for tests of what others make of
// it.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "secbeat/fleet/connection.hpp"

namespace secbeat::orchestrator {

enum class CutAt : std::uint8_t { kBeforeWrite, kAfterWrite };

class CutConnection final : public fleet::Connection {
 public:
  // `writes`: that get through; 0: none.
  CutConnection(fleet::Connection& real, int writes, CutAt at) : real_(real), left_(writes), at_(at) {}

  [[nodiscard]] bool is_cut() const { return is_cut_; }
  void cut() { is_cut_ = true; }
  void mend() { is_cut_ = false; }

  [[nodiscard]] bool connected() const override { return !is_cut_; }
  [[nodiscard]] bool has_ended() const override { return is_cut_; }
  Result<void> publish(std::string_view subject, std::string_view data) override {
    return is_cut_ ? dead<void>() : real_.publish(subject, data);
  }
  Result<void> answer(std::string_view reply, std::string_view data) override {
    return is_cut_ ? dead<void>() : real_.answer(reply, data);
  }
  Result<std::string> request(std::string_view subject, std::string_view data,
                              std::chrono::milliseconds timeout) override {
    return is_cut_ ? dead<std::string>() : real_.request(subject, data, timeout);
  }
  Result<std::unique_ptr<fleet::Calls>> calls() override {
    auto calls = real_.calls();
    if (!calls) return calls;
    return std::make_unique<CutCalls>(*this, *std::move(calls));
  }
  Result<std::unique_ptr<fleet::Subscription>> subscribe(std::string_view subject, Handler handler) override {
    return real_.subscribe(subject, std::move(handler));
  }
  Result<std::unique_ptr<fleet::Subscription>> subscribe_group(std::string_view subject, std::string_view group,
                                                               LateHandler handler) override {
    return real_.subscribe_group(subject, group, std::move(handler));
  }
  Result<void> make_bucket(const fleet::BucketOptions& options) override { return real_.make_bucket(options); }
  Result<std::optional<fleet::Entry>> get(std::string_view bucket, std::string_view key) override {
    return is_cut_ ? dead<std::optional<fleet::Entry>>() : real_.get(bucket, key);
  }
  Result<std::vector<fleet::Entry>> list(std::string_view bucket) override {
    return is_cut_ ? dead<std::vector<fleet::Entry>>() : real_.list(bucket);
  }
  Result<std::uint64_t> put(std::string_view bucket, std::string_view key, std::string_view value) override {
    return real_.put(bucket, key, value);
  }
  Result<std::uint64_t> put_if(std::string_view bucket, std::string_view key, std::string_view value,
                               std::uint64_t revision) override {
    if (is_cut_) return dead<std::uint64_t>();
    if (--left_ >= 0) return real_.put_if(bucket, key, value, revision);
    if (at_ == CutAt::kAfterWrite) (void)real_.put_if(bucket, key, value, revision);
    cut();
    return dead<std::uint64_t>();
  }
  Result<void> remove(std::string_view bucket, std::string_view key) override {
    return is_cut_ ? dead<void>() : real_.remove(bucket, key);
  }
  Result<void> make_object_bucket(const fleet::BucketOptions& options) override {
    return real_.make_object_bucket(options);
  }
  Result<void> put_object(std::string_view bucket, std::string_view name, std::string_view bytes) override {
    return is_cut_ ? dead<void>() : real_.put_object(bucket, name, bytes);
  }
  Result<std::string> get_object(std::string_view bucket, std::string_view name, std::size_t limit) override {
    return real_.get_object(bucket, name, limit);
  }
  Result<std::size_t> remove_objects(std::string_view bucket, SystemTime time,
                                     const std::function<bool(std::string_view name)>& is_wanted) override {
    return is_cut_ ? dead<std::size_t>() : real_.remove_objects(bucket, time, is_wanted);
  }

 private:
  class CutCalls final : public fleet::Calls {
   public:
    CutCalls(const CutConnection& owner, std::unique_ptr<fleet::Calls> real) : owner_(owner), real_(std::move(real)) {}
    Result<void> send(std::string_view subject, std::string_view data, std::uint64_t tag) override {
      return owner_.is_cut_ ? dead<void>() : real_->send(subject, data, tag);
    }
    std::vector<fleet::CallAnswer> take(std::chrono::milliseconds wait) override { return real_->take(wait); }

   private:
    const CutConnection& owner_;
    const std::unique_ptr<fleet::Calls> real_;
  };

  template <class T>
  static Result<T> dead() {
    return fail(ErrorCode::kNotReady, "cut");
  }

  fleet::Connection& real_;
  std::atomic<int> left_;
  const CutAt at_;
  std::atomic<bool> is_cut_{false};
};

}  // namespace secbeat::orchestrator
