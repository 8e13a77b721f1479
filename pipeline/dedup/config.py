"""The settings of dedup."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import UserError


@dataclass(frozen=True, slots=True, kw_only=True)
class DedupConfig:
    """What makes a duplicate; conf/dedup says why the numbers are what they are.

    Captions under `min_text_words` are no evidence. A sound is the same where at most `max_sound_error` of a print's
    bits differ, a recording where that is so for `min_sound_coverage` of the shorter one. The keys are met in
    `partitions` units. A source that loses more than `max_source_loss` of its recordings stops the run. A recording
    that holds `eval_words` words of an evaluation set in a row (or a whole item of at least `min_eval_words`), or
    `min_sound_coverage` of an item's sound, is kept out.
    """

    min_text_words: int
    min_jaccard: float
    min_sound_coverage: float
    max_sound_error: float
    max_source_loss: float
    partitions: int
    min_eval_words: int
    eval_words: int

    def __post_init__(self) -> None:
        """Refuse what would find nothing, or everything."""
        for name in ("min_jaccard", "min_sound_coverage", "max_sound_error", "max_source_loss"):
            value: float = getattr(self, name)
            if not 0 < value <= 1:
                raise UserError(f"dedup.{name} {value} is no share; expected more than 0, at most 1; mend conf/dedup")
        for name in ("min_text_words", "partitions"):
            number: int = getattr(self, name)
            if number < 1:
                raise UserError(f"dedup.{name} {number} is too small; expected at least 1; mend conf/dedup")
        if not 1 <= self.min_eval_words <= self.eval_words:
            raise UserError(
                f"dedup.min_eval_words {self.min_eval_words} is not in 1 to eval_words={self.eval_words}; "
                "shorter items are compared whole; mend conf/dedup"
            )
