// Objects in the layout of NATS' architecture decision record 20, which the C client does not have:
//
//   stream OBJ_<bucket>
//     $O.<bucket>.C.<nuid>              the bytes, in chunks
//     $O.<bucket>.M.<base64url(name)>   the metadata, JSON; each replaces the one before (Nats-Rollup: sub)
//
// The chunks come first, so that an object that can be found is whole. Checked on the way back: number of chunks, size
// and checksum.
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "connection_impl.hpp"
#include "object_metadata.hpp"
#include "secbeat/base/clock.hpp"
#include "secbeat/base/files.hpp"

namespace secbeat::fleet {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kChunkBytes = 128 * 1024;  // what the `nats` command takes; a message may have 1 MiB
constexpr std::chrono::milliseconds kNextChunk{3000};
constexpr std::chrono::milliseconds kBetweenLooks{100};

// RFC 4648, section 5, with padding.
std::string base64url(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(length));
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return text;
}

std::string digest_of(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned length = 0;
  EVP_Digest(bytes.data(), bytes.size(), hash.data(), &length, EVP_sha256(), nullptr);
  return "SHA-256=" + base64url({reinterpret_cast<const char*>(hash.data()), length});
}

// Unique for ever, as NATS' own: letters and digits.
std::string new_id() {
  constexpr std::string_view kDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::array<unsigned char, 22> random{};
  if (RAND_bytes(random.data(), random.size()) != 1) throw std::runtime_error("no random numbers");
  std::string id;
  for (const unsigned char byte : random) id += kDigits[byte % kDigits.size()];
  return id;
}

std::string stream_of(std::string_view bucket) { return fmt::format("OBJ_{}", bucket); }
std::string chunk_subject(std::string_view bucket, std::string_view id) {
  return fmt::format("$O.{}.C.{}", bucket, id);
}
std::string metadata_subject(std::string_view bucket, std::string_view name) {
  return fmt::format("$O.{}.M.{}", bucket, base64url(name));
}

}  // namespace

Result<void> NatsConnection::make_object_bucket(const BucketOptions& options) {
  if (auto is_ready = ready(); !is_ready) return is_ready;
  const std::string name = stream_of(options.name);
  jsStreamInfo* raw = nullptr;
  natsStatus status = through_stall(
      "a stream", [&] { return js_GetStreamInfo(&raw, jet_stream_.get(), name.c_str(), nullptr, nullptr); });
  const StreamInfoHandle found(raw);
  if (status == NATS_OK) return {};
  if (status != NATS_NOT_FOUND) return std::unexpected(nats_error(fmt::format("look for {}", name), status));
  const std::string chunks = fmt::format("$O.{}.C.>", options.name);
  const std::string metadata = fmt::format("$O.{}.M.>", options.name);
  const char* subjects[] = {chunks.c_str(), metadata.c_str()};
  jsStreamConfig config;
  jsStreamConfig_Init(&config);
  config.Name = name.c_str();
  config.Subjects = subjects;
  config.SubjectsLen = 2;
  config.Discard = js_DiscardNew;
  config.Storage = js_FileStorage;
  config.Replicas = options.replicas;
  config.AllowRollup = true;
  config.AllowDirect = true;
  jsStreamInfo* info = nullptr;
  status = through_stall("a stream", [&] { return js_AddStream(&info, jet_stream_.get(), &config, nullptr, nullptr); });
  const StreamInfoHandle made(info);
  return status == NATS_OK ? Result<void>() : std::unexpected(nats_error(fmt::format("make {}", name), status));
}

Result<std::optional<std::string>> NatsConnection::metadata(std::string_view bucket, std::string_view name) {
  if (auto is_ready = ready(); !is_ready) return std::unexpected(is_ready.error());
  const std::string subject = metadata_subject(bucket, name);
  natsMsg* raw = nullptr;
  const natsStatus status = through_stall("an object", [&] {
    return js_GetLastMsg(&raw, jet_stream_.get(), stream_of(bucket).c_str(), subject.c_str(), nullptr, nullptr);
  });
  const MessageHandle message(raw);
  if (status == NATS_NOT_FOUND) return std::nullopt;
  if (status != NATS_OK) {
    auto error = nats_error(fmt::format("look for {} of {}", name, bucket), status);
    // Nobody answers: that is no word of the stream on what it holds.
    if (error.code == ErrorCode::kNotFound) error.code = ErrorCode::kNotReady;
    return std::unexpected(std::move(error));
  }
  return std::string(natsMsg_GetData(raw), static_cast<std::size_t>(natsMsg_GetDataLength(raw)));
}

