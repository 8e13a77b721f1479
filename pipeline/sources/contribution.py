"""Contributions of a community: a folder each, with audio, its captions, consent and licence (see consent).

    contributions/
      amina-2026/
        story.mp3
        story.sw.vtt      # or .srt, or .txt without times; named as the audio is
        consent.yaml
        LICENSE           # unless consent.yaml has it

Without consent to training, a licence, or both as they should be, a contribution is one row that says what is missing;
taken back, it is one that says so. Hidden files are not looked at; a file still being copied makes the contribution
wait. Links that lead out of a contribution are not followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline import sidecars
from pipeline.errors import UserError
from pipeline.page import Read
from pipeline.sources.consent import CONSENT, Refused, read_consent
from pipeline.sources.found import Found, Seed, file_stamp, local_seed
from pipeline.sources.stored import refused
from pipeline.suffixes import MEDIA, ending

PARTIAL = frozenset({".part", ".partial", ".crdownload", ".download", ".filepart", ".tmp", ".!ut"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ContributionSource:
    """Contributions under `root`, one folder each; `language` declares those whose files do not."""

    root: str
    name: str = "contribution"
    language: str | None = None
    captioned_only: bool = True
    candidates_per_unit: int | None = 16

    def seeds(self, read: Read) -> list[Seed]:
        """Return the contributions, each with what changes when any of its files does."""
        root = Path(self.root).expanduser()
        if not root.is_dir():
            raise UserError(
                f"source.root {self.root!r} is not a folder; expected a folder for each contribution; give root=PATH"
            )
        folders = sorted(path for path in root.resolve().iterdir() if path.is_dir() and not path.name.startswith("."))
        loose = [path.name for path in root.iterdir() if path.name.lower() in CONSENT or ending(path.name) in MEDIA]
        if loose:
            raise UserError(
                f"source.root {self.root!r} holds {min(loose)!r} itself; expected a folder for each contribution; "
                "put it into one, or give the folder above as root"
            )
        return [local_seed(self, str(path), read) for path in folders]

    def find(self, seed: str, read: Read) -> Iterator[Found]:
        """List a contribution's recordings, or why none of them may be used."""
        folder = Path(seed)
        files = _files(folder)
        try:
            licence = read_consent(path for path in files if path.parent == folder).licence
        except Refused as error:
            yield refused(str(folder), error.status, str(error))
            return
        unfinished = [path.name for path in files if path.suffix.lower() in PARTIAL or path.stat().st_size == 0]
        if unfinished:
            detail = f"{unfinished[0]} is empty or still being copied; run ingest again when it is whole"
            yield refused(str(folder), "incomplete", detail)
            return
        for audio, text in sidecars.pairs(path.relative_to(folder).as_posix() for path in files):
            place = f"{folder}#{audio}"
            if text is None and self.captioned_only:
                yield refused(
                    place, "no_text", f"{audio} has no caption; expected its name with .vtt, .srt or .txt beside it"
                )
                continue
            yield Found(
                page_url=place,
                audio_url=str(folder / audio),
                text_url=str(folder / text) if text else None,
                text_format=sidecars.format_of(text) if text else None,
                declared_lang=sidecars.declared_lang(audio, text) or self.language,
                title=(folder / audio).stem,
                license=licence.name,
                license_evidence=f"{folder}/{licence.evidence}",
                validator=" ".join(file_stamp(folder / path) for path in (audio, text) if path),
            )


def _files(folder: Path) -> list[Path]:
    """Return the folder's own files, sorted: hidden ones and those that links bring in from outside are not."""
    inside = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.resolve().is_relative_to(folder))
    return [path for path in inside if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
