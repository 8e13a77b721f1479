"""Pure functions on text: repair what the web broke, find words and sentence marks, compare loosely."""

from __future__ import annotations

import functools
import html
import re
import unicodedata

import ftfy

# Terminal colours, which some transcribers leave in their output.
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
# Controls, soft hyphen, zero-width spaces, direction marks, emoji selectors, lone surrogates; not what Python
# counts as white space, which is collapsed later.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    "\ufe0e\ufe0f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
# Joiners spell words in the scripts from Arabic to Sinhala (U+0600 to U+0DFF) and are debris elsewhere.
_STRAY_JOINER = re.compile("(?<![\u0600-\u0dff])[\u200c\u200d]+")
_SPACES = re.compile(r"\s+")
# Ethiopic writes a mark of its own (U+1361) where others put a space.
_WORD_GAP = re.compile("[\\s\u1361]+")
_SENTENCE_MARK = re.compile(
    "[.,!?;\u2026]+(?!\\d)"  # Latin, Cyrillic, Greek, Hebrew; a run is one mark, "3.5" holds none
    "|[\u0589\u055c-\u055e]"  # Armenian
    "|[\u060c\u061b\u061f\u06d4]"  # Arabic, Urdu
    "|[\u0964\u0965]"  # Devanagari and its neighbours
    "|[\u0f0d\u0f0e\u104a\u104b\u17d4\u17d5]"  # Tibetan, Burmese, Khmer
    "|[\u1362-\u1368]"  # Ethiopic
    "|[\u3001\u3002\uff01\uff0c\uff0e\uff1b\uff1f\uff61\uff64]"  # Chinese, Japanese
)
# Sounds noted between brackets or notes, in any script; a long aside in round brackets is speech.
_SOUND_TAG = re.compile(r"\[[^\[\]]{1,60}\]|【[^【】]{1,40}】|\([^()]{1,30}\)|（[^（）]{1,20}）|[♪♫♬]+|\*[^*]{1,30}\*")
_CHARS_PER_WORD = 2  # in scripts without spaces; what schema.TEXT_STATS counts with


def mend_encoding(text: str) -> str:
    """Undo text decoded with the wrong encoding (ftfy); text that shows no sign of it comes back as it is."""
    return text if text.isascii() else ftfy.fix_encoding(text)


def repair(text: str) -> str:
    """Resolve entities, mend the encoding, compose (NFC), drop what cannot be seen, collapse white space.

    Quotes, full-width forms and ligatures stay as written: they are spelling, not damage.
    """
    mended = _ANSI.sub("", mend_encoding(html.unescape(text)))
    visible = _STRAY_JOINER.sub("", _INVISIBLE.sub("", mended))
    return _SPACES.sub(" ", unicodedata.normalize("NFC", visible)).strip()


def words(text: str, spaces_words: bool) -> list[str]:
    """Split text into words that hold a letter or digit; without spaces, two characters make a word."""
    pieces = [piece for piece in _WORD_GAP.split(text) if any(map(str.isalnum, piece))]
    if spaces_words:
        return pieces
    letters = "".join(char for piece in pieces for char in piece if not _is_mark(char))
    return [letters[start : start + _CHARS_PER_WORD] for start in range(0, len(letters), _CHARS_PER_WORD)]


def normalise_for_match(text: str) -> str:
    """Fold case and width, drop punctuation and symbols, collapse white space."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _SPACES.sub(" ", "".join(char for char in folded if not _is_mark(char))).strip()


def without_sound_tags(text: str) -> str:
    """Take out notes of sounds: [Music], (laughter), ♪; what is sung between notes stays."""
    return _SPACES.sub(" ", _SOUND_TAG.sub(" ", text)).strip() if _SOUND_TAG.search(text) else text


def sentence_marks(text: str) -> int:
    """Count the marks that end or divide sentences, in any script; Thai and Lao have none."""
    return len(_SENTENCE_MARK.findall(text))


@functools.cache
def _is_mark(char: str) -> bool:
    return unicodedata.category(char)[0] in "PS"
