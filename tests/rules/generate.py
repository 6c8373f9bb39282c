"""Random documents and requests that have much to do with each other: made of few pieces, so that rules nearly match."""

import json
import random

PIECES = ["a", "b", "/", "admin", "' or ", "--", "%27", "%2e", "..", "union select", "%20", "+", "&", "=", "?", "%", "%u0041", "%25",
          "<script", "&lt;", "&#x61", "\\u0061", "\\u0041", "../../", "//", "./", "x" * 9, "{", "}", "[", '"', ":", ",", ";", " ", "ADMIN", "sel", "1", "é"]
PATTERN_PIECES = [piece for piece in PIECES if piece] + ["*", "*", "*", "secret-token", "ab"]
REGEXES = [r"a+b", r"^/admin", r"union\s+select", r"[a-c]{2,3}$", r"\bor\b", r"(a|b)*--", r"<script|sel", r"x.{0,5}1", r"\d+", r"[^a]1"]
FIELDS = ["Method", "URI", "Path", "Query", "Arg:a", "Args", "Header:X-A", "Headers", "Cookie:a", "SourceIP", "Body", "JSON:/a",
          "JSON:", "JSON:/a/0", "Form:a"]
TRANSFORMATIONS = ["urlDecodeUni", "lowercase", "htmlEntityDecode", "removeNulls", "normalizePath", "compressWhitespace"]
NETWORKS = ["192.0.2.0/24", "192.0.2.7", "10.0.0.0/8", "2001:db8::/32", "0.0.0.0/0", "::/0", "192.*", "."]
ADDRESSES = ["192.0.2.7", "10.1.2.3", "2001:db8::1", "::ffff:192.0.2.7", "unix:"]
ACTIONS = ["Block", "Block", "RateLimit", "Log", "Allow"]
NOW = 1_764_216_000_000


def text(chance, pieces, most):
    return "".join(chance.choice(pieces) for _ in range(chance.randrange(most + 1)))


def field_condition(chance):
    field = chance.choice(FIELDS)
    made = {"field": field}
    match = chance.choice([None, None, "glob", "contains", "prefix", "equals", "regex"] + ["cidr", "cidr"] * (field == "SourceIP"))
    patterns = []
    for _ in range(chance.choice([1, 1, 1, 3])):
        if field == "SourceIP" and match in (None, "cidr"):
            patterns.append(chance.choice(NETWORKS if match is None else NETWORKS[:6]))
        elif match == "regex":
            patterns.append(chance.choice(REGEXES))
        else:
            patterns.append(text(chance, PATTERN_PIECES, 5) or ".")
    if match:
        made["match"] = match
    if chance.random() < 0.9:
        made["pattern"] = patterns[0] if len(patterns) == 1 else patterns
    elif match:
        del made["match"]
    if "pattern" not in made or chance.random() < 0.15:
        made[chance.choice(["min_length", "max_length", "min_count", "max_count"])] = chance.randrange(1, 12)
    if chance.random() < 0.25:
        made["transformations"] = [chance.choice(TRANSFORMATIONS) for _ in range(chance.randrange(4))]
    return made


def condition(chance, depth=0):
    kind = chance.random()
    if depth < 3 and kind < 0.1:
        made = {chance.choice(["all", "any"]): [condition(chance, depth + 1) for _ in range(chance.randrange(1, 4))]}
    elif depth < 3 and kind < 0.15:
        made = {"not": condition(chance, depth + 1)}
    else:
        made = field_condition(chance)
    if chance.random() < 0.1:
        made["requires"] = {chance.choice(["URI", "Path", "Header:x-a"]): text(chance, PATTERN_PIECES, 3) or "*"}
    return made


def document(chance):
    rules = []
    for number in range(chance.choice([1, 2, 5, 20]) if chance.random() < 0.98 else 200):
        rule = {"id": f"r{number}", "action": chance.choice(ACTIONS), **condition(chance)}
        if chance.random() < 0.1:
            rule["expires_at"] = NOW // 1000 + chance.randrange(-1, 2)
        if chance.random() < 0.05:
            rule["enabled"] = False
        rules.append(rule)
    return json.dumps({"rules": rules})


def body(chance):
    kind = chance.randrange(4)
    if kind == 0:
        return "a=" + text(chance, PIECES, 6) + "&b=1"
    if kind == 1:
        value = {"a": [text(chance, PIECES, 3), 1, None], "b": {"a": text(chance, PIECES, 2)}}
        made = json.dumps(value, ensure_ascii=chance.random() < 0.5)[:chance.choice([1000, 1000, 25])]
        return made.replace("\\\\u", "\\u") if chance.random() < 0.5 else made  # escapes, or texts that look like them
    return text(chance, PIECES, 12) if kind == 2 else ""


def as_bytes(value):
    return value.encode().decode("latin-1")


def request(chance):
    uri = chance.choice(["/", "/admin/", "/a?a=", "http://h/", ""]) + text(chance, PIECES, 8)
    headers = [(chance.choice(["x-a", "cookie", "user-agent"]), as_bytes(chance.choice(["", "a=", "b; a="]) + text(chance, PIECES, 4)))
               for _ in range(chance.randrange(4))]
    return {"method": chance.choice(["GET", "POST", "a"]), "uri": as_bytes(uri), "headers": headers, "body": as_bytes(body(chance)),
            "source_ip": chance.choice(ADDRESSES), "now_unix_ms": NOW + chance.choice([-1, 0, 1])}


def work(seed, requests):
    chance = random.Random(seed)
    return {"config": document(chance), "requests": [request(chance) for _ in range(requests)]}


def leaves(made):
    """The conditions that ask about a field."""
    if "field" in made:
        return [made]
    return [leaf for key in ("all", "any") for one in made.get(key, []) for leaf in leaves(one)] + \
        (leaves(made["not"]) if "not" in made else [])


SPOILT_RULES = [("action", "Stop"), ("action", None), ("message", "m" * 257), ("tags", [""]), ("expires_at", "tomorrow"), ("ttl_seconds", 60),
                ("enabled", "no"), ("evidence", 7), ("origin", "o" * 129), ("patern", "x"), ("requires", [])]
SPOILT_CONDITIONS = [("field", "Url"), ("field", "Header:"), ("field", None), ("match", "like"), ("pattern", ""), ("pattern", ["x", 1]),
                     ("min_length", -1), ("max_count", 0), ("transformations", ["rot13"]), ("all", [])]


def spoilt(seed):
    """A document with one fault, and how the answer to it begins: the rule and the key."""
    chance = random.Random(f"spoilt {seed}")
    made = json.loads(document(chance))
    if chance.random() < 0.05:
        text = json.dumps(made)
        return text[:-chance.randrange(1, len(text))], "line 1 column "
    number = chance.randrange(len(made["rules"]))
    rule = made["rules"][number]
    if chance.random() < 0.1:
        rule["id"] = made["rules"][0]["id"] if number else "a b"
        return json.dumps(made), f'rule "{rule["id"]}", key "id", ' if number else 'rule number 1, key "id", '
    if chance.random() < 0.5:
        place, (key, value) = rule, chance.choice(SPOILT_RULES)
    else:
        place, (key, value) = chance.choice(leaves(rule)), chance.choice(SPOILT_CONDITIONS)
    place[key] = value
    if value is None:
        del place[key]
    return json.dumps(made), f'rule "{rule["id"]}", key "{key}", '
