// The guest ABI, version 2: what a rule module reads and answers. docs/abi.md is its specification.
//
// Shared by the host and by guests, so this header stands alone: C++ without a standard library, for
// 64-bit hosts and wasm32. All integers are little-endian; offsets count from the start of the frame.
#pragma once

#include <stdint.h>

namespace secbeat::abi {

// Exports by name.
inline constexpr char kExportMemory[] = "memory";
inline constexpr char kExportInspect[] = "inspect_request";
inline constexpr char kExportConfigure[] = "configure";
inline constexpr char kExportConfigureError[] = "configure_error";
inline constexpr char kExportAlloc[] = "alloc";
inline constexpr char kExportDealloc[] = "dealloc";
inline constexpr char kExportAbi[] = "secbeat_abi";
inline constexpr char kExportNeeds[] = "secbeat_needs";
inline constexpr char kExportVerdictDetail[] = "verdict_detail";
inline constexpr char kExportInventory[] = "inventory";

// Custom sections by name.
inline constexpr char kSectionVersion[] = "secbeat.version";
inline constexpr char kSectionName[] = "secbeat.name";

enum class Verdict : int32_t { kAllow = 0, kBlock = 1, kLog = 2, kRateLimit = 3 };

enum Needs : uint32_t { kNeedsBody = 1 };

enum FrameFlags : uint32_t {
  kBodyTruncated = 1,  // the body was cut at the node's limit
  kBodyNotGiven = 2,   // the request has a body that the frame does not carry
  kTls = 4,
  kHttp2 = 8,
};

inline constexpr uint32_t kFrameMagic = 0x32524253;  // "SBR2"
inline constexpr uint64_t kBodyLengthUnknown = ~uint64_t{0};

struct Span {
  uint32_t off;
  uint32_t len;
};

struct FrameHeaderField {
  Span name;   // lower case
  Span value;  // as received
};

// The fixed part. A later node may send a longer one: read fixed_len and ignore what follows this.
struct Frame {
  uint32_t magic;
  uint32_t total_len;  // of the whole frame
  uint32_t fixed_len;  // of the fixed part
  uint32_t flags;      // FrameFlags
  uint64_t now_unix_ms;
  uint64_t body_total_len;  // true length of the body, also when truncated or not given
  Span method;
  Span uri;        // as received
  Span version;    // "HTTP/1.1"
  Span source_ip;  // text
  Span host;
  Span body;
  Span server_ip;  // text
  Span request_id;
  uint32_t source_port;
  uint32_t server_port;
  uint32_t header_count;
  uint32_t headers_off;  // header_count × FrameHeaderField, 4-byte aligned
};

// What verdict_detail() points at. A shorter struct_len ends earlier.
struct VerdictDetail {
  uint32_t struct_len;
  Span rule;  // pointers into the guest's memory
  Span message;
  int32_t score;
  uint32_t match_count;
  uint32_t matches_ptr;  // match_count × Span
};

static_assert(sizeof(Span) == 8);
static_assert(sizeof(FrameHeaderField) == 16);
static_assert(sizeof(Frame) == 112);
static_assert(sizeof(VerdictDetail) == 32);

}  // namespace secbeat::abi
