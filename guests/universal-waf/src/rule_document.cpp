#include "rule_document.hpp"

#include "condition_reader.hpp"
#include "regex.hpp"
#include "timestamp.hpp"

namespace secbeat::waf {
namespace {

constexpr size_t kLongestId = 100;
constexpr size_t kLongestMessage = 256;
constexpr uint32_t kMostTags = 16;
constexpr size_t kLongestTag = 64;
constexpr size_t kLongestEvidence = 1024;
constexpr size_t kLongestOrigin = 128;

constexpr StringView kRuleKeys[] = {"id",          "action",      "message",    "enabled",    "tags",
                                    "expires_at",  "ttl_seconds", "created_at", "created_by", "confidence",
                                    "description", "evidence",    "origin"};
constexpr StringView kDocumentKeys[] = {"rules", "$schema", "description", "version"};
constexpr StringView kActionNames[] = {"Allow", "Block", "RateLimit", "Log"};  // in the order of Action

bool is_rule_key(StringView key) {
  for (const StringView known : kRuleKeys) {
    if (key == known) return true;
  }
  return false;
}

bool is_id(StringView text) {
  for (const char c : text) {
    const char lower = guest::ascii_lower(c);
    const bool fine =
        (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == ':';
    if (!fine) return false;
  }
  return !text.empty() && text.size() <= kLongestId;
}

bool is_tag(StringView text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
  }
  return !text.empty() && text.size() <= kLongestTag;
}

// Of all that a rule says, however it is spaced.
uint64_t hash_without_space(StringView text) {
  uint64_t hash = 0xcbf2'9ce4'8422'2325U;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (!quoted && (c == ' ' || c == '\n' || c == '\r' || c == '\t')) continue;
    if (c == '"') quoted = !quoted;
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x0000'0100'0000'01b3U;
    if (quoted && c == '\\' && i + 1 < text.size())
      hash = (hash ^ static_cast<unsigned char>(text[++i])) * 0x0000'0100'0000'01b3U;
  }
  return hash;
}

class DocumentReader {
 public:
  DocumentReader(StringView text, Arena& kept, Arena& temporary, RuleSet& rules, Faults& faults)
      : text_(text),
        kept_(kept),
        temporary_(temporary),
        rules_(rules),
        faults_(faults),
        conditions_(rules, kept, temporary, budget_, faults) {}

  void read() {
    JsonFault fault;
    const JsonValue* const root = read_json(text_, temporary_, fault);
    if (root == nullptr) return faults_.add(fault.place, "", fault.what);
    if (!root->is(JsonType::kObject)) return faults_.add(root->place, "", "expected an object: {\"rules\": […]}");
    check_document_keys(*root);
    const JsonValue* const list = root->member("rules");
    if (list == nullptr) return faults_.add(root->place, "rules", "missing");
    if (!list->is(JsonType::kArray)) return faults_.add(list->place, "rules", "expected a list of rules");
    if (list->count > kMostRules) return faults_.add(list->place, "rules", "more than 10,000 rules");
    read_rules(*list);
    if (faults_.none()) put_in_order();
  }

 private:
  void check_document_keys(const JsonValue& root) {
    for (const JsonValue* member = root.first; member != nullptr; member = member->next) {
      bool known = member->key.starts_with("x-");
      for (const StringView key : kDocumentKeys) known = known || member->key == key;
      if (!known) faults_.add(member->key_place, member->key, "no such key; expected \"rules\"");
      if (root.member(member->key) != member) faults_.add(member->key_place, member->key, "this key comes twice");
    }
  }

  void read_rules(const JsonValue& list) {
    make_id_table(list.count);
    uint32_t number = 0;
    for (const JsonValue* element = list.first; element != nullptr; element = element->next) {
      faults_.enter_rule("", ++number);
      read_rule(*element, number);
    }
    faults_.leave_rule();
  }

  void read_rule(const JsonValue& object, uint32_t number) {
    if (!object.is(JsonType::kObject)) return faults_.add(object.place, "", "expected a rule: an object");
    Rule rule;
    read_id(object, number, rule);
    read_action(object, rule);
    read_message(object, rule);
    read_tags(object, rule);
    read_expiry(object, rule);
    check_note(object, "evidence", kLongestEvidence, "expected a text of at most 1,024 bytes");
    check_note(object, "origin", kLongestOrigin, "expected a text of at most 128 bytes");
    const JsonValue* const enabled = object.member("enabled");
    if (enabled != nullptr && !enabled->is(JsonType::kBool))
      faults_.add(enabled->place, "enabled", "expected true or false");
    rule.condition = conditions_.read_rule(object, number - 1, is_rule_key);
    rule.hash = hash_without_space({text_.data() + object.place, object.end - object.place});
    if (faults_.none() && rule.message.empty()) rule.message = described(object);
    read_.push(temporary_, {rule, enabled == nullptr || enabled->truth});
  }

  void read_id(const JsonValue& object, uint32_t number, Rule& rule) {
    const JsonValue* const id = object.member("id");
    if (id == nullptr) return faults_.add(object.place, "id", "missing");
    if (!id->is(JsonType::kString) || !is_id(id->text)) {
      return faults_.add(id->place, "id", "expected 1 to 100 letters, digits and characters of \"-_.:\"");
    }
    faults_.enter_rule(id->text, number);
    if (!is_new_id(id->text)) faults_.add(id->place, "id", "another rule has it already");
    rule.id = kept(id->text, kept_);
  }

