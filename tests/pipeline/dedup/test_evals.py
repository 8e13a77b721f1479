"""Recordings that hold part of an evaluation set are found by their words and by their sound, with their duplicates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.audio import SAMPLE_RATE, to_flac
from pipeline.dedup.config import DedupConfig
from pipeline.dedup.evals import list_eval_items
from pipeline.dedup.shingles import grams_of
from pipeline.dedup.sound import sound_codes
from pipeline.errors import DataError, UserError
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
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("evals")
    (folder / "long.txt").write_text(words("e", 40) + "\n\n" + words("s", 9) + "\nToo short to tell.\n")
    (folder / "clip.flac").write_bytes(to_flac(babble(1)))
    (folder / "README").write_text("no item")
    manifest = folder / "more.jsonl"
    manifest.write_text(json.dumps({"text": words("m", 20), "audio": "clip.flac"}) + "\n")
    return {"folder": str(folder), "listed": str(manifest)}


def test_a_folder_gives_lines_and_audio_and_a_manifest_its_rows(sets: dict[str, str]) -> None:
    [items] = list_eval_items(sets)
    found = [(row["eval_set"], row["item"], bool(row["text"]), bool(row["audio_uri"])) for row in items.to_pylist()]
    assert found == [
        ("folder", "clip.flac", False, True),
        ("folder", "long.txt#line=1", True, False),
        ("folder", "long.txt#line=3", True, False),
        ("folder", "long.txt#line=4", True, False),
        ("listed", "line=1", True, True),
    ]


def test_words_in_a_row_or_a_sound_taint_a_recording_and_all_its_duplicates(
    tmp_path: Path, sets: dict[str, str]
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
    rows = clusters(tmp_path, [part[:3], part[3:]], eval_sets=sets)
    found = {name: row["eval_item"] for name, row in rows.items() if row["eval_set"]}
    assert found == {"row": "long.txt#line=1", "whole": "long.txt#line=3", "heard": "clip.flac", "copy": "clip.flac"}
    assert (rows["row"]["eval_method"], rows["row"]["eval_overlap"]) == ("ngram", pytest.approx(1 / 28))
    assert (rows["copy"]["eval_method"], rows["copy"]["eval_overlap"]) == ("audio_fingerprint", 1.0)
    strict = clusters(tmp_path, [part[:3], part[3:]], eval_sets=sets, min_sound_coverage=1.0, min_eval_words=10)
    assert {name for name, row in strict.items() if row["eval_set"]} == {"row", "heard", "copy"}
    with pytest.raises(DataError, match="loses 4 of 7 recordings as duplicates or evaluation data"):
        run(tmp_path / "strict", [part[:3], part[3:]], eval_sets=sets, max_source_loss=0.5)


def test_half_of_an_evaluation_item_taints_nothing(tmp_path: Path, sets: dict[str, str]) -> None:
    half = sound_codes(babble(1))[:90]
    rows = clusters(tmp_path, [[Recording(name="half", codes=half)]], eval_sets=sets)
    assert rows["half"]["eval_set"] is None


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


def test_a_set_without_items_or_with_broken_audio_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="evaluation set 'gone' has no items at .*; expected a folder .*eval_sets"):
        list_eval_items({"gone": str(tmp_path / "gone")})
    with pytest.raises(UserError, match="evaluation set 'gone' has no items at"):
        list_eval_items({"gone": str(tmp_path / "gone.jsonl")})
    (tmp_path / "broken.flac").write_bytes(b"fLaC but no more")
    with pytest.raises(UserError, match="evaluation audio .*broken.flac' does not decode: .*; mend the set"):
        run(tmp_path / "run", [[Recording(name="a")]], eval_sets={"broken": str(tmp_path)})


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
