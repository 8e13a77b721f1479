from __future__ import annotations

import random
from dataclasses import replace

import torch
from torch.nn import functional as F

from model.alignment import BLANK, IGNORED, AttentionGuide, ByteHead, flat_targets, spoken_bytes, token_spans
from model.net import ModelDimensions, TextDecoder
from model.sample import Cue, Sample
from model.tasks import transcribe
from model.tasks.base import TaskOptions
from model.tokenizer import Tokenizer

DIMS = ModelDimensions(
    n_mels=80,
    n_audio_ctx=20,
    n_audio_state=32,
    n_audio_head=2,
    n_audio_layer=1,
    n_vocab=50,
    n_text_ctx=8,
    n_text_state=32,
    n_text_head=2,
    n_text_layer=2,
)


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


def test_a_cues_tokens_share_its_time_by_their_length_and_are_widened() -> None:
    tokenizer = Tokenizer({bytes([byte]): byte for byte in range(256)}, 100)
    window = sample(Cue(start_ms=1000, end_ms=1600, text="ab"))  # three bytes, with the leading space
    encoded = transcribe.encode(window, tokenizer, TaskOptions(timestamp_prob=0.0), random.Random(0))
    spans = token_spans(encoded, window, tokenizer)
    assert spans.tolist() == [[0, 0]] * 4 + [[40, 70], [50, 80], [60, 90]] + [[0, 0]]


def test_tokens_have_no_span_when_the_cues_do_not_give_the_text() -> None:
    tokenizer = Tokenizer({bytes([byte]): byte for byte in range(256)}, 100)
    window = replace(sample(Cue(start_ms=0, end_ms=400, text="ab")), text="abc")
    encoded = transcribe.encode(window, tokenizer, TaskOptions(timestamp_prob=0.0), random.Random(0))
    assert not token_spans(encoded, window, tokenizer).any()


def test_the_guide_pulls_attention_into_the_spans() -> None:
    torch.manual_seed(0)
    decoder = TextDecoder(DIMS, stochastic_depth=0.0)
    for weight in decoder.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    guide = AttentionGuide(decoder, head_width=16)
    audio_BSD, tokens_BL = torch.randn(2, 20, 32), torch.randint(0, 50, (2, 3))
    spans_BL2 = torch.tensor([[[0, 0], [2, 6], [6, 10]], [[0, 0], [0, 0], [0, 0]]])
    optimizer = torch.optim.Adam(decoder.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        decoder(tokens_BL, audio_BSD, torch.tensor([15, 20]))
        loss = guide.loss(spans_BL2, torch.tensor([15, 20]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 0.5 and losses[-1] < 0.05


def test_a_guide_ignores_tokens_without_a_span_in_the_audio() -> None:
    decoder = TextDecoder(DIMS, stochastic_depth=0.0)
    guide = AttentionGuide(decoder, head_width=16)
    decoder(torch.zeros(1, 2, dtype=torch.long), torch.randn(1, 5, 32), torch.tensor([5]))
    nowhere_BL2, beyond_BL2 = torch.zeros(1, 2, 2, dtype=torch.long), torch.tensor([[[4, 9], [3, 5]]])
    assert guide.loss(nowhere_BL2, torch.tensor([5])).item() == 0.0
    assert guide.loss(beyond_BL2, torch.tensor([3])).item() == 0.0
