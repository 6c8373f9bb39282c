#include "fields.hpp"

#include "transformations.hpp"

namespace secbeat::waf {
namespace {

uint32_t header_slot(StringView name, uint32_t slots) {
  const auto first = static_cast<unsigned char>(name[0]);
  const auto last = static_cast<unsigned char>(name[name.size() - 1]);
  return (static_cast<uint32_t>(name.size()) * 7U + first + last * 3U) % slots;
}

// Whether the name in a query or form is `wanted`, percent-decoded once.
bool is_named(StringView raw, StringView wanted) {
  size_t i = 0;
  for (; !raw.empty(); ++i) {
    if (i == wanted.size() || guest::ascii_lower(guest::take_decoded(raw)) != wanted[i]) return false;
  }
  return i == wanted.size();
}

StringView without_blanks(StringView text) {
  while (!text.empty() && (text[0] == ' ' || text[0] == '\t')) text = text.from(1);
  while (!text.empty() && (text[text.size() - 1] == ' ' || text[text.size() - 1] == '\t'))
    text = text.first(text.size() - 1);
  return text;
}

size_t first_of(StringView text, StringView any_of) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (any_of.find(text[i]) != StringView::kNotFound) return i;
  }
  return text.size();
}

}  // namespace

void Fields::configure(const RuleSet& rules, Arena& kept, Arena* arena) {
  rules_ = &rules;
  arena_ = arena;
  caches_ = kept.take_array<Cache>(rules.targets.size());
  for (uint32_t i = 0; i < rules.targets.size(); ++i) caches_[i] = {};
  for (const Test& test : rules.tests) {
    if (test.rule != kNoLimit) note_use(rules.targets[test.target], kept);
  }
}

void Fields::note_use(const Target& target, Arena& kept) {
  switch (target.kind) {
    case FieldKind::kMethod:
      uses_method_ = true;
      break;
    case FieldKind::kUri:
    case FieldKind::kPath:
    case FieldKind::kQuery:
    case FieldKind::kArg:
    case FieldKind::kArgs:
      uses_uri_ = true;
      break;
    case FieldKind::kHeaders:
      uses_all_headers_ = true;
      break;
    case FieldKind::kHeader:
      add_header_name(target.name, kept);
      break;
    case FieldKind::kCookie:
      add_header_name("cookie", kept);
      break;
    case FieldKind::kJson:
      uses_json_ = uses_body_ = true;
      break;
    case FieldKind::kBody:
    case FieldKind::kForm:
      uses_body_ = true;
      break;
    case FieldKind::kSourceIp:
      break;
  }
}

void Fields::add_header_name(StringView name, Arena& kept) {
  if (reads_header(name)) return;
  uint16_t& slot = header_slots_[header_slot(name, kHeaderSlots)];
  header_names_.push(kept, {name, slot});
  slot = static_cast<uint16_t>(header_names_.size());
}

bool Fields::reads_header(StringView name) const {
  if (name.empty()) return false;
  for (uint32_t at = header_slots_[header_slot(name, kHeaderSlots)]; at != 0; at = header_names_[at - 1].next) {
    if (equal(header_names_[at - 1].name, name)) return true;
  }
  return false;
}

void Fields::begin(const guest::Request& request) {
  arena_->reset();
  request_ = &request;
  work_ = 0;
  split_ = false;
  leaves_read_ = false;
  leaves_ = {};
  headers_ = {};
  method_ = uri_ = body_ = json_text_ = {};
  if (++epoch_ == 0) {  // after 2^32 requests: forget what would look new again
    for (uint32_t i = 0; i < rules_->targets.size(); ++i) caches_[i].epoch = 0;
    epoch_ = 1;
  }
  if (uses_method_) method_ = value_of(folded(request.method(), *arena_));
  if (uses_uri_) uri_ = value_of(folded(request.uri(), *arena_));
  if (uses_all_headers_ || !header_names_.empty()) read_headers();
  if (uses_body_) read_body();
}

void Fields::read_headers() {
  const uint32_t count = request_->header_count();
  for (uint32_t i = 0; i < count; ++i) {
    const guest::Header header = request_->header_at(i);
    if (uses_all_headers_ || reads_header(header.name)) headers_.push(*arena_, {header.name, {header.value, {}}});
  }
  for (HeaderText& header : headers_) header.value = value_of(folded(header.value.raw, *arena_));
}

void Fields::read_body() {
  if (request_->body().empty()) return;
  body_ = value_of(folded(request_->body(), *arena_));
  if (!uses_json_) return;
  json_text_ = !has_byte(body_.raw, '\\') ? body_ : value_of(without_json_escapes(body_.raw, *arena_));
}

// A text without '%' is its own decoded form.
Value Fields::value_of(StringView raw) { return {raw, decoded(raw)}; }

StringView Fields::decoded(StringView raw) {
  work_ += raw.size();
  if (!has_byte(raw, '%')) return raw;
  return percent_decoded(raw, *arena_);
}

