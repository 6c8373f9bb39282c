"""Users of NATS that sign with a key."""

import base64

from support.authority import openssl


def encoded(prefix, key):
    """As NATS writes its keys: prefix, key and CRC-16, in base32."""
    data, crc = prefix + key, 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xffff
    return base64.b32encode(data + crc.to_bytes(2, "little")).decode().rstrip("=")


def new_nkey(folder):
    """A user's public key, and the file with its seed."""
    openssl(folder, "genpkey", "-algorithm", "ed25519", "-outform", "DER", "-out", "user.der")
    openssl(folder, "pkey", "-inform", "DER", "-in", "user.der", "-pubout", "-outform", "DER", "-out", "user.pub")
    user = 20 << 3
    seed = bytes([18 << 3 | user >> 5, (user & 31) << 3])
    (folder / "user.nk").write_text(encoded(seed, (folder / "user.der").read_bytes()[-32:]))
    return encoded(bytes([user]), (folder / "user.pub").read_bytes()[-32:]), folder / "user.nk"
