"""Decode the bytes of a caption file: by its mark, as UTF-8, by what it declares, by what its letters look like."""

from __future__ import annotations

import codecs
import re

import charset_normalizer

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_MAX_DAMAGE = 0.1  # share of non-ASCII characters that may be broken in text we still call UTF-8
_DECLARED = re.compile(rb"""(?:encoding|charset)\s*=\s*["']?([A-Za-z][\w.-]{1,30})""")
_CHARSET = re.compile(r"cp\d+|iso8859-\d+|gb\w+|big5\w*|shift_jis\w*|euc_\w+|koi8-[rtu]|mac-\w+|tis-620")
# What old captions are written in, a name for each script. Latin letters other than those of Western Europe are left
# out: a few accents do not tell cp1250 or cp1254 from cp1252 (measured 2026-11).
_GUESSED = ["cp1252", "cp1251", "koi8_r", "gb18030", "big5", "cp932", "euc_jp", "cp949", "cp1253", "cp1255", "cp1256"]
_MIN_HIGH_SHARE = 0.3  # of letters; French has 0.1, Russian nearly 1
_HEAD_BYTES = 1024
_SAMPLE_BYTES = 1 << 14


def decode(data: bytes) -> str:
    """Return the text; what cannot be read becomes U+FFFD, so this never raises."""
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return data[len(bom) :].decode(encoding, errors="replace")
    head = data[:_HEAD_BYTES]
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(head) >= 4 and not any(head[first::2]) and all(head[1 - first :: 2]):
            return data.decode(encoding, errors="replace")
    text = data.decode("utf-8", errors="replace")
    broken = text.count("\ufffd")
    if broken and broken > _MAX_DAMAGE * sum(not char.isascii() for char in text):
        return data.decode(_declared(data) or _guessed(data), errors="replace")
    return text


def _declared(data: bytes) -> str | None:
    """Return the encoding that the file names, if it can be read in it."""
    match = _DECLARED.search(data[:_HEAD_BYTES])
    try:
        name = codecs.lookup(match[1].decode()).name if match else ""
        if not _CHARSET.fullmatch(name):
            return None
        data.decode(name)
    except (LookupError, UnicodeError):
        return None
    return name


def _guessed(data: bytes) -> str:
    """Return the encoding in which the lines with letters beyond ASCII look most like a language.

    Where most letters are ASCII's, it is a Latin script with accents, and too little to tell more.
    """
    sample = b"\n".join(line for line in data.splitlines() if not line.isascii())[:_SAMPLE_BYTES]
    num_high = sum(byte >= 0x80 for byte in sample)
    if num_high < _MIN_HIGH_SHARE * (num_high + sum(map(str.isalpha, sample.decode("ascii", errors="ignore")))):
        return "cp1252"
    best = charset_normalizer.from_bytes(sample, cp_isolation=_GUESSED).best()
    return best.encoding if best else "cp1252"
