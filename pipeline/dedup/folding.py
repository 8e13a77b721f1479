"""How characters count when texts are compared: one number for each, so that compiled code needs no Unicode tables.

Case, width and compatibility forms are folded; marks and symbols are dropped, as `pipeline.text.normalise_for_match`
does. A character that folds to several ("ß") stands for itself.
"""

from __future__ import annotations

import functools
import unicodedata

import numpy as np
from numpy.typing import NDArray

from pipeline.dedup.kernels import DROPPED, GAP, NUM_CODES, UNSPACED

_WORD_GAPS = {0x1361}  # Ethiopic
_UNSPACED_NAMES = {"CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "MYANMAR", "KHMER", "TIBETAN"}


@functools.cache
def folding_table() -> NDArray[np.uint32]:
    """Return what each code point counts as: DROPPED, GAP, or a folded code point, flagged where UNSPACED."""
    return np.array([_fold(code) for code in range(NUM_CODES)], dtype=np.uint32)


def _fold(code: int) -> int:
    char = chr(code)
    category = unicodedata.category(char)
    if category[0] == "Z" or char.isspace() or code in _WORD_GAPS:
        return GAP
    if category[0] not in "LMN":
        return DROPPED
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", char).casefold())
    value = ord(folded) if len(folded) == 1 else code
    name = unicodedata.name(chr(value), "").split(" ", 1)[0]
    return value | UNSPACED if name in _UNSPACED_NAMES else value
