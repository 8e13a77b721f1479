"""Take the markup out of caption text: tags, voices, inline stamps, SubStation overrides and entities."""

from __future__ import annotations

import html
import re

INLINE_STAMP = re.compile(r"<\d+:[\d:.,]+>")
# Elements whose content nobody says: scripts, style sheets, ruby readings (they repeat the base text).
_SILENT = re.compile(r"<(script|style|rt)\b[^<>]*>(?:(?!</\1|</ruby).)*", re.IGNORECASE | re.DOTALL)
# Tags (<i>, <v Name>, <c.yellow>), inline stamps (<00:00:06.000>) and SubStation overrides ({\an8}).
_MARKUP = re.compile(r"</?[a-z][^<>]*>|<\d+:[\d:.,]+>|\{\\[^{}]*\}", re.IGNORECASE)
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_SPACES = re.compile(r"[ \t\r\f\v]+")


def plain(text: str) -> str:
    """Return only what is said, one line for each line that has text."""
    bare = text
    if "<" in text or "{" in text:
        bare = _MARKUP.sub("", _BREAK.sub("\n", _SILENT.sub("", text)))
    if "&" in bare:
        bare = html.unescape(bare)
    # A no-break space stays: it may be a byte of text in the wrong encoding.
    lines = [line.strip(" ") for line in _SPACES.sub(" ", bare).split("\n")]
    return "\n".join([line for line in lines if line.strip()])
