"""A folder of audio files with captions beside them: talk.mp3 and talk.vtt, talk.srt or talk.en.vtt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from pipeline.errors import UserError
from pipeline.languages import LANGUAGES
from pipeline.page import Read
from pipeline.sources.found import Found, Seed, file_stamp, local_seed

AUDIO_SUFFIXES = frozenset({".mp3", ".ogg", ".opus", ".oga", ".m4a", ".mp4", ".aac", ".flac", ".wav", ".mka", ".webm"})
TEXT_SUFFIXES = (".vtt", ".srt")


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSource:
    """Audio under `root`, however deep. `language` declares all of it; otherwise names tell (see `declared_lang`).

    `synthetic` is a pattern of paths below `root` whose speech a machine made: "voices/*", or "*" for all.
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
        audios = sorted(path for path in root.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
        synthetic = {audio for audio in audios if fnmatchcase(audio.relative_to(root).as_posix(), self.synthetic or "")}
        if self.synthetic and audios and not synthetic:
            raise UserError(
                f"source.synthetic {self.synthetic!r} matches no audio file below {self.root}; "
                "expected a pattern of their paths, as 'voices/*', or '*' for all; mend it"
            )
        for audio in audios:
            text = sidecar(audio)
            yield Found(
                page_url=str(root),
                audio_url=str(audio),
                text_url=str(text) if text else None,
                text_format=text.suffix[1:] if text else None,
                declared_lang=self.language or declared_lang(audio.relative_to(root), text),
                is_synthetic=audio in synthetic,
                title=audio.stem,
                license=self.license,
                license_evidence=f"source.license={self.license}" if self.license else None,
                validator=" ".join(file_stamp(path) for path in (audio, text) if path),
            )


def declared_lang(audio: Path, text: Path | None) -> str | None:
    """Read a language code off the caption's name (talk.en.vtt), the file's (en-01.mp3) or a folder's (en/talk.mp3)."""
    suffix = text.stem.removeprefix(audio.stem).lstrip(".") if text else ""
    prefix = re.split(r"[-_.]", audio.stem, maxsplit=1)[0]
    codes = (suffix, prefix if prefix != audio.stem else "", *reversed(audio.parts[:-1]))
    return next((code.lower() for code in codes if code.lower() in LANGUAGES), None)


def sidecar(audio: Path) -> Path | None:
    """Return the caption beside an audio file: of its name, or of that with a language behind."""
    exact = [audio.with_suffix(suffix) for suffix in TEXT_SUFFIXES]
    tagged = [
        path for suffix in TEXT_SUFFIXES for path in sorted(audio.parent.glob(f"{_glob_safe(audio.stem)}.*{suffix}"))
    ]
    return next((path for path in (*exact, *tagged) if path.is_file()), None)


def _glob_safe(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)
