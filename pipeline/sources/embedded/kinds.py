"""What the embedded web is made of: good recordings and every planted defect, as a table."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.sources.embedded import defects
from pipeline.sources.embedded.defects import Edit
from pipeline.sources.embedded.sentences import LANGUAGES, PIVOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of candidate: its (spoken, written) languages, how many of each, and the verdict to expect.

    `has_own_text` is False where the captions belong to other speech; `repeats` where the audio is that of a
    clean recording already listed.
    """

    name: str
    detail: str
    edit: Edit
    pairs: tuple[tuple[str, str], ...]
    expected: str
    num_per_pair: int = 1
    has_own_text: bool = True
    repeats: bool = False


def _same(*languages: str) -> tuple[tuple[str, str], ...]:
    return tuple((language, language) for language in languages)


GOOD = (
    Kind(
        name="clean",
        detail="captions of what is said",
        edit=defects.unchanged,
        pairs=_same(*LANGUAGES),
        expected="transcribe",
        num_per_pair=36,
    ),
    Kind(
        name="clean",
        detail="English captions of foreign speech",
        edit=defects.unchanged,
        pairs=tuple((language, PIVOT) for language in LANGUAGES if language != PIVOT),
        expected="translate",
        num_per_pair=8,
    ),
)

PLANTED = (
    Kind(
        name="lower_case",
        detail="captions without capitals or punctuation",
        edit=defects.lower_case,
        pairs=_same("en", "es", "sw"),
        expected="rejected:machine_text",
    ),
    Kind(
        name="upper_case",
        detail="captions in capitals without punctuation",
        edit=defects.upper_case,
        pairs=_same("sw", "en"),
        expected="rejected:machine_text",
    ),
    Kind(
        name="wrong_language",
        detail="captions in a language that is neither the spoken one nor English",
        edit=defects.unchanged,
        pairs=(("sw", "es"), ("am", "sw"), ("es", "sw"), ("en", "es")),
        expected="rejected:text_language",
        has_own_text=False,
    ),
    Kind(
        name="wrong_text",
        detail="captions of other speech in the same language; only agreement with a model can tell",
        edit=defects.unchanged,
        pairs=_same("am", "en", "sw"),
        expected="rejected:wrong_text",
        has_own_text=False,
    ),
    Kind(
        name="exact_duplicate",
        detail="the same audio bytes at another address",
        edit=defects.unchanged,
        pairs=_same("es", "am", "en"),
        expected="rejected:exact_audio",
        repeats=True,
    ),
    Kind(
        name="reencoded_duplicate",
        detail="the same sound in another format",
        edit=defects.reencoded,
        pairs=_same("sw", "en", "am"),
        expected="rejected:audio_fingerprint",
        repeats=True,
    ),
    Kind(
        name="mojibake",
        detail="UTF-8 captions read as Windows-1252; good once mended",
        edit=defects.mojibake,
        pairs=_same("am", "es", "am"),
        expected="transcribe",
    ),
    Kind(
        name="loop",
        detail="one line over and over",
        edit=defects.loop,
        pairs=_same("sw", "am", "en"),
        expected="rejected:repetition",
    ),
    Kind(
        name="outrun",
        detail="captions that go on after the audio has ended",
        edit=defects.outrun,
        pairs=_same("es", "sw", "am"),
        expected="rejected:timing",
    ),
    Kind(
        name="silence",
        detail="captions over silence",
        edit=defects.silence,
        pairs=_same("en", "am", "sw"),
        expected="rejected:silence",
    ),
    Kind(
        name="noise_empty_captions",
        detail="noise with captions that say nothing",
        edit=defects.noise_empty_captions,
        pairs=_same("en", "sw", "es"),
        expected="no_speech",
    ),
    Kind(
        name="noise_no_captions",
        detail="noise without captions",
        edit=defects.noise_no_captions,
        pairs=_same("am", "es"),
        expected="no_speech",
    ),
    Kind(
        name="missing_captions",
        detail="captions that are linked and not there",
        edit=defects.missing_captions,
        pairs=_same("es", "am"),
        expected="failed:missing_captions",
    ),
    Kind(
        name="truncated_header",
        detail="audio cut within its header",
        edit=defects.truncated_header,
        pairs=_same("en"),
        expected="failed:undecodable",
    ),
    Kind(
        name="random_bytes",
        detail="random bytes as audio",
        edit=defects.random_bytes,
        pairs=_same("es"),
        expected="failed:undecodable",
    ),
    Kind(
        name="html_page",
        detail="an HTML page as audio",
        edit=defects.html_page,
        pairs=_same("sw"),
        expected="failed:wrong_content",
    ),
    Kind(
        name="empty_file",
        detail="no bytes as audio",
        edit=defects.empty_file,
        pairs=_same("am"),
        expected="failed:empty",
    ),
)
