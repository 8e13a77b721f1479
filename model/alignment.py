"""Help for a young encoder: it learns to say, position by position, the bytes that are spoken.

The CTC loss (Graves et al. 2006) needs no times but takes long to leave its plateau of blanks. A flat start, as
speech recognisers of the 1990s had, gets it off: the bytes of a caption are spread evenly between its own start and
end, and the encoder first learns that. From 16 minutes of speech CTC alone still has a character error rate of
1.0 after 400 steps, and with 200 steps of flat start 0.5 (2 cores, 2026-11).

Tensor suffixes: B rows, S audio positions (20 ms), D width, V bytes and blank.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from model.sample import Sample

BLANK = 256  # after the 256 bytes: any script, no vocabulary of its own
IGNORED = -100
MS_PER_POSITION = 20
SPOKEN_TASKS = ("transcribe", "detect_language")  # their text is what is said


def spoken_bytes(text: str) -> bytes:
    """Return what the encoder should say for a text: its UTF-8 bytes, case aside."""
    return text.strip().lower().encode()


def flat_targets(sample: Sample, num_positions: int) -> NDArray[np.int64]:
    """Return the byte of each position, spread evenly over each cue, and blank where no cue is."""
    targets = np.full(num_positions, BLANK)
    for cue in sample.cues:
        content = np.frombuffer(spoken_bytes(cue.text), dtype=np.uint8)
        start, end = cue.start_ms // MS_PER_POSITION, cue.end_ms // MS_PER_POSITION
        places = np.arange(max(start, 0), min(end, num_positions))
        if len(content):
            targets[places] = content[(places - start) * len(content) // (end - start)]
    return targets


class ByteHead(nn.Module):
    """Predict bytes from the encoder's output; used in training only."""

    def __init__(self, width: int) -> None:
        """Build with new weights."""
        super().__init__()
        self.linear = nn.Linear(width, BLANK + 1)

    def forward(
        self, audio_BSD: Tensor, positions_B: Tensor, texts: Sequence[bytes], targets_BS: Tensor, flat_share: float
    ) -> Tensor:
        """Return the loss per byte: `flat_share` of it from the even spread, the rest from CTC.

        Rows whose text is empty, since it is not what is spoken, do not count.
        """
        lengths_B = torch.tensor([len(text) for text in texts], device=audio_BSD.device)
        num_bytes = lengths_B.sum().clamp(min=1)
        logits_BSV = self.linear(audio_BSD).float()
        flat_loss = F.cross_entropy(logits_BSV.transpose(1, 2), targets_BS, ignore_index=IGNORED, reduction="sum")
        if flat_share == 1.0:
            return flat_loss / num_bytes
        ctc_B = F.ctc_loss(
            logits_BSV.log_softmax(dim=-1).transpose(0, 1),
            torch.tensor(list(b"".join(texts)), device=audio_BSD.device, dtype=torch.long),
            positions_B,
            lengths_B,
            blank=BLANK,
            reduction="none",
            zero_infinity=True,
        )
        ctc_loss = (ctc_B * (lengths_B > 0)).sum()
        return (flat_share * flat_loss + (1.0 - flat_share) * ctc_loss) / num_bytes
