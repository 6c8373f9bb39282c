#include "condition_reader.hpp"

namespace secbeat::waf {
namespace {

constexpr uint32_t kDeepestCondition = 8;
constexpr uint32_t kMostConditions = 64;  // of a rule

constexpr StringView kConditionKeys[] = {"field",      "match",     "pattern",   "min_length",
                                         "max_length", "min_count", "max_count", "transformations",
                                         "all",        "any",       "not",       "requires"};

constexpr StringView kDecidingKeys[] = {"field", "all", "any", "not"};
constexpr StringView kFieldKeys[] = {"match",     "pattern",   "min_length",     "max_length",
                                     "min_count", "max_count", "transformations"};

bool is_condition_key(StringView key) {
  for (const StringView known : kConditionKeys) {
    if (key == known) return true;
  }
  return false;
}

bool is_note(StringView key) { return key.starts_with("x-"); }

// The one key that says what kind of condition this is.
const JsonValue* deciding_key(const JsonValue& object, bool& several) {
  const JsonValue* found = nullptr;
  for (const StringView key : kDecidingKeys) {
    if (const JsonValue* const member = object.member(key); member != nullptr) {
      several = several || found != nullptr;
      found = member;
    }
  }
  return found;
}

}  // namespace

bool parse_count(const JsonValue& value, uint64_t most, uint64_t& number) {
  if (!value.is(JsonType::kNumber) || value.text.size() > 15) return false;
  number = 0;
  for (const char c : value.text) {
    if (c < '0' || c > '9') return false;
    number = number * 10 + static_cast<uint64_t>(c - '0');
  }
  return number <= most;
}

Condition* ConditionReader::make(Condition::Kind kind) {
  auto* const condition = kept_.make<Condition>();
  condition->kind = kind;
  return condition;
}

Condition* ConditionReader::read_rule(const JsonValue& object, uint32_t rule, IsRuleKey is_rule_key) {
  rule_ = rule;
  conditions_ = 0;
  return read(object, 0, is_rule_key);
}

bool ConditionReader::check_keys(const JsonValue& object, IsRuleKey is_rule_key) {
  bool fine = true;
  for (const JsonValue* member = object.first; member != nullptr; member = member->next) {
    const bool known =
        is_condition_key(member->key) || is_note(member->key) || (is_rule_key != nullptr && is_rule_key(member->key));
    if (!known) {
      faults_.add(member->key_place, member->key, "no such key; a note of your own begins with \"x-\"");
      fine = false;
    }
    if (object.member(member->key) != member) {
      faults_.add(member->key_place, member->key, "this key comes twice");
      fine = false;
    }
  }
  return fine;
}

Condition* ConditionReader::read(const JsonValue& object, uint32_t depth, IsRuleKey is_rule_key) {
  if (!object.is(JsonType::kObject)) return faults_.add(object.place, "", "expected a condition: an object"), nullptr;
  if (depth > kDeepestCondition)
    return faults_.add(object.place, "", "conditions are nested too deeply, at most 8"), nullptr;
  if (++conditions_ > kMostConditions)
    return faults_.add(object.place, "", "a rule has at most 64 conditions"), nullptr;
  if (!check_keys(object, is_rule_key)) return nullptr;
  bool several = false;
  const JsonValue* const deciding = deciding_key(object, several);
  if (deciding == nullptr) {
    return faults_.add(object.place, "field",
                       "missing; a condition has one of \"field\", \"all\", \"any\" and \"not\""),
           nullptr;
  }
  if (several) {
    faults_.add(deciding->key_place, deciding->key,
                "a condition has only one of \"field\", \"all\", \"any\" and \"not\"; put them into a list of \"all\"");
    return nullptr;
  }
  Condition* const condition = read_one(object, *deciding, depth);
  const JsonValue* const required = object.member("requires");
  return condition != nullptr && required != nullptr ? with_requires(condition, *required) : condition;
}

Condition* ConditionReader::read_one(const JsonValue& object, const JsonValue& deciding, uint32_t depth) {
  if (deciding.key == "field") return read_test(object);
  for (const JsonValue* member = object.first; member != nullptr; member = member->next) {
    for (const StringView key : kFieldKeys) {
      if (member->key == key) return faults_.add(member->key_place, key, "stands beside a \"field\" only"), nullptr;
    }
  }
  if (deciding.key == "not") return read_not(deciding, depth);
  return read_group(deciding, deciding.key == "all" ? Condition::Kind::kAll : Condition::Kind::kAny, depth);
}

Condition* ConditionReader::read_group(const JsonValue& list, Condition::Kind kind, uint32_t depth) {
  if (!list.is(JsonType::kArray) || list.count == 0) {
    return faults_.add(list.place, list.key, "expected a list of conditions"), nullptr;
  }
  Condition* const group = make(kind);
  Condition** link = &group->first;
  for (const JsonValue* element = list.first; element != nullptr; element = element->next) {
    Condition* const condition = read(*element, depth + 1, nullptr);
    if (condition == nullptr) return nullptr;
    *link = condition;
    link = &condition->next;
  }
  return group;
}

Condition* ConditionReader::read_not(const JsonValue& object, uint32_t depth) {
  Condition* const negated = read(object, depth + 1, nullptr);
  if (negated == nullptr) return nullptr;
  Condition* const condition = make(Condition::Kind::kNot);
  condition->first = negated;
  return condition;
}

// {"URI":"/admin/*"}: each pattern is a glob that has to hold besides.
Condition* ConditionReader::with_requires(Condition* condition, const JsonValue& required) {
  if (!required.is(JsonType::kObject)) {
    return faults_.add(required.place, "requires",
                       "expected an object of fields and globs, such as {\"URI\":\"/admin/*\"}"),
           nullptr;
  }
  Condition* const all = make(Condition::Kind::kAll);
  all->first = condition;
  Condition** link = &condition->next;
  for (const JsonValue* member = required.first; member != nullptr; member = member->next) {
    Test test;
    JsonValue field = *member;
    field.text = member->key;
    field.type = JsonType::kString;
    field.place = member->key_place;
    field.key = "requires";
    if (++conditions_ > kMostConditions)
      return faults_.add(member->place, "requires", "a rule has at most 64 conditions"), nullptr;
    if (required.member(member->key) != member)
      return faults_.add(member->key_place, "requires", "this field comes twice"), nullptr;
    if (!member->is(JsonType::kString))
      return faults_.add(member->place, "requires", "expected a glob: a text"), nullptr;
    if (!read_target(field, nullptr, test) || !read_patterns(*member, Match::kDefault, test)) return nullptr;
    Condition* const one = finish_test(test);
    *link = one;
    link = &one->next;
  }
  return all;
}

Condition* ConditionReader::read_test(const JsonValue& object) {
  Test test;
  const bool has_target = read_target(*object.member("field"), object.member("transformations"), test);
  Match match = Match::kDefault;
  const JsonValue* const pattern = object.member("pattern");
  bool fine = has_target && read_match(object.member("match"), rules_.targets[test.target].kind, match);
  if (pattern == nullptr && object.member("match") != nullptr) {
    faults_.add(object.place, "pattern", "missing");
    fine = false;
  }
  if (pattern != nullptr && fine) fine = read_patterns(*pattern, match, test);
  if (!read_bounds(object, test)) fine = false;
  if (fine && pattern == nullptr && object.member("min_length") == nullptr && object.member("max_length") == nullptr &&
      object.member("min_count") == nullptr && object.member("max_count") == nullptr) {
    faults_.add(object.place, "pattern", "missing; \".\" stands for anything");
    fine = false;
  }
  return fine ? finish_test(test) : nullptr;
}

Condition* ConditionReader::finish_test(const Test& test) {
  Test made = test;
  made.rule = rule_;
  const uint32_t number = rules_.tests.size();
  for (const Network& network : networks_) rules_.networks.push(kept_, {network, number});
  networks_.clear();
  rules_.tests.push(kept_, made);
  Condition* const condition = make(Condition::Kind::kTest);
  condition->test = number;
  return condition;
}

bool ConditionReader::read_bounds(const JsonValue& object, Test& test) {
  bool fine = read_bound(object.member("min_length"), 0, test.min_length);
  fine = read_bound(object.member("max_length"), 0, test.max_length) && fine;
  fine = read_bound(object.member("min_count"), 1, test.min_count) && fine;
  fine = read_bound(object.member("max_count"), 1, test.max_count) && fine;
  if (fine && test.min_length > test.max_length) {
    return faults_.add(object.member("min_length")->place, "min_length", "is above max_length"), false;
  }
  if (fine && test.min_count > test.max_count) {
    return faults_.add(object.member("min_count")->place, "min_count", "is above max_count"), false;
  }
  return fine;
}

bool ConditionReader::read_bound(const JsonValue* bound, uint32_t least, uint32_t& to) {
  if (bound == nullptr) return true;
  constexpr uint64_t kMost = 1'000'000'000;
  uint64_t number = 0;
  if (!parse_count(*bound, kMost, number) || number < least) {
    faults_.add(bound->place, bound->key,
                least == 0 ? StringView("expected a whole number from 0 on")
                           : StringView("expected a whole number from 1 on; what is absent, "
                                        "\"not\" finds"));
    return false;
  }
  to = static_cast<uint32_t>(number);
  return true;
}

}  // namespace secbeat::waf
