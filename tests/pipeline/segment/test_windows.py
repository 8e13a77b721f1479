"""Windows on literal cues, then their invariants on random ones."""

from __future__ import annotations

import random

import pytest

from pipeline.errors import UserError
from pipeline.segment.cue import Cue
from pipeline.segment.windows import Window, WindowOptions, after_audio, pack

OPTIONS = WindowOptions()


def cues(*spans: tuple[int, int]) -> list[Cue]:
    return [Cue(start_ms=start, end_ms=end, text=f"cue {start}") for start, end in spans]


def shape(windows: list[Window]) -> list[tuple[int, int, list[tuple[int, int]], int]]:
    return [
        (window.start_ms, window.end_ms, [(cue.start_ms, cue.end_ms) for cue in window.cues], window.cut_ms)
        for window in windows
    ]


def packed(duration_ms: int, *spans: tuple[int, int]) -> list[tuple[int, int, list[tuple[int, int]], int]]:
    return shape(pack(cues(*spans), duration_ms, OPTIONS))


def test_cues_fill_a_window_until_the_next_would_not_fit() -> None:
    assert packed(60_000, (0, 14_000), (14_500, 29_000), (29_500, 44_000), (44_000, 59_000)) == [
        (0, 29_200, [(0, 14_000), (14_500, 29_000)], 0),
        (29_300, 59_200, [(29_500, 44_000), (44_000, 59_000)], 0),
    ]


def test_a_window_may_be_full_to_the_last_millisecond() -> None:
    assert packed(45_000, (0, 15_000), (15_000, 30_000), (30_000, 45_000)) == [
        (0, 30_000, [(0, 15_000), (15_000, 30_000)], 0),
        (30_000, 45_000, [(30_000, 45_000)], 0),
    ]


def test_a_long_pause_ends_a_window_and_a_short_one_does_not() -> None:
    assert packed(9000, (1000, 2000), (3999, 5000), (7000, 8000)) == [
        (800, 5200, [(1000, 2000), (3999, 5000)], 0),
        (6800, 8200, [(7000, 8000)], 0),
    ]


def test_cues_laid_over_speech_share_no_window_with_cues_of_the_file() -> None:
    told, laid = cues((0, 5000), (10_000, 15_000)), Cue(start_ms=5000, end_ms=10_000, text="laid", confidence=0.8)
    windows = pack([told[0], laid, told[1]], 15_000, OPTIONS)
    assert [[cue.confidence for cue in window.cues] for window in windows] == [[None], [0.8], [None]]


def test_padding_shares_a_gap_and_never_overlaps() -> None:
    assert packed(60_000, (0, 29_000), (29_101, 59_000)) == [
        (0, 29_051, [(0, 29_000)], 0),
        (29_051, 59_051, [(29_101, 59_000)], 0),
    ]


def test_stretches_without_cues_become_windows_without_text() -> None:
    assert packed(50_000, (6000, 8000)) == [
        (0, 5800, [], 0),
        (5800, 8200, [(6000, 8000)], 0),
        (8200, 29_100, [], 0),
        (29_100, 50_000, [], 0),
    ]


def test_short_stretches_without_cues_are_in_no_window() -> None:
    assert packed(15_000, (5000, 6000), (11_000, 12_000)) == [
        (4800, 6200, [(5000, 6000)], 0),
        (10_800, 12_200, [(11_000, 12_000)], 0),
    ]


def test_a_recording_without_cues_is_cut_evenly() -> None:
    assert packed(70_000) == [(0, 23_333, [], 0), (23_333, 46_666, [], 0), (46_666, 70_000, [], 0)]


@pytest.mark.parametrize("duration_ms", [0, 1, 4999])
def test_a_recording_shorter_than_any_window_is_one_window(duration_ms: int) -> None:
    assert packed(duration_ms) == [(0, duration_ms, [], 0)]


def test_overlapping_cues_stay_together() -> None:
    assert packed(35_000, (0, 10_000), (10_000, 28_000), (27_000, 33_000)) == [
        (0, 10_000, [(0, 10_000)], 0),
        (10_000, 33_200, [(10_000, 28_000), (27_000, 33_000)], 0),
    ]


def test_overlaps_longer_than_a_window_are_parted_where_the_next_cue_starts() -> None:
    assert packed(45_000, (0, 15_000), (14_000, 29_000), (28_000, 43_000)) == [
        (0, 28_000, [(0, 14_000), (14_000, 28_000)], 0),
        (28_000, 43_200, [(28_000, 43_000)], 0),
    ]


