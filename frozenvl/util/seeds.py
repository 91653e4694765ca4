"""Seeds that are addressed by a purpose and indices, so that randomness does not depend on what was drawn before."""

from __future__ import annotations

import hashlib


def seed_from(*parts: object) -> int:
    """Hashes the parts (a purpose, a seed, indices) to a 63-bit seed, the same on every machine."""
    digest = hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