void Fields::split_uri() {
  split_ = true;
  StringView rest = uri_.raw;
  if (!rest.starts_with("/")) {
    const size_t colon = rest.find(':');
    if (colon != StringView::kNotFound && rest.from(colon).starts_with("://")) {
      rest = rest.from(colon + 3);
      rest = rest.from(first_of(rest, "/?#"));
    }
  }
  path_ = rest.first(first_of(rest, "?#"));
  rest = rest.from(path_.size());
  has_query_ = rest.starts_with("?");
  query_ = has_query_ ? rest.from(1).first(rest.from(1).find('#')) : StringView();
}

Values Fields::one(const Value& value) {
  auto* const place = arena_->take_array<Value>(1);
  if (place == nullptr) return {};
  *place = value;
  return {place, 1};
}
Values Fields::one(StringView raw) { return one(value_of(raw)); }

Values Fields::values(uint32_t target) {
  Cache& cache = caches_[target];
  if (cache.epoch != epoch_) {
    cache.epoch = epoch_;
    const Target& wanted = rules_->targets[target];
    cache.values = find_values(wanted);
    if (wanted.transformed) cache.values = transformed(wanted, cache.values);
  }
  return cache.values;
}

Values Fields::find_values(const Target& target) {
  switch (target.kind) {
    case FieldKind::kMethod:
      return one(method_);
    case FieldKind::kUri:
      return one(uri_);
    case FieldKind::kSourceIp:
      return one(folded(request_->source_ip(), *arena_));
    case FieldKind::kBody:
      return body_.raw.empty() ? Values() : one(body_);
    case FieldKind::kPath:
    case FieldKind::kQuery:
      if (!split_) split_uri();
      if (target.kind == FieldKind::kPath) return one(path_);
      return has_query_ ? one(query_) : Values();
    default:
      break;
  }
  Array<Value> values;
  collect(target, values);
  if (target.kind != FieldKind::kHeader && target.kind != FieldKind::kHeaders) {
    for (Value& value : values) value.decoded = decoded(value.raw);
  }
  return {values.begin(), values.size()};
}

void Fields::collect(const Target& target, Array<Value>& values) {
  switch (target.kind) {
    case FieldKind::kArg:
    case FieldKind::kArgs:
      if (!split_) split_uri();
      return collect_pairs(query_, target.name, target.kind == FieldKind::kArgs, values);
    case FieldKind::kForm:
      return collect_pairs(body_.raw, target.name, false, values);
    case FieldKind::kJson:
      for (const JsonLeaf& leaf : json_leaves()) {
        if ((leaf.pointers >> target.pointer & 1U) != 0) values.push(*arena_, {leaf.text, {}});
      }
      return;
    default:
      break;
  }
  for (const HeaderText& header : headers_) {
    if (target.kind == FieldKind::kHeaders || (target.kind == FieldKind::kHeader && equal(header.name, target.name))) {
      values.push(*arena_, header.value);
    } else if (target.kind == FieldKind::kCookie && equal(header.name, "cookie")) {
      collect_cookies(header.value.raw, target.name, values);
    }
  }
}

void Fields::collect_pairs(StringView text, StringView name, bool all, Array<Value>& values) {
  work_ += text.size();
  while (!text.empty()) {
    const StringView pair = text.first(text.find('&'));
    text = text.from(pair.size() + 1);
    const StringView key = pair.first(pair.find('='));
    if (pair.empty() || (!all && !is_named(key, name))) continue;
    const size_t start = key.size() < pair.size() ? key.size() + 1 : key.size();
    values.push(*arena_, {{pair.data() + start, pair.size() - start}, {}});
  }
}

const Array<JsonLeaf>& Fields::json_leaves() {
  if (!leaves_read_) {
    leaves_read_ = true;
    work_ += body_.raw.size();
    read_json_leaves(body_.raw, rules_->pointers, *arena_, leaves_);
  }
  work_ += leaves_.size();
  return leaves_;
}

void Fields::collect_cookies(StringView header, StringView name, Array<Value>& values) {
  work_ += header.size();
  while (!header.empty()) {
    const StringView piece = header.first(header.find(';'));
    header = header.from(piece.size() + 1);
    const StringView pair = without_blanks(piece);
    const StringView key = pair.first(pair.find('='));
    if (pair.empty() || !equal(key, name)) continue;
    const size_t start = key.size() < pair.size() ? key.size() + 1 : key.size();
    values.push(*arena_, {{pair.data() + start, pair.size() - start}, {}});
  }
}

Values Fields::transformed(const Target& target, Values raw) {
  auto* const made = arena_->take_array<Value>(raw.count);
  if (made == nullptr) return {};
  for (uint32_t i = 0; i < raw.count; ++i) {
    StringView text = raw.first[i].raw;
    for (uint32_t step = 0; step < target.steps; ++step) {
      work_ += text.size();
      text = apply(target.step[step], text, *arena_);
    }
    made[i] = {text, text};
  }
  return {made, raw.count};
}

}  // namespace secbeat::waf
