// All keys of a bucket. Each is read by itself, many at once: a watcher, the library's own way, ends early or never
// where keys are written while it lists (nats-io/nats.py#995, nats-io/nats.go#1824), and nodes report all the time.
#include <fmt/format.h>

#include <charconv>
#include <condition_variable>
#include <map>
#include <mutex>

#include "connection_impl.hpp"
#include "subscription.hpp"

namespace secbeat::fleet {
namespace {

constexpr std::chrono::milliseconds kAllIn{3000};  // who is not there by then is asked for by itself

std::string_view text_of(const char* text) { return text == nullptr ? std::string_view() : text; }

std::string_view header(natsMsg* message, const char* key) {
  const char* value = nullptr;
  return natsMsgHeader_Get(message, key, &value) == NATS_OK ? text_of(value) : std::string_view();
}

std::uint64_t number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() ? number : 0;
}

// What came for a key; nothing: the key has been removed.
using Found = std::optional<Entry>;

class Reads {
 public:
  natsStatus begin(natsConnection* connection) {
    natsInbox* inbox = nullptr;
    const natsStatus status = natsInbox_Create(&inbox);
    if (status != NATS_OK) return status;
    inbox_ = inbox;
    natsInbox_Destroy(inbox);
    return subscription_.begin(connection, inbox_ + ".*");
  }
  [[nodiscard]] std::string reply_to(std::size_t number) const { return fmt::format("{}.{}", inbox_, number); }

  std::map<std::uint64_t, Found> wait_for(std::size_t number) {
    std::unique_lock lock(mutex_);
    come_.wait_for(lock, kAllIn, [&] { return answered_ >= number; });
    return std::exchange(found_, {});
  }

 private:
  void hear(natsMsg* message) {
    const std::string_view subject = text_of(natsMsg_GetSubject(message));
    const std::uint64_t number = number_of(subject.substr(subject.rfind('.') + 1));
    const std::string_view status = header(message, "Status");
    const std::uint64_t revision = number_of(header(message, "Nats-Sequence"));
    const std::scoped_lock lock(mutex_);
    ++answered_;
    come_.notify_all();
    if (status == "404" || !header(message, "KV-Operation").empty()) {
      found_[number] = std::nullopt;
    } else if (status.empty() && revision != 0) {
      found_[number] = Entry{
          .key = {},
          .value = std::string(natsMsg_GetData(message), static_cast<std::size_t>(natsMsg_GetDataLength(message))),
          .revision = revision};
    }
  }

  std::string inbox_;  // constant after begin()
  std::mutex mutex_;
  std::condition_variable come_;
  std::size_t answered_ = 0;              // guarded by mutex_
  std::map<std::uint64_t, Found> found_;  // the same; by number

  // Last: it uses what stands above.
  NatsSubscription subscription_{[this](natsConnection* /*connection*/, natsMsg* message) { hear(message); }};
};

}  // namespace

Result<std::vector<std::string>> NatsConnection::keys(std::string_view bucket) {
  if (auto is_ready = ready(); !is_ready) return std::unexpected(is_ready.error());
  const std::string stream = fmt::format("KV_{}", bucket);
  const std::string prefix = fmt::format("$KV.{}.", bucket);
  const std::string filter = prefix + ">";
  jsOptions options;
  jsOptions_Init(&options);
  options.Stream.Info.SubjectsFilter = filter.c_str();
  jsStreamInfo* raw = nullptr;
  const natsStatus status = through_stall(
      "a bucket's keys", [&] { return js_GetStreamInfo(&raw, jet_stream_.get(), stream.c_str(), &options, nullptr); });
  const StreamInfoHandle info(raw);
  std::vector<std::string> keys;
  if (status == NATS_NOT_FOUND) return keys;
  if (status != NATS_OK) return std::unexpected(nats_error(fmt::format("list the keys of {}", bucket), status));
  const jsStreamStateSubjects* subjects = raw->State.Subjects;
  for (int i = 0; subjects != nullptr && i < subjects->Count; ++i) {
    const std::string_view subject = text_of(subjects->List[i].Subject);
    if (subject.starts_with(prefix)) keys.emplace_back(subject.substr(prefix.size()));
  }
  return keys;
}

Result<std::vector<Entry>> NatsConnection::list(std::string_view bucket) {
  const auto keys = this->keys(bucket);
  if (!keys) return std::unexpected(keys.error());
  std::vector<Entry> entries;
  if (keys->empty()) return entries;
  Reads reads;
  if (const natsStatus status = reads.begin(connection_.get()); status != NATS_OK) {
    return std::unexpected(nats_error(fmt::format("list the keys of {}", bucket), status));
  }
  for (std::size_t i = 0; i < keys->size(); ++i) {
    const std::string subject = fmt::format("$JS.API.DIRECT.GET.KV_{0}.$KV.{0}.{1}", bucket, (*keys)[i]);
    const natsStatus status =
        natsConnection_PublishRequest(connection_.get(), subject.c_str(), reads.reply_to(i).c_str(), nullptr, 0);
    if (status != NATS_OK) return std::unexpected(nats_error(fmt::format("list the keys of {}", bucket), status));
  }
  const std::map<std::uint64_t, Found> found = reads.wait_for(keys->size());
  for (std::size_t i = 0; i < keys->size(); ++i) {
    const auto one = found.find(i);
    if (one == found.end()) {
      auto entry = get(bucket, (*keys)[i]);
      if (!entry) return std::unexpected(entry.error());
      if (*entry) entries.push_back(**std::move(entry));
    } else if (one->second) {
      entries.push_back(*one->second);
      entries.back().key = (*keys)[i];
    }
  }
  return entries;
}

}  // namespace secbeat::fleet