def test_an_overlong_cue_is_cut_at_the_window_and_says_by_how_much() -> None:
    assert packed(50_000, (1000, 41_000)) == [
        (1000, 31_000, [(1000, 31_000)], 10_000),
        (31_000, 50_000, [], 0),
    ]


def test_a_cue_past_the_end_of_the_audio_is_cut_there() -> None:
    assert packed(10_000, (1000, 9000), (9500, 12_000)) == [(800, 10_000, [(1000, 9000), (9500, 10_000)], 2000)]


def test_cues_after_the_audio_are_counted_and_in_no_window() -> None:
    late = cues((1000, 9000), (10_000, 11_000), (12_000, 13_000))
    assert shape(pack(late, 10_000, OPTIONS)) == [(800, 9200, [(1000, 9000)], 0)]
    assert after_audio(late, 10_000) == 2


def test_cues_without_length_still_get_a_window_with_length() -> None:
    assert packed(62_000, (0, 30_000), (30_001, 30_001), (30_002, 60_002)) == [
        (0, 30_000, [(0, 30_000)], 0),
        (30_000, 30_002, [(30_001, 30_001)], 0),
        (30_002, 60_002, [(30_002, 60_002)], 0),
    ]
    assert packed(75_000, (0, 29_000), (30_000, 30_000), (30_000, 70_000)) == [
        (0, 29_200, [(0, 29_000)], 0),
        (30_000, 60_000, [(30_000, 30_000), (30_000, 60_000)], 10_000),
        (60_000, 75_000, [], 0),
    ]


def random_cues(rng: random.Random) -> list[Cue]:
    longest = rng.choice([0, 10, 5000, 20_000, 50_000])
    starts = sorted(rng.randrange(120_000) for _ in range(rng.randrange(40)))
    spans = [(start, start + rng.randrange(longest + 1)) for start in starts]
    return cues(*sorted(spans))


def test_invariants_hold_on_random_cues() -> None:
    rng = random.Random(11)
    for _ in range(3000):
        given, duration_ms = random_cues(rng), rng.randrange(1, 130_000)
        windows = pack(given, duration_ms, OPTIONS)
        audible = [cue for cue in given if cue.start_ms < duration_ms]
        placed = [cue for window in windows for cue in window.cues]
        assert [(cue.start_ms, cue.text) for cue in placed] == [(cue.start_ms, cue.text) for cue in audible]
        assert len(audible) + after_audio(given, duration_ms) == len(given)
        for window in windows:
            assert 0 < window.end_ms - window.start_ms <= OPTIONS.max_ms
            assert all(window.start_ms <= cue.start_ms <= cue.end_ms <= window.end_ms for cue in window.cues)
        edges = [edge for window in windows for edge in (window.start_ms, window.end_ms)]
        assert edges == sorted(edges) and edges[0] >= 0 and edges[-1] <= duration_ms
        gaps = [later - earlier for earlier, later in zip([0, *edges[1::2]], [*edges[::2], duration_ms], strict=True)]
        assert max(gaps) < OPTIONS.min_gap_window_ms or duration_ms < OPTIONS.min_gap_window_ms


def test_cues_that_do_not_overlap_keep_their_ends_inside_the_window() -> None:
    rng = random.Random(12)
    for _ in range(500):
        edges = sorted(rng.sample(range(100_000), 20))
        given = cues(*zip(edges[::2], edges[1::2], strict=True))
        for window in pack(given, 100_000, OPTIONS):
            original = [cue for cue in given if window.start_ms <= cue.start_ms < window.end_ms]
            longest_end_ms = max((cue.end_ms for cue in original), default=0)
            assert window.cut_ms == max(0, longest_end_ms - window.end_ms)
            assert window.cues == tuple(original) or window.cut_ms > 0


def test_a_hundred_thousand_cues_in_one_second_take_linear_time() -> None:
    crowd = cues(*[(index // 100, 1000 + index // 100) for index in range(100_000)])
    assert len(pack(crowd, 60_000, OPTIONS)[0].cues) == 100_000


def test_options_that_windows_cannot_keep_are_refused() -> None:
    with pytest.raises(UserError, match="pad_ms 1500 does not fit; expected 1 to max_gap_ms / 2"):
        WindowOptions(pad_ms=1500)
    with pytest.raises(UserError, match="min_gap_window_ms 5000 with max_ms 40000 is out of range"):
        WindowOptions(max_ms=40_000)
