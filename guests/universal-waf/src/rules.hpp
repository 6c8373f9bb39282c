// What a rule document means, as the matcher reads it. Built once by rule_document.hpp; constant while requests come.
#pragma once

#include "memory.hpp"
#include "text.hpp"

namespace secbeat::waf {

// The parts of a request that rules look at. A field has any number of values: none where it is absent.
enum class FieldKind : uint8_t {
  kMethod,
  kUri,
  kPath,
  kQuery,
  kArg,
  kArgs,
  kHeader,
  kHeaders,
  kCookie,
  kSourceIp,
  kBody,
  kJson,
  kForm,
};
inline constexpr size_t kFieldKinds = 13;

enum class Transformation : uint8_t {
  kUrlDecodeUni,
  kLowercase,
  kHtmlEntityDecode,
  kRemoveNulls,
  kNormalizePath,
  kCompressWhitespace,
};
inline constexpr uint32_t kMostTransformations = 8;

// Which texts of a request a literal is looked for in. Texts and literals meet where they share a bit.
using Scopes = uint32_t;
inline constexpr Scopes kInMethod = 1;
inline constexpr Scopes kInUri = 2;  // with all that is part of it
inline constexpr Scopes kInHeaders = 4;
inline constexpr Scopes kInBody = 8;
inline constexpr Scopes kInJson = 16;  // texts of a JSON body, without their escapes
inline constexpr uint32_t kFirstTransformedScope =
    5;  // the number of a bit; those from here on are shared by transformed fields

// A field as conditions read it: with its transformations.
struct Target {
  FieldKind kind = FieldKind::kUri;
  bool transformed = false;  // also by no transformation at all: then only the raw value counts
  uint8_t steps = 0;
  Transformation step[kMostTransformations] = {};
  StringView name;       // "user-agent" of Header:User-Agent, lower case
  uint32_t pointer = 0;  // the number of a JSON pointer
  Scopes scopes = 0;
};

// Literals with anything between them: every text pattern but a regular expression.
struct Glob {
  const StringView* parts = nullptr;  // none of them empty
  uint32_t count = 0;
  bool at_start = false;  // the first part begins the value
  bool at_end = false;
};

struct Network {
  uint8_t address[16] = {};  // IPv4 in its IPv6 form
  uint8_t bits = 0;          // of the 128
};

struct Dfa;

struct Pattern {
  enum class Kind : uint8_t { kGlob, kRegex, kNetwork };
  Kind kind = Kind::kGlob;
  Glob glob;
  const Dfa* regex = nullptr;
};

inline constexpr uint32_t kNoLimit = ~uint32_t{0};

// One field against its patterns and bounds: holds where one value satisfies both, and the count of values is right.
struct Test {
  uint32_t target = 0;
  uint32_t rule = 0;  // in the order of evaluation
  const Pattern* patterns = nullptr;
  uint32_t pattern_count = 0;  // 0: any value
  bool has_networks = false;   // among the patterns; which of them hold is found once for all rules
  uint32_t min_length = 0;
  uint32_t max_length = kNoLimit;
  uint32_t min_count = 0;
  uint32_t max_count = kNoLimit;
};

struct Condition {
  enum class Kind : uint8_t { kTest, kAll, kAny, kNot };
  Kind kind = Kind::kTest;
  uint32_t test = 0;
  Condition* first = nullptr;
  Condition* next = nullptr;
};

// In the order in which they win.
enum class Action : uint8_t { kAllow, kBlock, kRateLimit, kLog };
inline constexpr size_t kActions = 4;

inline constexpr uint64_t kNever = ~uint64_t{0};

struct Rule {
  StringView id;
  StringView message;  // for the log
  Action action = Action::kBlock;
  uint64_t expires_unix_ms = kNever;
  const StringView* tags = nullptr;
  uint32_t tag_count = 0;
  uint64_t hash = 0;  // of all that it says
  Condition* condition = nullptr;
};

// The way to a place in a JSON document (RFC 6901): keys and indices, lower case.
struct JsonPointer {
  const StringView* segments = nullptr;
  uint32_t count = 0;
};
inline constexpr uint32_t kMostPointers = 64;  // bits of a word: which of them a value is under

struct NetworkOfTest {
  Network network;
  uint32_t test = 0;
};

struct RuleSet {
  Array<Rule> rules;  // in the order in which they win
  Array<Target> targets;
  Array<Test> tests;
  Array<NetworkOfTest> networks;
  Array<JsonPointer> pointers;
};

}  // namespace secbeat::waf