Result<void> NatsConnection::publish_kept(const std::string& subject, std::string_view data, bool replaces) {
  natsMsg* raw = nullptr;
  natsStatus status = natsMsg_Create(&raw, subject.c_str(), nullptr, data.data(), static_cast<int>(data.size()));
  const MessageHandle message(raw);
  if (status == NATS_OK && replaces) status = natsMsgHeader_Set(raw, "Nats-Rollup", "sub");
  // The same again after an answer that was lost is the same chunk once: the id tells.
  const std::string id = new_id();
  jsPubOptions options;
  jsPubOptions_Init(&options);
  options.MsgId = id.c_str();
  if (status == NATS_OK) {
    status =
        through_stall("an object", [&] { return js_PublishMsg(nullptr, jet_stream_.get(), raw, &options, nullptr); });
  }
  return status == NATS_OK ? Result<void>() : std::unexpected(nats_error("write an object", status));
}

Result<void> NatsConnection::put_object(std::string_view bucket, std::string_view name, std::string_view bytes) {
  const std::string digest = digest_of(bytes);
  auto found = metadata(bucket, name);
  if (!found) return std::unexpected(found.error());
  const std::optional<ObjectMetadata> before = *found ? object_metadata_from_json(**found) : std::nullopt;
  if (before && !before->deleted && before->digest == digest && before->size == bytes.size()) {
    // The metadata say so. Whose chunks are gone is written anew, else nobody could ever put these bytes.
    const auto kept = get_object(bucket, name, bytes.size());
    if (kept && *kept == bytes) return publish_kept(metadata_subject(bucket, name), **found, true);
    if (!kept && kept.error().code == ErrorCode::kNotReady) return std::unexpected(kept.error());
    spdlog::warn("fleet: {} in {} is damaged and is written anew", name, bucket);
  }
  const std::string id = new_id();
  std::uint64_t count = 0;
  for (std::size_t at = 0; at < bytes.size(); at += kChunkBytes, ++count) {
    auto sent = publish_kept(chunk_subject(bucket, id), bytes.substr(at, kChunkBytes), false);
    if (!sent) return sent;
  }
  const Json json{
      {"name", name},         {"options", {{"max_chunk_size", kChunkBytes}}}, {"bucket", bucket}, {"nuid", id},
      {"size", bytes.size()}, {"mtime", rfc3339(RealClock().now())},          {"chunks", count},  {"digest", digest}};
  if (auto sent = publish_kept(metadata_subject(bucket, name), json.dump(), true); !sent) return sent;
  if (!before) return {};
  if (auto purged = purge(bucket, chunk_subject(bucket, before->nuid), 0); !purged) {
    spdlog::warn("fleet: chunks of an object that was replaced stay: {}", purged.error().message);
  }
  return {};
}

// What came before the sequence number `before`; 0: all of it.
Result<void> NatsConnection::purge(std::string_view bucket, const std::string& subject, std::uint64_t before) {
  jsOptions options;
  jsOptions_Init(&options);
  options.Stream.Purge.Subject = subject.c_str();
  options.Stream.Purge.Sequence = before;
  const natsStatus status = through_stall(
      "an object", [&] { return js_PurgeStream(jet_stream_.get(), stream_of(bucket).c_str(), &options, nullptr); });
  return status == NATS_OK ? Result<void>() : std::unexpected(nats_error("remove an object", status));
}

// The metadata first: without them nobody looks for the chunks. Who puts the same bytes at this moment has written
// metadata anew, for these chunks.
Result<void> NatsConnection::remove_object(std::string_view bucket, std::string_view name, std::string_view nuid,
                                           std::uint64_t sequence) {
  if (auto purged = purge(bucket, metadata_subject(bucket, name), sequence + 1); !purged) return purged;
  const auto again = metadata(bucket, name);
  if (!again) return std::unexpected(again.error());
  return *again ? Result<void>() : purge(bucket, chunk_subject(bucket, nuid), 0);
}

