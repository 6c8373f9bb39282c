// The fields of one request, each found and decoded once, when the first rule asks for it.
//
// All that is made for a request lies in one arena of fixed size. Where it is full, overflowed() says so: the request
// is then decided as one that costs too much (matcher.hpp).
#pragma once

#include <secbeat/guest.hpp>

#include "json_fields.hpp"
#include "memory.hpp"
#include "rules.hpp"
#include "text.hpp"

namespace secbeat::waf {

struct Value {
  StringView raw;      // lower case; of a transformed field: what its transformations made
  StringView decoded;  // percent-decoded once; the same bytes as raw where nothing is to be decoded
  [[nodiscard]] bool decodes_to_more() const { return raw.data() != decoded.data(); }
};

struct Values {
  const Value* first = nullptr;
  uint32_t count = 0;
};

struct HeaderText {
  StringView name;
  Value value;
};

class Fields {
 public:
  // Learns which fields the rules read. `arena` is reset at each request. REQUIRES: a constant `rules` from here on.
  void configure(const RuleSet& rules, Arena& kept, Arena* arena);

  void begin(const guest::Request& request);
  [[nodiscard]] Values values(uint32_t target);

  // What all fields are parts of, or made of. Empty where no rule asks for it.
  [[nodiscard]] const Value& uri() const { return uri_; }
  [[nodiscard]] const Value& method() const { return method_; }
  [[nodiscard]] const Array<HeaderText>& headers() const { return headers_; }
  [[nodiscard]] const Value& body() const { return body_; }
  // The body without the escapes of JSON; the body where there are none.
  [[nodiscard]] const Value& json_text() const { return json_text_; }

  [[nodiscard]] bool needs_body() const { return uses_body_; }
  [[nodiscard]] bool overflowed() const { return arena_->overflowed(); }
  // Bytes that were made or looked at for this request.
  [[nodiscard]] uint64_t work() const { return work_; }
  void charge(uint64_t bytes) { work_ += bytes; }

 private:
  struct Cache {
    uint32_t epoch = 0;
    Values values;
  };

  void note_use(const Target& target, Arena& kept);
  void add_header_name(StringView name, Arena& kept);
  [[nodiscard]] bool reads_header(StringView name) const;
  void read_headers();
  void read_body();

  [[nodiscard]] Value value_of(StringView raw);
  StringView decoded(StringView raw);
  void split_uri();
  Values find_values(const Target& target);
  Values one(StringView raw);
  Values one(const Value& value);
  void collect(const Target& target, Array<Value>& values);
  void collect_pairs(StringView text, StringView name, bool all, Array<Value>& values);
  void collect_cookies(StringView header, StringView name, Array<Value>& values);
  const Array<JsonLeaf>& json_leaves();
  Values transformed(const Target& target, Values raw);

  const RuleSet* rules_ = nullptr;
  Arena* arena_ = nullptr;
  const guest::Request* request_ = nullptr;
  Cache* caches_ = nullptr;
  uint32_t epoch_ = 0;
  uint64_t work_ = 0;

  // Which fields the rules read.
  bool uses_uri_ = false;
  bool uses_method_ = false;
  bool uses_all_headers_ = false;
  bool uses_body_ = false;
  bool uses_json_ = false;
  static constexpr uint32_t kHeaderSlots = 64;
  struct HeaderName {
    StringView name;
    uint16_t next;
  };
  Array<HeaderName> header_names_;
  uint16_t header_slots_[kHeaderSlots] = {};  // index + 1, 0: none

  // Of this request.
  Value method_;
  Value uri_;
  bool split_ = false;
  StringView path_;
  StringView query_;
  bool has_query_ = false;
  Array<HeaderText> headers_;
  Value body_;
  Value json_text_;
  bool leaves_read_ = false;
  Array<JsonLeaf> leaves_;
};

}  // namespace secbeat::waf
