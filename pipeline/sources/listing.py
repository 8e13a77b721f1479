"""A listing file, JSON lines, CSV or Parquet, one audio file a row: its address, its caption, language and the like.

The listing may be a path or an http(s) address; relative URLs are taken from where it lies. A caption may stand in the
row itself. A row that cannot be used becomes a candidate without audio_url, with the status bad_candidate.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from pipeline.errors import UserError
from pipeline.languages import code_of
from pipeline.page import Read
from pipeline.rows import (
    AUDIO_COLUMNS,
    CAPTION_COLUMNS,
    LANG_COLUMNS,
    TEXT_COLUMNS,
    Row,
    Values,
    rows_in,
    seconds_ms,
    text_of,
)
from pipeline.sources.found import Found, Seed, file_stamp, local_seed, read_ok
from pipeline.sources.pairing import text_format
from pipeline.sources.utterances import SPLITS, Utterance, caption

ALIASES = {
    "audio_url": AUDIO_COLUMNS,
    "text_url": CAPTION_COLUMNS,
    "text": TEXT_COLUMNS,
    "declared_lang": LANG_COLUMNS,
    "declared_split": ("split", "subset"),
    "checksum": ("sha256", "checksum", "md5"),
    "title": ("title",),
    "license": ("license", "licence"),
}

MARKS = {"": None, "true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}  # column synthetic


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingSource:
    """Candidates listed in a file at `root`; `language`, `license` and `synthetic` fill rows that state none."""

    root: str
    name: str = "listing"
    language: str | None = None
    license: str | None = None
    synthetic: bool = False
    candidates_per_unit: int | None = None

    def seeds(self, read: Read) -> list[Seed]:
        """Return the listing, a local one with what changes when it does."""
        if "://" in self.root:
            return [Seed(url=self.root)]
        path = Path(self.root).expanduser().resolve()
        if not path.is_file():
            raise UserError(f"listing {self.root!r} is not a file; expected JSONL, CSV or Parquet; give root=FILE")
        return [local_seed(self, str(path), read)]

    def find(self, seed: str, read: Read) -> Iterator[Found]:
        """List the rows in the file's order."""
        body = read_ok(read, seed).body
        num_good = 0
        for row in rows_in(io.BytesIO(body), seed.partition("?")[0]):
            found = self._found(row)
            num_good += bool(found.audio_url)
            yield found
        if not num_good:
            raise UserError(
                f"listing {self.root!r} has no row with an audio address; "
                f"expected one of the columns {ALIASES['audio_url']}; "
                "give JSONL (an object a line), CSV (with a header) or Parquet"
            )

    def _found(self, row: Row) -> Found:
        place = f"{self.root}#line={row.number}"
        values = {name: text_of(row.values or {}, *keys) for name, keys in ALIASES.items()}
        if values["audio_url"] is None:
            return Found(page_url=place, status="bad_candidate", status_detail=row.problem or "no audio address")
        mark = _word((row.values or {}).get("synthetic"))
        if mark not in MARKS:
            detail = f"column synthetic is {mark!r}; expected true or false"
            return Found(page_url=place, status="bad_candidate", status_detail=detail)
        is_address = _is_address(values["text_url"] or "")
        words = values["text"] if is_address or not values["text_url"] else values["text_url"]
        audio = self._absolute(values["audio_url"])
        text = self._absolute(values["text_url"]) if is_address else None
        inline, inline_format = caption([Utterance(text=words)]) if words and not text else (None, None)
        license_ = values["license"] or self.license
        stamps = [file_stamp(Path(path)) for path in (audio, text) if path and "://" not in path]
        return Found(
            page_url=place,
            audio_url=audio or "",
            text_url=text,
            text_inline=inline,
            text_format=inline_format,
            declared_lang=code_of(values["declared_lang"] or self.language or ""),
            declared_duration_ms=_duration_ms(row.values or {}),
            title=values["title"],
            license=license_,
            license_evidence=f"{place}: {license_}" if license_ else None,
            is_synthetic=self.synthetic if MARKS[mark] is None else MARKS[mark] is True,
            declared_split=SPLITS.get((values["declared_split"] or "").lower()),
            validator=" ".join(filter(None, (values["checksum"], *stamps))) or None,
        )

    def _absolute(self, url: str | None) -> str | None:
        if url is None or "://" in url:
            return url
        if "://" in self.root:
            return urljoin(self.root, url)
        return str(Path(self.root).expanduser().resolve().parent / url)


def _is_address(text: str) -> bool:
    """Tell a caption's address from a caption: a name of a caption file, or anything without blanks."""
    return bool(text) and (text_format("", text) is not None or not re.search(r"\s", text))


def _word(value: object) -> str:
    return "" if value is None else str(value).strip().lower()


def _duration_ms(values: Values) -> int | None:
    whole_ms = text_of(values, "duration_ms")
    stated_ms = float(whole_ms) / 1000 if whole_ms and re.fullmatch(r"\d{1,12}(\.\d+)?", whole_ms) else None
    return seconds_ms(stated_ms if stated_ms is not None else text_of(values, "duration_s", "duration"))
