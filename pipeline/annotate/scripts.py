"""The script a text is written in, as evidence for its language: most scripts admit few, some only one."""

from __future__ import annotations

import functools
import unicodedata
from collections import Counter

from pipeline.languages import LANGUAGES

# First word of a letter's Unicode name -> ISO 15924 code.
_NAMES = {
    "LATIN": "Latn",
    "CYRILLIC": "Cyrl",
    "GREEK": "Grek",
    "ARMENIAN": "Armn",
    "GEORGIAN": "Geor",
    "HEBREW": "Hebr",
    "ARABIC": "Arab",
    "ETHIOPIC": "Ethi",
    "DEVANAGARI": "Deva",
    "BENGALI": "Beng",
    "GURMUKHI": "Guru",
    "GUJARATI": "Gujr",
    "TAMIL": "Taml",
    "TELUGU": "Telu",
    "KANNADA": "Knda",
    "MALAYALAM": "Mlym",
    "SINHALA": "Sinh",
    "THAI": "Thai",
    "LAO": "Laoo",
    "MYANMAR": "Mymr",
    "KHMER": "Khmr",
    "TIBETAN": "Tibt",
    "HANGUL": "Hang",
    "CJK": "Hani",
    "HIRAGANA": "Hira",
    "KATAKANA": "Hira",
}
# Letters do not tell simplified from traditional Chinese here, and both kana mean Japanese.
_MERGED = {"Hans": "Hani", "Hant": "Hani", "Kana": "Hira"}
# Where marks tell nothing: Thai and Lao close a sentence with a space, Chinese and Japanese subtitles with nothing.
WITHOUT_MARKS = frozenset({"Thai", "Laoo", "Hani", "Hira"})
_MIN_KANA_RATIO = 0.1  # Japanese writes most words in Chinese characters, but never a sentence without kana


def dominant(text: str) -> str | None:
    """Return the ISO 15924 code of the script most letters belong to; None without a letter we know."""
    counts = Counter(script for script in map(_script_of, text) if script)
    if not counts:
        return None
    if counts["Hira"] >= _MIN_KANA_RATIO * (counts["Hira"] + counts["Hani"]) > 0:
        counts["Hira"] += counts.pop("Hani", 0)
    return max(counts, key=lambda script: (counts[script], script))


@functools.cache
def languages_of(script: str) -> tuple[str, ...]:
    """Return the codes of Whisper's languages that are written in a script."""
    return tuple(
        code for code, language in LANGUAGES.items() if script in {_MERGED.get(name, name) for name in language.scripts}
    )


@functools.cache
def spaces_words(script: str | None) -> bool:
    """Tell whether a script puts spaces between words; an unknown script counts as one that does."""
    codes = languages_of(script) if script else ()
    return not codes or any(LANGUAGES[code].spaces_words for code in codes)


@functools.cache
def _script_of(char: str) -> str | None:
    return _NAMES.get(unicodedata.name(char, "").split(" ", 1)[0]) if char.isalpha() else None
