"""A folder of audio or video files with captions or texts beside them: talk.mp3 and talk.vtt, talk.en.srt, talk.txt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from pipeline import sidecars, store
from pipeline.errors import UserError
from pipeline.page import Read
from pipeline.sources.found import Found, Seed, file_stamp, local_seed


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSource:
    """Audio under `root`, however deep; hidden files are not looked at. See pipeline.sidecars for what lies beside it.

    `language` declares all of it; otherwise names tell. `synthetic` is a pattern of paths below `root` whose speech a
    machine made: "voices/*", or "*" for all.
    """

    root: str
    name: str = "folder"
    language: str | None = None
    license: str | None = None
    synthetic: str | None = None
    candidates_per_unit: int | None = 16

    def seeds(self, read: Read) -> list[Seed]:
        """Return the folder, with what changes when any file in it does."""
        root = Path(self.root).expanduser()
        if not root.is_dir():
            raise UserError(
                f"source.root {self.root!r} is not a folder; "
                "expected audio files with captions beside them; give root=PATH"
            )
        return [local_seed(self, str(root.resolve()), read)]

    def find(self, seed: str, read: Read) -> Iterator[Found]:
        """List audio files in the order of their paths; UserError when `synthetic` is the pattern of none."""
        root = Path(seed)
        found = list(sidecars.pairs(uri.removeprefix(f"{seed}/") for uri in store.list_files(seed)))
        synthetic = {audio for audio, _ in found if fnmatchcase(audio, self.synthetic or "")}
        if self.synthetic and found and not synthetic:
            raise UserError(
                f"source.synthetic {self.synthetic!r} matches no audio file below {self.root}; "
                "expected a pattern of their paths, as 'voices/*', or '*' for all; mend it"
            )
        for audio, text in found:
            yield Found(
                page_url=seed,
                audio_url=str(root / audio),
                text_url=str(root / text) if text else None,
                text_format=sidecars.format_of(text) if text else None,
                declared_lang=self.language or sidecars.declared_lang(audio, text),
                is_synthetic=audio in synthetic,
                title=(root / audio).stem,
                license=self.license,
                license_evidence=f"source.license={self.license}" if self.license else None,
                validator=" ".join(file_stamp(root / path) for path in (audio, text) if path),
            )
