from __future__ import annotations

import torch
from torch.nn import functional as F

from model.alignment import BLANK, IGNORED, ByteHead, flat_targets, spoken_bytes
from model.sample import Cue, Sample


def sample(*cues: Cue) -> Sample:
    return Sample(
        segment_id="a",
        recording_id="a",
        source="tones",
        kind="transcribe",
        lang="en",
        text=" ".join(cue.text for cue in cues),
        text_lang="en",
        cues=cues,
        prev_text=None,
        duration_ms=400,
        tasks=("transcribe",),
    )


def test_bytes_are_spread_evenly_over_each_cue_and_blank_lies_between() -> None:
    first, second = Cue(start_ms=40, end_ms=120, text="Ab"), Cue(start_ms=200, end_ms=260, text=" c ")
    targets = flat_targets(sample(first, second), num_positions=14).tolist()
    a, b, c = b"abc"
    assert targets == [BLANK, BLANK, a, a, b, b, BLANK, BLANK, BLANK, BLANK, c, c, c, BLANK]


def test_a_cue_is_cut_where_the_window_ends() -> None:
    assert flat_targets(sample(Cue(start_ms=0, end_ms=80, text="ab")), num_positions=3).tolist() == [97, 97, 98]


def test_text_without_a_time_of_its_own_leaves_blanks() -> None:
    cues = Cue(start_ms=0, end_ms=0, text="a"), Cue(start_ms=0, end_ms=40, text=" ")
    assert flat_targets(sample(*cues), num_positions=2).tolist() == [BLANK, BLANK]


def test_a_head_that_knows_the_bytes_has_no_loss_of_either_kind() -> None:
    targets_BS = torch.tensor([[97, BLANK, 98, 98], [BLANK, BLANK, BLANK, IGNORED]])
    audio_BSD = F.one_hot(targets_BS.clamp(min=0), BLANK + 1).float() * 50
    head = ByteHead(BLANK + 1)
    head.linear.weight.data, head.linear.bias.data = torch.eye(BLANK + 1), torch.zeros(BLANK + 1)
    texts = [spoken_bytes("AB"), b""]
    for flat_share in (1.0, 0.5, 0.0):
        loss = head(audio_BSD, torch.tensor([4, 3]), texts, targets_BS, flat_share)
        assert loss.item() < 1e-6
    wrong = head(audio_BSD.roll(1, dims=2), torch.tensor([4, 3]), texts, targets_BS, 0.0)
    assert wrong.item() > 10


def test_rows_without_spoken_text_do_not_count() -> None:
    torch.manual_seed(0)
    head, audio_BSD = ByteHead(8), torch.randn(2, 6, 8)
    targets_BS = torch.full((2, 6), IGNORED)
    targets_BS[0] = 97
    both = head(audio_BSD, torch.tensor([6, 6]), [b"a", b""], targets_BS, 0.3)
    alone = head(audio_BSD[:1], torch.tensor([6]), [b"a"], targets_BS[:1], 0.3)
    torch.testing.assert_close(both, alone)
