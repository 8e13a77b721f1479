"""What evaluation asks about: one recording or window, what is right, and how to hear it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from model.sample import Cue
from pipeline import decoder, store
from pipeline.audio import DecodeError, Samples
from pipeline.errors import DataError, UserError
from pipeline.languages import code_of

EvalTask = Literal["transcribe", "translate", "no_speech"]
NO_LANGUAGE = "und"
CaptionReader = Callable[[bytes], tuple[str, tuple[Cue, ...]]]  # a caption file to its text, and cues where it has any


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalItem:
    """One question. `text` is in the spoken language, in English for translate, and empty where nobody speaks.

    `recording_id` is shared by windows of one recording, which are drawn together for confidence intervals.
    """

    item_id: str
    recording_id: str
    source: str
    lang: str
    task: EvalTask
    text: str
    hear: Callable[[], Samples]
    cues: tuple[Cue, ...] = ()


class EvalSet(Protocol):
    """A set of items; `name` stands in every row of its results."""

    @property
    def name(self) -> str:
        """Name of the set."""
        ...

    def items(self, read_captions: CaptionReader) -> Iterator[EvalItem]:
        """Yield the items in a fixed order; UserError for a folder that is not of this layout."""
        ...


def hear_file(uri: str) -> Samples:
    """Decode a file to 16 kHz mono; DataError names one that cannot be."""
    try:
        return decoder.decode(store.read_bytes(uri)).samples
    except (DecodeError, FileNotFoundError) as error:
        raise DataError(
            f"evaluation audio {uri} cannot be heard: {error}; expected audio; mend the set or leave it out"
        ) from error


def known_code(tag: str, where: str) -> str:
    """Return the code of a language tag; UserError says where one stands that names none."""
    code = code_of(tag)
    if code is None:
        raise UserError(f"language {tag!r} of {where} is none; expected a code such as 'sw'; name it in the settings")
    return code


def read_table(uri: str, columns: Sequence[str], header: Sequence[str] | None = None) -> list[Mapping[str, Any]]:
    """Read a table with tabs, quotes being text; `header` where the file has none. UserError names what it lacks."""
    if not store.exists(uri):
        raise UserError(f"evaluation set has no file {uri}; expected it in this layout; mend root or split")
    lines = [line.split("\t") for line in store.read_bytes(uri).decode("utf-8").splitlines() if line]
    names = list(header) if header is not None else lines.pop(0)
    lacking = [name for name in columns if name not in names]
    if lacking or not lines:
        raise UserError(f"table {uri} lacks columns {lacking} or rows; expected columns {list(columns)}; mend the set")
    return [dict(zip(names, line, strict=False)) for line in lines]
