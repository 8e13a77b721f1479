"""A listing file, JSONL or CSV, one audio file a row: audio_url, text_url, language and what else is known.

The listing may be a path or an http(s) address; relative URLs are taken from where it lies. A row that cannot be
used becomes a candidate without audio_url, with the status bad_candidate.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urljoin

from pipeline.errors import UserError
from pipeline.page import Read
from pipeline.sources.found import Found, Seed, file_stamp, local_seed, read_ok

ALIASES = {
    "audio_url": ("audio_url", "audio", "audio_filepath", "url"),
    "text_url": ("text_url", "caption", "caption_url", "transcript", "subtitles"),
    "declared_lang": ("language", "lang", "declared_lang"),
    "declared_split": ("split", "subset"),
    "checksum": ("sha256", "checksum", "md5"),
    "title": ("title",),
    "license": ("license", "licence"),
}
SPLITS = {"train": "train", "dev": "validation", "valid": "validation", "validation": "validation", "test": "test"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingSource:
    """Candidates listed in a file at `root`; `language` and `license` fill rows that state none."""

    root: str
    name: str = "listing"
    language: str | None = None
    license: str | None = None
    candidates_per_unit: int | None = None

    def seeds(self, read: Read) -> list[Seed]:
        """Return the listing, a local one with what changes when it does."""
        if "://" in self.root:
            return [Seed(url=self.root)]
        path = Path(self.root).expanduser().resolve()
        if not path.is_file():
            raise UserError(f"listing {self.root!r} is not a file; expected JSONL or CSV; give root=FILE")
        return [local_seed(self, str(path), read)]

    def find(self, seed: str, read: Read) -> Iterator[Found]:
        """List the rows in the file's order."""
        body = read_ok(read, seed).body
        lines = _lines(body.decode("utf-8-sig", "replace"), is_csv=seed.lower().endswith(".csv"))
        num_good = 0
        for number, row in lines:
            found = self._found(number, row)
            num_good += bool(found.audio_url)
            yield found
        if not num_good:
            raise UserError(
                f"listing {self.root!r} has no row with an audio address; "
                f"expected one of the columns {ALIASES['audio_url']}; "
                "give JSONL (an object a line) or CSV (with a header)"
            )

    def _found(self, number: int, row: Mapping[str, Any] | None) -> Found:
        place = f"{self.root}#line={number}"
        values = {name: _first(row, keys) for name, keys in ALIASES.items()} if row else {}
        if not values.get("audio_url"):
            return Found(page_url=place, status="bad_candidate", status_detail="no audio address")
        audio, text = self._absolute(values["audio_url"]), self._absolute(values["text_url"])
        license_ = values["license"] or self.license
        stamps = [file_stamp(Path(path)) for path in (audio, text) if path and "://" not in path]
        return Found(
            page_url=place,
            audio_url=audio or "",
            text_url=text,
            declared_lang=(values["declared_lang"] or self.language or "").lower() or None,
            title=values["title"],
            license=license_,
            license_evidence=f"{place}: {license_}" if license_ else None,
            declared_split=SPLITS.get((values["declared_split"] or "").lower()),
            validator=" ".join(filter(None, (values["checksum"], *stamps))) or None,
        )

    def _absolute(self, url: str | None) -> str | None:
        if url is None or "://" in url:
            return url
        if "://" in self.root:
            return urljoin(self.root, url)
        return str(Path(self.root).expanduser().resolve().parent / url)


def _lines(text: str, is_csv: bool) -> Iterator[tuple[int, Mapping[str, Any] | None]]:
    if is_csv:
        yield from enumerate(csv.DictReader(io.StringIO(text)), start=2)
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, _json_object(line)


def _json_object(line: str) -> Mapping[str, Any] | None:
    try:
        value = json.loads(line)
    except json.JSONDecodeError:
        return None
    return cast(Mapping[str, Any], value) if isinstance(value, dict) else None


def _first(row: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((str(row[key]).strip() for key in keys if row.get(key)), None)