Result<std::size_t> NatsConnection::remove_objects(std::string_view bucket, SystemTime time,
                                                   const std::function<bool(std::string_view name)>& is_wanted) {
  if (auto is_ready = ready(); !is_ready) return std::unexpected(is_ready.error());
  const std::string stream = stream_of(bucket);
  const std::string every = fmt::format("$O.{}.M.>", bucket);
  const auto limit = std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
  std::size_t removed = 0;
  for (std::uint64_t from = 1;;) {
    jsDirectGetMsgOptions wanted;
    jsDirectGetMsgOptions_Init(&wanted);
    wanted.Sequence = from;
    wanted.NextBySubject = every.c_str();
    natsMsg* raw = nullptr;
    const natsStatus status = through_stall(
        "an object", [&] { return js_DirectGetMsg(&raw, jet_stream_.get(), stream.c_str(), nullptr, &wanted); });
    const MessageHandle message(raw);
    if (status == NATS_NOT_FOUND) return removed;
    if (status != NATS_OK) return std::unexpected(nats_error(fmt::format("look through {}", bucket), status));
    const std::uint64_t sequence = natsMsg_GetSequence(raw);
    from = sequence + 1;
    const auto found =
        object_metadata_from_json({natsMsg_GetData(raw), static_cast<std::size_t>(natsMsg_GetDataLength(raw))});
    if (!found || found->deleted || natsMsg_GetTime(raw) >= limit || is_wanted(found->name)) continue;
    if (metadata_subject(bucket, found->name) != natsMsg_GetSubject(raw)) continue;  // no object of ours
    if (auto gone = remove_object(bucket, found->name, found->nuid, sequence); !gone) {
      return std::unexpected(gone.error());
    }
    ++removed;
  }
}

// From any server, which may be some writes behind the leader that the metadata came from.
natsStatus NatsConnection::next_message(MessageHandle& message, const std::string& stream, const std::string& subject,
                                        std::uint64_t from) {
  jsDirectGetMsgOptions wanted;
  jsDirectGetMsgOptions_Init(&wanted);
  wanted.Sequence = from;
  wanted.NextBySubject = subject.c_str();
  const auto begun = std::chrono::steady_clock::now();
  for (;;) {
    natsMsg* raw = nullptr;
    const natsStatus status = through_stall(
        "an object", [&] { return js_DirectGetMsg(&raw, jet_stream_.get(), stream.c_str(), nullptr, &wanted); });
    message.reset(raw);
    if (status != NATS_NOT_FOUND || std::chrono::steady_clock::now() - begun > kNextChunk) return status;
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

// One call for each chunk. A consumer, the library's own way, costs the server far more: a thousand nodes that make one
// at the same moment wait for each other.
Result<std::string> NatsConnection::chunks(std::string_view bucket, std::string_view nuid, std::uint64_t count,
                                           std::uint64_t size) {
  const std::string subject = chunk_subject(bucket, nuid);
  const std::string stream = stream_of(bucket);
  std::string bytes;
  bytes.reserve(size);
  std::uint64_t from = 1;
  for (std::uint64_t i = 0; i < count; ++i) {
    MessageHandle message;
    const natsStatus status = next_message(message, stream, subject, from);
    if (status == NATS_NOT_FOUND) return fail(ErrorCode::kProtocol, "chunks of an object are missing");
    if (status != NATS_OK) return std::unexpected(nats_error("read an object", status));
    const auto length = static_cast<std::size_t>(natsMsg_GetDataLength(message.get()));
    if (length > size - bytes.size()) return fail(ErrorCode::kProtocol, "an object is longer than its metadata say");
    bytes.append(natsMsg_GetData(message.get()), length);
    from = natsMsg_GetSequence(message.get()) + 1;
  }
  return bytes;
}

Result<std::string> NatsConnection::get_object(std::string_view bucket, std::string_view name, std::size_t limit) {
  auto found = metadata(bucket, name);
  if (!found) return std::unexpected(found.error());
  if (!*found) return fail(ErrorCode::kNotFound, fmt::format("there is no object {} in {}", name, bucket));
  const auto description = object_metadata_from_json(**found);
  if (!description)
    return fail(ErrorCode::kProtocol, fmt::format("the metadata of {} in {} cannot be read", name, bucket));
  if (description->deleted) return fail(ErrorCode::kNotFound, fmt::format("{} in {} was deleted", name, bucket));
  if (description->size > limit) {
    return fail(ErrorCode::kTooLarge,
                fmt::format("the object {} has {} bytes; the limit is {} bytes", name, description->size, limit));
  }
  std::string bytes;
  if (description->chunks > 0) {
    auto read = chunks(bucket, description->nuid, description->chunks, description->size);
    if (!read) return fail(read.error().code, fmt::format("{} in {}: {}", name, bucket, read.error().message));
    bytes = *std::move(read);
  }
  if (bytes.size() != description->size || digest_of(bytes) != description->digest) {
    return fail(ErrorCode::kProtocol,
                fmt::format("the object {} in {} is not whole: its checksum is another one", name, bucket));
  }
  return bytes;
}

}  // namespace secbeat::fleet
