// Keys and values of JetStream's buckets.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "connection_impl.hpp"
#include "secbeat/fleet/names.hpp"

namespace secbeat::fleet {
Result<void> NatsConnection::make_bucket(const BucketOptions& options) {
  if (auto is_ready = ready(); !is_ready) return is_ready;
  auto found = open(options.name);
  if (!found) return std::unexpected(found.error());
  if (*found) return {};
  const std::string name(options.name);
  kvConfig config;
  kvConfig_Init(&config);
  config.Bucket = name.c_str();
  config.History = 1;
  config.TTL = std::chrono::nanoseconds(options.expiry).count();
  config.StorageType = js_FileStorage;
  config.Replicas = options.replicas;
  kvStore* raw = nullptr;
  const natsStatus status =
      through_stall("a bucket", [&] { return js_CreateKeyValue(&raw, jet_stream_.get(), &config); });
  const BucketHandle made(raw);
  if (status == NATS_OK) {
    spdlog::info("fleet: made the bucket {}", name);
    return {};
  }
  // Somebody else may have been faster.
  if (auto again = open(options.name); again && *again) return {};
  return std::unexpected(nats_error(fmt::format("make the bucket {}", name), status));
}

Result<BucketHandle> NatsConnection::open(std::string_view bucket) {
  if (auto is_ready = ready(); !is_ready) return std::unexpected(is_ready.error());
  const std::string name(bucket);
  kvStore* raw = nullptr;
  const natsStatus status =
      through_stall("a bucket", [&] { return js_KeyValue(&raw, jet_stream_.get(), name.c_str()); });
  if (status == NATS_NOT_FOUND) return BucketHandle();
  if (status != NATS_OK) return std::unexpected(nats_error(fmt::format("open the bucket {}", name), status));
  return BucketHandle(raw);
}

// From the stream's leader: what another server of a cluster has may be some writes behind, and kvStore_Get asks any.
Result<std::optional<Entry>> NatsConnection::get(std::string_view bucket, std::string_view key) {
  if (auto is_ready = ready(); !is_ready) return std::unexpected(is_ready.error());
  const std::string stream = fmt::format("KV_{}", bucket);
  const std::string subject = fmt::format("$KV.{}.{}", bucket, key);
  natsMsg* raw = nullptr;
  jsErrCode error{};
  const natsStatus status = through_stall("a key", [&] {
    return js_GetLastMsg(&raw, jet_stream_.get(), stream.c_str(), subject.c_str(), nullptr, &error);
  });
  const MessageHandle message(raw);
  if (status == NATS_NOT_FOUND || (status != NATS_OK && error == JSStreamNotFoundErr)) return std::nullopt;
  if (status != NATS_OK) return std::unexpected(nats_error(fmt::format("read {} of {}", key, bucket), status));
  const char* operation = nullptr;  // of a key that was removed
  if (natsMsgHeader_Get(raw, "KV-Operation", &operation) == NATS_OK) return std::nullopt;
  return Entry{.key = std::string(key),
               .value = std::string(natsMsg_GetData(raw), static_cast<std::size_t>(natsMsg_GetDataLength(raw))),
               .revision = natsMsg_GetSequence(raw)};
}

Result<std::uint64_t> NatsConnection::write(std::string_view bucket, std::string_view key,
                                            const std::function<natsStatus(kvStore*, std::uint64_t*)>& call) {
  auto store = open(bucket);
  if (!store) return std::unexpected(store.error());
  if (!*store) return fail(ErrorCode::kNotFound, fmt::format("cannot write {}: there is no bucket {}", key, bucket));
  std::uint64_t revision = 0;
  const natsStatus status = call(store->get(), &revision);
  if (status != NATS_OK) return std::unexpected(nats_error(fmt::format("write {} of {}", key, bucket), status));
  return revision;
}

// Every node does this every second: the bucket is looked for only where nobody takes it.
Result<std::uint64_t> NatsConnection::put(std::string_view bucket, std::string_view key, std::string_view value) {
  if (auto is_ready = ready(); !is_ready) return std::unexpected(is_ready.error());
  if (!is_key(key)) return fail(ErrorCode::kBadRequest, fmt::format("{} cannot be a key of {}", key, bucket));
  const std::string subject = fmt::format("$KV.{}.{}", bucket, key);
  std::uint64_t revision = 0;
  const auto call = [&] {
    jsPubAck* ack = nullptr;
    const natsStatus status = js_Publish(&ack, jet_stream_.get(), subject.c_str(), value.data(),
                                         static_cast<int>(value.size()), nullptr, nullptr);
    if (status == NATS_OK) revision = ack->Sequence;
    jsPubAck_Destroy(ack);
    return status;
  };
  natsStatus status = call();
  if (status == NATS_NO_RESPONDERS || status == NATS_TIMEOUT) {
    const auto store = open(bucket);
    if (!store) return std::unexpected(store.error());
    if (!*store) return fail(ErrorCode::kNotFound, fmt::format("cannot write {}: there is no bucket {}", key, bucket));
    status = through_stall("a key", call);
  }
  if (status != NATS_OK) return std::unexpected(nats_error(fmt::format("write {} of {}", key, bucket), status));
  return revision;
}

// Not tried again by itself: an attempt that timed out may have been heard, and would then conflict with itself.
Result<std::uint64_t> NatsConnection::put_if(std::string_view bucket, std::string_view key, std::string_view value,
                                             std::uint64_t revision) {
  const std::string name(key);
  auto written = write(bucket, key, [&](kvStore* store, std::uint64_t* made) {
    const int size = static_cast<int>(value.size());
    return revision == 0 ? kvStore_Create(made, store, name.c_str(), value.data(), size)
                         : kvStore_Update(made, store, name.c_str(), value.data(), size, revision);
  });
  if (written || written.error().code == ErrorCode::kNotReady) return written;
  const auto now = get(bucket, key);
  if (!now) return std::unexpected(now.error());
  if ((*now ? (*now)->revision : 0) == revision) return written;  // it was something else
  return fail(ErrorCode::kPreconditionFailed, fmt::format("{} of {} has been changed by somebody else", key, bucket));
}

Result<void> NatsConnection::remove(std::string_view bucket, std::string_view key) {
  const std::string name(key);
  const auto removed = write(bucket, key, [&](kvStore* store, std::uint64_t*) {
    return through_stall("a key", [&] { return kvStore_Delete(store, name.c_str()); });
  });
  return removed ? Result<void>() : std::unexpected(removed.error());
}

}  // namespace secbeat::fleet
