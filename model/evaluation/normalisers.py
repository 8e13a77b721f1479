"""Text as error rates compare it: two ways, each with a name that stands beside every number.

`whisper` is what published numbers use (Radford et al. 2022, appendix C): English with its spelling and numbers made
one, all other languages without punctuation, symbols and marks. Marks are vowels in Indic, Thai and other scripts;
there it breaks words in pieces, so `basic-nfkc` keeps them, and is the one to believe outside of English.
Both compare languages that do not space their words character by character.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable, Mapping
from types import MappingProxyType

import regex

from pipeline.errors import unknown_name
from pipeline.languages import LANGUAGES

BASIC, WHISPER = "basic-nfkc", "whisper"
ENGLISH = "en"
# Where the paper counts characters (appendix C); we add all scripts without spaces for the normaliser that is ours.
_SPLIT_BY_WHISPER = frozenset({"zh", "ja", "th", "lo", "my", "yue"})


def basic(text: str, lang: str) -> str:
    """Return lower-case NFKC text without punctuation and symbols, words apart by one space; marks stay."""
    folded = unicodedata.normalize("NFKC", text).lower()
    spaced = "".join(" " if unicodedata.category(char)[0] in "PS" else char for char in folded)
    words = spaced if lang not in LANGUAGES or LANGUAGES[lang].spaces_words else " ".join(regex.findall(r"\X", spaced))
    return " ".join(words.split())


def whisper(text: str, lang: str) -> str:
    """Return text as OpenAI's normalisers leave it: the English one, or the basic one."""
    normalise = _english() if lang == ENGLISH else _whisper_basic(lang in _SPLIT_BY_WHISPER)
    return " ".join(normalise(text).split())


NORMALISERS: Mapping[str, Callable[[str, str], str]] = MappingProxyType({BASIC: basic, WHISPER: whisper})


def normalise(name: str, text: str, lang: str) -> str:
    """Normalise text of a language, "und" where it is not known; UserError for a normaliser that does not exist."""
    if name not in NORMALISERS:
        raise unknown_name("normaliser", name, NORMALISERS)
    return NORMALISERS[name](text, lang)


@functools.cache
def _english() -> Callable[[str], str]:
    from whisper_normalizer.english import EnglishTextNormalizer

    return EnglishTextNormalizer()


@functools.cache
def _whisper_basic(splits_letters: bool) -> Callable[[str], str]:
    from whisper_normalizer.basic import BasicTextNormalizer

    return BasicTextNormalizer(split_letters=splits_letters)
