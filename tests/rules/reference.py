"""Rules as docs/rules.md describes them, written from that document alone and as plainly as can be: what universal-waf
is compared with. Values are bytes."""

import ipaddress
import json
import re
from datetime import datetime

ORDER = ["Allow", "Block", "RateLimit", "Log"]
SPACE = b" \t\n\v\f\r\xa0"
ENTITIES = {b"lt": b"<", b"gt": b">", b"amp": b"&", b"quot": b'"', b"apos": b"'", b"nbsp": b"\xa0"}


def percent_decoded(value):
    return re.sub(rb"%([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]), value).lower()


def url_decode_uni(value):
    def one(match):
        if match[0] == b"+":
            return b" "
        if match[1]:
            code = int(match[1], 16)
            return bytes([(code & 0xFF) + 0x20 if 0xFF01 <= code <= 0xFF5E else code & 0xFF])
        return bytes([int(match[2], 16)])
    return re.sub(rb"%u([0-9a-f]{4})|%([0-9a-f]{2})|\+", one, value).lower()


def html_entity_decode(value):
    def one(match):
        if match[3]:
            return ENTITIES[match[3]]
        code = int(match[1], 16) if match[1] else int(match[2])
        if code > 0x10FFFF:
            return match[0]
        if code <= 0xFF:
            return bytes([code])
        return chr(code).encode("utf-8", "surrogatepass")
    return re.sub(rb"&(?:#x([0-9a-f]{1,7})|#([0-9]{1,7})|(quot|amp|lt|gt|apos|nbsp));?", one, value).lower()


def normalize_path(value):
    absolute, kept = value.startswith(b"/"), []
    segments = value.split(b"/")
    for number, segment in enumerate(segments):
        last = number == len(segments) - 1
        if segment in (b"", b"."):
            continue
        if segment == b".." and kept and kept[-1] != b"../":
            kept.pop()
        elif segment != b".." or not absolute:
            kept.append(segment + (b"" if last else b"/"))
    return (b"/" if absolute else b"") + b"".join(kept)


TRANSFORMATIONS = {
    "urlDecodeUni": url_decode_uni,
    "htmlEntityDecode": html_entity_decode,
    "lowercase": bytes.lower,
    "removeNulls": lambda value: value.replace(b"\0", b""),
    "normalizePath": normalize_path,
    "compressWhitespace": lambda value: re.sub(b"[" + SPACE + b"]+", b" ", value),
}


class JsonBody:
    """(way, text) of each leaf; lenient, and as far as the body is whole."""

    ESCAPE = re.compile(rb'\\(?:(["\\/bfnrt])|u([0-9a-f]{4})(?:(?<=d[89ab]..)\\u(d[c-f][0-9a-f]{2}))?)')
    NAMES = dict(zip(b'"\\/bfnrt', b'"\\/\b\f\n\r\t'))

    def __init__(self, text):
        self.text, self.at, self.leaves = text, 0, []
        try:
            self.value(())
        except (IndexError, StopIteration):
            pass

    @classmethod
    def unescaped(cls, text):
        def one(match):
            if match[1]:
                return bytes([cls.NAMES[match[1][0]]])
            code = int(match[2], 16)
            if match[3]:
                code = 0x10000 + ((code - 0xD800) << 10) + int(match[3], 16) - 0xDC00
            elif 0xD800 <= code <= 0xDFFF:
                code = 0xFFFD
            return chr(code).lower().encode() if code < 0x80 else chr(code).encode()
        return cls.ESCAPE.sub(one, text)

    def peek(self):
        while self.text[self.at:self.at + 1] in (b" ", b"\t", b"\n", b"\r"):
            self.at += 1
        if self.at == len(self.text):
            raise StopIteration
        return self.text[self.at:self.at + 1]

    def string(self):
        """The text, and whether it ends."""
        self.at += 1
        start = self.at
        while self.at < len(self.text) and self.text[self.at] != 0x22:
            match = self.ESCAPE.match(self.text, self.at)
            self.at = match.end() if match else self.at + 1
        text, whole = self.unescaped(self.text[start:self.at]), self.at < len(self.text)
        self.at += 1
        return text, whole

    def value(self, way):
        first = self.peek()
        if first in (b"{", b"["):
            return self.members(way, first == b"{")
        if first == b'"':
            text, whole = self.string()
            self.leaves.append((way, text))
            if not whole:
                raise StopIteration
            return None
        token = re.compile(rb'[^ \t\n\r,:\[\]{}"\\]*').match(self.text, self.at)
        if not token[0]:
            raise StopIteration
        self.at = token.end()
        self.leaves.append((way, token[0]))
        return None

    def members(self, way, is_object):
        if len(way) == 256:
            raise StopIteration
        self.at += 1
        close, index = (b"}" if is_object else b"]"), 0
        while self.peek() != close:
            if index and self.peek() != b",":
                raise StopIteration
            if index:
                self.at += 1
            key = str(index).encode()
            if is_object:
                if self.peek() != b'"':
                    raise StopIteration
                key, whole = self.string()
                if not whole or self.peek() != b":":
                    raise StopIteration
                self.at += 1
            self.value(way + (key,))
            index += 1
        self.at += 1


def split_uri(uri):
    if not uri.startswith(b"/"):
        match = re.match(rb"[^:]*://", uri)
        if match:
            rest = uri[match.end():]
            uri = rest[len(re.match(rb"[^/?#]*", rest)[0]):]
    path = re.match(rb"[^?#]*", uri)[0]
    rest = uri[len(path):]
    return path, rest[1:].split(b"#")[0] if rest.startswith(b"?") else None


def pairs(text, separator):
    for piece in text.split(separator):
        if separator == b";":
            piece = piece.strip(b" \t")
        if piece:
            name, _, value = piece.partition(b"=")
            yield name, value


def values_of(field, request):
    kind, _, name = field.partition(":")
    name = name.encode().lower()
    low = {key: request[key].lower() for key in ("method", "uri", "body", "source_ip")}
    path, query = split_uri(low["uri"])
    headers = [(key, value.lower()) for key, value in request["headers"]]
    if kind == "Method":
        return [low["method"]]
    if kind == "URI":
        return [low["uri"]]
    if kind == "Path":
        return [path]
    if kind == "Query":
        return [] if query is None else [query]
    if kind in ("Args", "Arg"):
        return [value for key, value in pairs(query or b"", b"&") if kind == "Args" or percent_decoded(key) == name]
    if kind == "Form":
        return [value for key, value in pairs(low["body"], b"&") if percent_decoded(key) == name]
    if kind == "Headers":
        return [value for _, value in headers]
    if kind == "Header":
        return [value for key, value in headers if key == name]
    if kind == "Cookie":
        return [value for key, all_of_it in headers if key == b"cookie" for n, value in pairs(all_of_it, b";") if n == name]
    if kind == "SourceIP":
        return [low["source_ip"]]
    if kind == "Body":
        return [low["body"]] if low["body"] else []
    way = tuple(part.replace(b"~1", b"/").replace(b"~0", b"~") for part in name.split(b"/")[1:])
    return [text for place, text in JsonBody(low["body"]).leaves if place[:len(way)] == way]


def in_network(address, pattern):
    try:
        address = ipaddress.ip_address(address.decode())
    except ValueError:
        return False
    if address.version == 6 and address.ipv4_mapped:
        address = address.ipv4_mapped
    network = ipaddress.ip_network(pattern, strict=False)
    return address.version == network.version and address in network


def text_matches(value, match, pattern):
    low = pattern.encode().lower()
    if match == "contains":
        return low in value
    if match == "prefix":
        return value.startswith(low)
    if match == "equals":
        return value == low
    if match == "regex":
        translated = low_regex(pattern)
        return re.search(translated, value, re.IGNORECASE) is not None
    if pattern == ".":
        return True
    return re.fullmatch(b".*".join(re.escape(part) for part in low.split(b"*")), value, re.DOTALL) is not None


def low_regex(pattern):
    """Python's meaning of what is RE2's: `$` and `\\z` are the very end."""
    return re.sub(r"\\.|\$", lambda m: r"\Z" if m[0] in ("$", r"\z") else r"[\t\n\f\r ]" if m[0] == r"\s" else m[0], pattern).encode()


def pattern_holds(value, raw_only, field, match, patterns):
    forms = [value] if raw_only else [value, percent_decoded(value)]
    for pattern in patterns:
        if field == "SourceIP" and (match == "cidr" or (match is None and "*" not in pattern and pattern != ".")):
            if in_network(value, pattern):
                return True
        elif any(text_matches(form, match or "glob", pattern) for form in forms):
            return True
    return False


def field_holds(condition, request):
    field = condition["field"]
    values = values_of(field, request)
    steps = condition.get("transformations")
    for step in steps or []:
        values = [TRANSFORMATIONS[step](value) for value in values]
    if not values or not condition.get("min_count", 0) <= len(values) <= condition.get("max_count", 1 << 40):
        return False
    patterns = condition.get("pattern", [])
    patterns = [patterns] if isinstance(patterns, str) else patterns
    return any(condition.get("min_length", 0) <= len(value) <= condition.get("max_length", 1 << 40) and
               (not patterns or pattern_holds(value, steps is not None, field, condition.get("match"), patterns))
               for value in values)


def holds(condition, request):
    for field, pattern in condition.get("requires", {}).items():
        if not field_holds({"field": field, "pattern": pattern}, request):
            return False
    if "all" in condition:
        return all(holds(one, request) for one in condition["all"])
    if "any" in condition:
        return any(holds(one, request) for one in condition["any"])
    if "not" in condition:
        return not holds(condition["not"], request)
    return field_holds(condition, request)


def expired(rule, now_unix_ms):
    at = rule.get("expires_at")
    if at is None:
        return False
    seconds = datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp() if isinstance(at, str) else at
    return now_unix_ms >= seconds * 1000


def decide(document, request):
    rules = json.loads(document)["rules"]
    for action in ORDER:
        for rule in rules:
            if rule["action"] == action and rule.get("enabled", True) and not expired(rule, request["now_unix_ms"]) and \
                    holds(rule, request):
                return f"{action} {rule['id']}"
    return "Allow"
