#include "field_names.hpp"

namespace secbeat::waf {
namespace {

struct FieldName {
  StringView name;
  FieldKind kind;
  bool named;
};

constexpr FieldName kFields[] = {
    {"Method", FieldKind::kMethod, false}, {"URI", FieldKind::kUri, false},
    {"Path", FieldKind::kPath, false},     {"Query", FieldKind::kQuery, false},
    {"Arg", FieldKind::kArg, true},        {"Args", FieldKind::kArgs, false},
    {"Header", FieldKind::kHeader, true},  {"Headers", FieldKind::kHeaders, false},
    {"Cookie", FieldKind::kCookie, true},  {"SourceIP", FieldKind::kSourceIp, false},
    {"Body", FieldKind::kBody, false},     {"JSON", FieldKind::kJson, true},
    {"Form", FieldKind::kForm, true},
};

constexpr StringView kTransformations[] = {"urlDecodeUni", "lowercase",     "htmlEntityDecode",
                                           "removeNulls",  "normalizePath", "compressWhitespace"};

Scopes scopes_of(FieldKind kind) {
  switch (kind) {
    case FieldKind::kMethod:
      return kInMethod;
    case FieldKind::kUri:
    case FieldKind::kPath:
    case FieldKind::kQuery:
    case FieldKind::kArg:
    case FieldKind::kArgs:
      return kInUri;
    case FieldKind::kHeader:
    case FieldKind::kHeaders:
    case FieldKind::kCookie:
      return kInHeaders;
    case FieldKind::kBody:
    case FieldKind::kForm:
      return kInBody;
    case FieldKind::kJson:
      return kInJson;
    case FieldKind::kSourceIp:
      return 0;  // no literal of it is looked for
  }
  return 0;
}

bool same(const Target& a, const Target& b) {
  if (a.kind != b.kind || a.transformed != b.transformed || a.steps != b.steps || !equal(a.name, b.name)) return false;
  for (uint32_t i = 0; i < a.steps; ++i) {
    if (a.step[i] != b.step[i]) return false;
  }
  return true;
}

// A segment without its escapes: "~1" is '/', "~0" is '~'.
StringView unescaped(StringView segment, Arena& arena) {
  char* const place = arena.take_array<char>(segment.size() + 1);
  size_t size = 0;
  for (size_t i = 0; i < segment.size(); ++i) {
    const bool escape = segment[i] == '~' && i + 1 < segment.size();
    place[size++] = !escape ? segment[i] : segment[++i] == '1' ? '/' : '~';
  }
  return {place, size};
}

}  // namespace

StringView parse_field(StringView text, FieldKind& kind, StringView& name) {
  const size_t colon = text.find(':');
  for (const FieldName& field : kFields) {
    if (!(text.first(colon) == field.name)) continue;
    kind = field.kind;
    name = text.from(colon == StringView::kNotFound ? text.size() : colon + 1);
    if (!field.named && colon != StringView::kNotFound) return "this field takes no name";
    if (kind == FieldKind::kJson) {
      const bool pointer = colon != StringView::kNotFound && (name.empty() || name[0] == '/');
      return pointer ? StringView("")
                     : StringView("expected a JSON pointer behind \"JSON:\", such as \"JSON:/user/name\"");
    }
    if (field.named && name.empty()) return "expected a name behind the colon, such as \"Header:User-Agent\"";
    return "";
  }
  return "no such field; expected Method, URI, Path, Query, Arg:name, Args, Header:name, Headers, Cookie:name, "
         "SourceIP, "
         "Body, JSON:pointer or Form:name";
}

bool parse_transformation(StringView text, Transformation& found) {
  uint8_t number = 0;
  for (const StringView name : kTransformations) {
    if (text == name) return found = static_cast<Transformation>(number), true;
    ++number;
  }
  return false;
}

TargetTable::TargetTable(RuleSet& rules, Arena& kept, Arena& temporary)
    : rules_(rules), kept_(kept), slots_(temporary.take_array<uint16_t>(kSlots)) {
  for (uint32_t i = 0; i < kSlots; ++i) slots_[i] = 0;
}

bool TargetTable::add_pointer(StringView name, uint32_t& number) {
  number = rules_.pointers.size();
  if (number == kMostPointers) return false;
  Array<StringView> segments;
  for (StringView rest = name; !rest.empty();) {
    rest = rest.from(1);
    const StringView segment = rest.first(rest.find('/'));
    segments.push(kept_, unescaped(segment, kept_));
    rest = rest.from(segment.size());
  }
  // "/a/" has an empty last segment.
  if (name.ends_with("/") && segments.empty()) segments.push(kept_, "");
  rules_.pointers.push(kept_, {segments.begin(), segments.size()});
  return true;
}

uint32_t TargetTable::number_of(Target wanted, StringView name) {
  wanted.name = folded(name, kept_);
  uint64_t hash = hash_of(wanted.name) * 31 + static_cast<uint64_t>(wanted.kind) * 7 + wanted.steps;
  for (uint32_t i = 0; i < wanted.steps; ++i) hash = hash * 31 + static_cast<uint64_t>(wanted.step[i]);
  size_t slot = hash % kSlots;
  for (; slots_[slot] != 0; slot = (slot + 1) % kSlots) {
    if (same(rules_.targets[slots_[slot] - 1U], wanted)) return slots_[slot] - 1U;
  }
  const uint32_t number = rules_.targets.size();
  if (number == kMost) return kNoLimit;
  if (wanted.kind == FieldKind::kJson && !add_pointer(wanted.name, wanted.pointer)) return kNoLimit;
  wanted.scopes = scopes_of(wanted.kind);
  if (wanted.transformed && wanted.kind != FieldKind::kSourceIp) {
    constexpr uint32_t kShared = 32 - kFirstTransformedScope;
    wanted.scopes = Scopes{1} << (kFirstTransformedScope + transformed_++ % kShared);
  }
  rules_.targets.push(kept_, wanted);
  slots_[slot] = static_cast<uint16_t>(number + 1);
  return number;
}

}  // namespace secbeat::waf