  void read_action(const JsonValue& object, Rule& rule) {
    const JsonValue* const action = object.member("action");
    if (action == nullptr) return faults_.add(object.place, "action", "missing");
    uint8_t number = 0;
    for (const StringView name : kActionNames) {
      if (action->is(JsonType::kString) && action->text == name) {
        rule.action = static_cast<Action>(number);
        return;
      }
      ++number;
    }
    faults_.add(action->place, "action", "expected Block, RateLimit, Log or Allow");
  }

  void read_message(const JsonValue& object, Rule& rule) {
    const JsonValue* const message = object.member("message");
    if (message == nullptr) return;
    if (!message->is(JsonType::kString) || message->text.size() > kLongestMessage) {
      return faults_.add(message->place, "message", "expected a text of at most 256 bytes");
    }
    rule.message = kept(message->text, kept_);
  }

  void read_tags(const JsonValue& object, Rule& rule) {
    const JsonValue* const list = object.member("tags");
    if (list == nullptr) return;
    bool fine = list->is(JsonType::kArray) && list->count <= kMostTags;
    Array<StringView> tags;
    for (const JsonValue* tag = fine ? list->first : nullptr; tag != nullptr; tag = tag->next) {
      fine = fine && tag->is(JsonType::kString) && is_tag(tag->text);
      tags.push(kept_, kept(tag->text, kept_));
    }
    if (!fine)
      return faults_.add(list->place, "tags", "expected at most 16 texts of 1 to 64 bytes, without control characters");
    rule.tags = tags.begin();
    rule.tag_count = tags.size();
  }

  void check_note(const JsonValue& object, StringView key, size_t longest, StringView what) {
    const JsonValue* const note = object.member(key);
    if (note != nullptr && (!note->is(JsonType::kString) || note->text.size() > longest)) {
      faults_.add(note->place, key, what);
    }
  }

  void read_expiry(const JsonValue& object, Rule& rule) {
    if (const JsonValue* const ttl = object.member("ttl_seconds"); ttl != nullptr) {
      faults_.add(
          ttl->key_place, "ttl_seconds",
          "counts from the moment at which a rule is received, which a document does not know: write expires_at, "
          "or send the rule over the rules API");
    }
    const JsonValue* const expiry = object.member("expires_at");
    if (expiry == nullptr || expiry->is(JsonType::kNull)) return;
    constexpr uint64_t kLatest = 253'402'300'799;  // the end of the year 9999
    uint64_t seconds = 0;
    if (expiry->is(JsonType::kString) ? parse_timestamp(expiry->text, rule.expires_unix_ms)
                                      : parse_count(*expiry, kLatest, seconds)) {
      if (!expiry->is(JsonType::kString)) rule.expires_unix_ms = seconds * 1000;
      return;
    }
    faults_.add(expiry->place, "expires_at", "expected a time such as \"2026-11-27T04:00:00Z\", or seconds since 1970");
  }

  // What the log says of a rule that has no message of its own.
  StringView described(const JsonValue& object) {
    const JsonValue* const field = object.member("field");
    const JsonValue* const pattern = object.member("pattern");
    if (field == nullptr) return "The rule's conditions hold";
    guest::Buffer<kLongestMessage> text;
    text.append(field->text);
    if (pattern == nullptr || !pattern->is(JsonType::kString)) {
      text.append(pattern == nullptr ? StringView(" is out of bounds")
                                     : StringView(" matches one of the rule's patterns"));
    } else {
      text.append(" matches ");
      text.append(pattern->text.first(utf8_cut(pattern->text, 160)));
    }
    return kept(text.view(), kept_);
  }
  static size_t utf8_cut(StringView text, size_t most) {
    if (text.size() <= most) return text.size();
    while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0U) == 0x80) --most;
    return most;
  }

  void make_id_table(uint32_t count) {
    while (id_slots_ < count * 2) id_slots_ *= 2;
    ids_ = temporary_.take_array<StringView>(id_slots_);
    for (uint32_t i = 0; i < id_slots_; ++i) ids_[i] = "";
  }
  bool is_new_id(StringView id) {
    size_t slot = hash_of(id) % id_slots_;
    for (; !ids_[slot].empty(); slot = (slot + 1) % id_slots_) {
      if (equal(ids_[slot], id)) return false;
    }
    ids_[slot] = id;
    return true;
  }

  // By action, and within one as they were written. Rules that are not enabled are left out.
  void put_in_order() {
    uint32_t* const order = temporary_.take_array<uint32_t>(read_.size() + 1);
    for (uint8_t action = 0; action < kActions; ++action) {
      for (uint32_t i = 0; i < read_.size(); ++i) {
        if (static_cast<uint8_t>(read_[i].rule.action) != action) continue;
        order[i] = read_[i].enabled ? rules_.rules.size() : kNoLimit;
        if (read_[i].enabled) rules_.rules.push(kept_, read_[i].rule);
      }
    }
    for (Test& test : rules_.tests) test.rule = order[test.rule];
  }

  struct ReadRule {
    Rule rule;
    bool enabled;
  };

  StringView text_;
  Arena& kept_;
  Arena& temporary_;
  RuleSet& rules_;
  Faults& faults_;
  RegexBudget budget_;
  ConditionReader conditions_;
  Array<ReadRule> read_;
  StringView* ids_ = nullptr;
  uint32_t id_slots_ = 16;
};

}  // namespace

void read_rule_document(StringView text, Arena& kept, Arena& temporary, RuleSet& rules, Faults& faults) {
  if (text.trimmed().empty()) return;
  DocumentReader(text, kept, temporary, rules, faults).read();
}

}  // namespace secbeat::waf
