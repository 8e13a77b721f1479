"""Names and numbers for texts, by hashes that every run and machine agrees on."""

from __future__ import annotations

import hashlib

KEY_BYTES = 16
NUMBER_BYTES = 8


def key_of(*parts: str) -> str:
    """Return the key of a text, or of several, in hex."""
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=KEY_BYTES).hexdigest()


def number_of(text: str) -> int:
    """Hash a text to 64 bits; two of 10^8 texts share one with a probability of 0.03 %."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=NUMBER_BYTES).digest())
