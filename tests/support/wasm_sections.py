"""WebAssembly modules section by section: for tests and benchmarks that need other bytes than the build left."""

CODE, DATA, DATA_COUNT, FUNCTION = 10, 11, 12, 3


def read_leb128(data, at):
    """(number, index behind it)"""
    number, shift = 0, 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at


def leb128(number):
    out = b""
    while True:
        number, low = number >> 7, number & 0x7F
        out += bytes([low | (0x80 if number else 0)])
        if not number:
            return out


def sections(module):
    """(kind, content) of each, in their order."""
    at = 8
    while at < len(module):
        size, start = read_leb128(module, at + 1)
        yield module[at], module[start:start + size]
        at = start + size


def joined(parts):
    return b"\0asm\1\0\0\0" + b"".join(bytes([kind]) + leb128(len(content)) + content for kind, content in parts)


def distinct(module, number):
    """The module with a data segment that nothing reads: the same code, in other bytes and in another artifact."""
    text = f"secbeat.number {number}".encode()
    segment = b"\1" + leb128(len(text)) + text  # passive
    parts, behind = list(sections(module)), 0
    for index, (kind, content) in enumerate(parts):
        if kind in (DATA, DATA_COUNT):
            count, first = read_leb128(content, 0)
            parts[index] = (kind, leb128(count + 1) + content[first:] + (segment if kind == DATA else b""))
        if kind != 0 and kind != DATA:
            behind = index + 1
    if all(kind != DATA for kind, _ in parts):
        parts.insert(behind, (DATA, leb128(1) + segment))
    return joined(parts)
