// Manifests as JSON.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "archive_names.hpp"
#include "secbeat/archive/manifest.hpp"
#include "secbeat/base/content_file.hpp"
#include "secbeat/engine/module_info.hpp"

namespace secbeat::archive {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kFormat = 1;
constexpr int kMaxDepth = 4;  // the deepest of ours is a time in "in_force"
constexpr std::size_t kMaxWord = 128;
constexpr std::size_t kReplaced = 3;  // bytes of U+FFFD, which each byte that is no UTF-8 becomes

struct Fault {
  std::string what;
};

// At most `limit` bytes, cut between characters.
std::string cut(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return std::string(text);
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0U) == 0x80U) --limit;
  return std::string(text.substr(0, limit));
}

Json json_of(const InForceTime& time) {
  return {{"since", time.since},
          {"generation", time.generation},
          {"kind", cut(time.kind, kMaxWord)},
          {"reason", cut(time.reason, kMaxReasonInManifest)},
          {"by", cut(time.by, kMaxWord)},
          {"request_id", cut(time.request_id, kMaxWord)}};
}

// The members of one object; throws Fault.
class Reader {
 public:
  Reader(const Json& json, std::string place) : json_(json), place_(std::move(place)) {
    if (!json.is_object()) throw Fault{(place_.empty() ? "the manifest" : place_) + ": expected an object"};
  }
  [[nodiscard]] const Json& member(const char* key) const {
    const auto found = json_.find(key);
    if (found == json_.end()) fault(key, "missing");
    return *found;
  }
  [[nodiscard]] std::uint64_t number(const char* key) const {
    const Json& value = member(key);
    if (!value.is_number_unsigned()) fault(key, "expected a whole number");
    return value.get<std::uint64_t>();
  }
  [[nodiscard]] std::string text(const char* key, std::size_t most) const {
    const Json& value = member(key);
    if (!value.is_string()) fault(key, "expected a text");
    const auto& text = value.get_ref<const std::string&>();
    if (text.size() > most) fault(key, fmt::format("expected a text of at most {} bytes", most));
    return text;
  }
  template <class Test>
  [[nodiscard]] std::string text_that(const char* key, Test is_good, std::string_view expected) const {
    std::string text = this->text(key, kMaxWord);
    if (!is_good(text)) fault(key, fmt::format("expected {}", expected));
    return text;
  }
  [[noreturn]] void fault(const char* key, std::string_view what) const {
    throw Fault{fmt::format("{}{}{}: {}", place_, place_.empty() ? "" : ".", key, what)};
  }

 private:
  const Json& json_;
  std::string place_;
};

InForceTime read_time(const Json& json, std::size_t index) {
  const Reader reader(json, fmt::format("in_force[{}]", index));
  InForceTime time;
  time.since = reader.text_that("since", is_time, "a time such as 2025-11-24T01:00:03Z");
  time.generation = reader.number("generation");
  time.kind = reader.text("kind", kMaxWord * kReplaced);
  time.reason = reader.text("reason", kMaxReasonInManifest * kReplaced);
  time.by = reader.text("by", kMaxWord * kReplaced);
  time.request_id = reader.text("request_id", kMaxWord * kReplaced);
  return time;
}

Manifest read_manifest(const Json& json) {
  const Reader reader(json, "");
  if (reader.number("format") != kFormat) {
    reader.fault("format", fmt::format("this build reads format {} only", kFormat));
  }
  Manifest manifest;
  ForceRecord& record = manifest.record;
  record.module = reader.text_that("module", engine::is_module_name, "a module's name");
  record.label = reader.text_that("label", is_file_label, "a version's label");
  manifest.node = reader.text_that("node", is_file_node, "a node's name");
  record.sha256 = reader.text_that("sha256", is_sha256, "64 lower-case hexadecimal digits");
  record.size_bytes = reader.number("size_bytes");
  record.config_sha256 = reader.text_that(
      "config_sha256", [](std::string_view text) { return text.empty() || is_sha256(text); },
      "64 lower-case hexadecimal digits, or nothing");
  manifest.config_size_bytes = reader.number("config_size_bytes");
  record.created_at = reader.text_that("created_at", is_time, "a time such as 2025-11-24T01:00:03Z");
  if (json.contains("signature")) record.signature = reader.text("signature", kMaxSignatureInManifest);
  const Json& times = reader.member("in_force");
  if (!times.is_array() || times.size() > kMaxManifestTimes) {
    reader.fault("in_force", fmt::format("expected a list of at most {}", kMaxManifestTimes));
  }
  for (const Json& time : times) record.times.push_back(read_time(time, record.times.size()));
  return manifest;
}

}  // namespace

std::string to_json(const Manifest& manifest) {
  const ForceRecord& record = manifest.record;
  Json times = Json::array();
  for (const InForceTime& time : record.times) times.push_back(json_of(time));
  Json json{{"format", kFormat},
            {"module", record.module},
            {"label", record.label},
            {"node", manifest.node},
            {"sha256", record.sha256},
            {"size_bytes", record.size_bytes},
            {"config_sha256", record.config_sha256},
            {"config_size_bytes", manifest.config_size_bytes},
            {"created_at", record.created_at},
            {"in_force", std::move(times)}};
  if (!record.signature.empty()) json["signature"] = record.signature;
  // Bytes that are not UTF-8 become U+FFFD.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<Manifest> manifest_from_json(std::string_view text) {
  if (text.size() > kMaxManifestBytes) {
    return fail(ErrorCode::kProtocol, fmt::format("larger than {} bytes", kMaxManifestBytes));
  }
  // Thrown out of the parser before anything deep has been made.
  const auto not_too_deep = [](int depth, Json::parse_event_t, Json&) {
    if (depth > kMaxDepth) throw Fault{fmt::format("JSON nests deeper than {} levels", kMaxDepth)};
    return true;
  };
  try {
    return read_manifest(Json::parse(text, not_too_deep));
  } catch (const Fault& fault) {
    return fail(ErrorCode::kProtocol, fault.what);
  } catch (const Json::parse_error& error) {
    return fail(ErrorCode::kProtocol, fmt::format("no JSON at byte {}", error.byte));
  } catch (const Json::exception&) {
    return fail(ErrorCode::kProtocol, "no JSON: a number is out of range");
  }
}

}  // namespace secbeat::archive
