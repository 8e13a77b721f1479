"""Recordings that hold part of an evaluation set are found by their words and by their sound, with their duplicates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import embedded_file
from pipeline.audio import SAMPLE_RATE, decode_bytes, to_flac
from pipeline.dedup.config import DedupConfig
from pipeline.dedup.evals import HeldOut, item_parts
from pipeline.dedup.shingles import grams_of
from pipeline.dedup.sound import sound_codes
from pipeline.errors import DataError, UserError
from pipeline.tar import TarBuilder
from tests.pipeline.dedup.corpus import SETTINGS, Recording, clusters, run, words


def babble(seed: int, seconds: float = 6.0) -> np.ndarray[Any, Any]:
    """Return noise whose bands come and go, as speech does."""
    rng = np.random.default_rng(seed)
    num = int(seconds * SAMPLE_RATE)
    times = np.arange(num) / SAMPLE_RATE
    tones = [
        np.sin(2 * np.pi * rng.uniform(300, 3000) * times)
        * np.maximum(0, np.sin(2 * np.pi * rng.uniform(0.5, 4) * times + rng.uniform(0, 6)))
        for _ in range(12)
    ]
    return (0.05 * np.sum(tones, axis=0) + 1e-3 * rng.standard_normal(num)).astype(np.float32)


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[HeldOut]:
    clip = tmp_path_factory.mktemp("evals") / "clip.flac"
    clip.write_bytes(to_flac(babble(1)))
    texts = {"long": words("e", 40), "brief": words("s", 9), "tiny": "Too short to tell."}
    read = [HeldOut(eval_set="read", item=name, text=text, audio_uri=None) for name, text in texts.items()]
    return [*read, HeldOut(eval_set="heard", item="clip", text=words("m", 20), audio_uri=str(clip))]


def test_words_in_a_row_or_a_sound_taint_a_recording_and_all_its_duplicates(
    tmp_path: Path, items: list[HeldOut]
) -> None:
    holds_sound = np.concatenate([sound_codes(babble(3)), sound_codes(babble(1))])
    part = [
        Recording(name="row", texts=("so " + words("e", 13, start=20) + " it was",)),
        Recording(name="almost", texts=(words("e", 12, start=20) + " " + words("other", 20),)),
        Recording(name="whole", texts=("Well, " + words("s", 9).upper() + "!",)),
        Recording(name="short", texts=("too short to tell",)),
        Recording(name="heard", codes=holds_sound, audio="copied"),
        Recording(name="copy", audio="copied"),
        Recording(name="unheard", codes=sound_codes(babble(2))),
    ]
    rows = clusters(tmp_path, [part[:3], part[3:]], evals=items)
    found = {name: (row["eval_set"], row["eval_item"]) for name, row in rows.items() if row["eval_set"]}
    sound = ("heard", "clip")
    assert found == {"row": ("read", "long"), "whole": ("read", "brief"), "heard": sound, "copy": sound}
    assert (rows["row"]["eval_method"], rows["row"]["eval_overlap"]) == ("ngram", pytest.approx(1 / 28))
    assert (rows["copy"]["eval_method"], rows["copy"]["eval_overlap"]) == ("audio_fingerprint", 1.0)
    strict = clusters(tmp_path, [part[:3], part[3:]], evals=items, min_sound_coverage=1.0, min_eval_words=10)
    assert {name for name, row in strict.items() if row["eval_set"]} == {"row", "heard", "copy"}
    with pytest.raises(DataError, match="loses 4 of 7 recordings as duplicates or evaluation data"):
        run(tmp_path / "strict", [part[:3], part[3:]], evals=items, max_source_loss=0.5)


def test_half_of_an_evaluation_item_taints_nothing(tmp_path: Path, items: list[HeldOut]) -> None:
    half = sound_codes(babble(1))[:90]
    rows = clusters(tmp_path, [[Recording(name="half", codes=half)]], evals=items)
    assert rows["half"]["eval_set"] is None


def test_an_utterance_too_short_to_be_heard_is_known_sample_for_sample(tmp_path: Path) -> None:
    clip = tmp_path / "yes.flac"
    clip.write_bytes(to_flac(babble(1, seconds=0.4)))
    item = HeldOut(eval_set="words", item="yes", text="Yes.", audio_uri=str(clip))
    same = decode_bytes(clip.read_bytes(), 1000).pcm_sha256
    part = [
        Recording(name="same", pcm=same),
        Recording(name="other"),
        Recording(name="unheard", facts={"pcm_sha256": None}),
    ]
    rows = clusters(tmp_path / "run", [part], evals=[item])
    assert {name: row["eval_method"] for name, row in rows.items()} == {
        "same": "exact_pcm",
        "other": None,
        "unheard": None,
    }


def test_an_utterance_is_found_wherever_its_frames_fall(tmp_path: Path) -> None:
    whole = babble(1, seconds=8.0)
    starts = [20_000 + 64 * step for step in range(8)]  # an eighth of a frame apart
    items = []
    for start in starts:
        path = tmp_path / f"{start}.flac"
        path.write_bytes(to_flac(whole[start : start + 2 * SAMPLE_RATE]))
        items.append(HeldOut(eval_set="cut", item=str(start), text="", audio_uri=str(path)))
    found = [
        clusters(tmp_path / item.item, [[Recording(name="long", codes=sound_codes(whole))]], evals=[item])["long"]
        for item in items
    ]
    assert [row["eval_item"] for row in found] == [str(start) for start in starts]


def test_an_item_in_a_tar_is_heard_there(tmp_path: Path) -> None:
    builder = TarBuilder()
    for number in (1, 2):
        builder.add(f"item-{number}", {"flac": to_flac(babble(number)), "json": b"{}"})
    (tmp_path / "0.tar").write_bytes(builder.finish())
    uri = embedded_file.in_tar(f"{tmp_path}/0.tar", "item-2.flac", builder.offsets[1])
    item = HeldOut(eval_set="shards", item="2", text="", audio_uri=uri)
    part = [Recording(name=f"r{number}", codes=sound_codes(babble(number))) for number in (1, 2)]
    rows = clusters(tmp_path / "run", [part], evals=[item])
    assert {name: row["eval_item"] for name, row in rows.items()} == {"r1": None, "r2": "2"}


def test_items_come_in_parts_and_a_changed_file_is_another_row(tmp_path: Path) -> None:
    clip = tmp_path / "clip.flac"
    clip.write_bytes(b"one")
    many = [HeldOut(eval_set="s", item=str(number), text="", audio_uri=str(clip)) for number in range(300)]
    before = list(item_parts(iter(many)))
    assert [part.num_rows for part in before] == [256, 44]
    clip.write_bytes(b"other")
    assert before[1] != list(item_parts(many))[1]
    assert [part.num_rows for part in item_parts([])] == [0]


@pytest.mark.parametrize(
    ("text", "size", "num"),
    [
        (words("w", 20), 13, 8),
        (words("w", 8), 8, 1),
        (words("w", 7), 7, 0),
        ("\u4f60\u597d" * 15, 26, 2),
        ("\u4f60\u597d" * 7, 14, 0),
        ("", 0, 0),
    ],
)
def test_n_grams_are_of_words_or_twice_as_many_characters_and_short_texts_are_whole(
    text: str, size: int, num: int
) -> None:
    found_size, grams = grams_of(text, 8, 13)
    assert (found_size, len(grams)) == (size, num)


def test_audio_that_is_not_there_or_broken_is_told(tmp_path: Path) -> None:
    gone = HeldOut(eval_set="gone", item="1", text="", audio_uri=str(tmp_path / "gone.flac"))
    with pytest.raises(
        UserError, match=r"evaluation set 'gone' has no audio .*gone.flac; expected what '1' sounds like"
    ):
        list(item_parts([gone]))
    (tmp_path / "broken.flac").write_bytes(b"fLaC but no more")
    broken = HeldOut(eval_set="broken", item="1", text="", audio_uri=str(tmp_path / "broken.flac"))
    with pytest.raises(
        UserError, match=r"evaluation audio .*broken.flac cannot be kept out: .*; mend the set, or take"
    ):
        run(tmp_path / "run", [[Recording(name="a")]], evals=[broken])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"min_jaccard": 0.0}, "dedup.min_jaccard 0.0 is no share; expected more than 0"),
        ({"max_source_loss": 1.5}, "dedup.max_source_loss 1.5 is no share"),
        ({"min_text_words": 0}, "dedup.min_text_words 0 is too small; expected at least 1; mend conf/dedup"),
        ({"partitions": 0}, "dedup.partitions 0 is too small"),
        ({"min_eval_words": 14}, "dedup.min_eval_words 14 is not in 1 to eval_words=13"),
    ],
)
def test_settings_that_find_nothing_or_everything_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        DedupConfig(**{**SETTINGS, **changed})
