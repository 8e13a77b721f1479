"""What of a cue becomes a window's text: sounds that are noted and speakers that are named stay or go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline import text
from pipeline.errors import unknown_name
from pipeline.segment.cue import Cue

Policy = Literal["keep", "strip"]
POLICIES = ("keep", "strip")


@dataclass(frozen=True, slots=True, kw_only=True)
class WordingOptions:
    """Whether [Music] and 'NAME: ' stay in the text. Whisper's last fine-tuning left names out (section 4.4)."""

    sound_tags: Policy = "keep"
    speaker_names: Policy = "strip"

    def __post_init__(self) -> None:
        """Refuse other words."""
        for name in (self.sound_tags, self.speaker_names):
            if name not in POLICIES:
                raise unknown_name("policy", name, POLICIES)


def written(cue: Cue) -> str:
    """Return the repaired text with everything the file writes: its speaker and the sounds."""
    words = text.repair(cue.text)
    return f"{text.repair(cue.speaker)}: {words}" if cue.speaker and words else words


def wording(cue: Cue, options: WordingOptions) -> str:
    """Return the text by the options; empty where nothing is left."""
    whole = written(cue) if options.speaker_names == "keep" else text.repair(cue.text)
    return whole if options.sound_tags == "keep" else text.without_sound_tags(whole)
