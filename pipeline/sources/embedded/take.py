"""One candidate on its way to being published: what is heard, what is written, and how both are served."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.audio import SAMPLES_PER_MS, Samples
from pipeline.sources.embedded.captions import Cue, write_captions
from pipeline.sources.embedded.encoding import encode
from pipeline.sources.embedded.labels import Spoken


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """A recording and its captions; `audio` and `captions` hold the final content where it is not as usual.

    `is_linked`: the listing names a caption file; `is_published`: there is one at that address.
    """

    samples: Samples
    spoken: tuple[Spoken, ...]
    cues: tuple[Cue, ...]
    audio_format: str
    text_format: str
    audio: bytes | None = None
    captions: str | None = None
    is_linked: bool = True
    is_published: bool = True

    @property
    def duration_ms(self) -> int:
        """Length of the audio that decodes: 0 where the file was spoilt."""
        return len(self.samples) // SAMPLES_PER_MS if self.audio is None else 0

    def audio_bytes(self) -> bytes:
        """Return the audio file's content."""
        return encode(self.samples, self.audio_format) if self.audio is None else self.audio

    def caption_bytes(self) -> bytes:
        """Return the caption file's content."""
        text = write_captions(self.cues, self.text_format) if self.captions is None else self.captions
        return text.encode()
