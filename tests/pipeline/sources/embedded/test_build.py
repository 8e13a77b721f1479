from __future__ import annotations

import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pipeline.audio import SAMPLES_PER_MS, DecodeError, decode_bytes
from pipeline.errors import UserError
from pipeline.sources.embedded.build import build
from pipeline.sources.embedded.kinds import PLANTED
from pipeline.sources.embedded.labels import load_labels

SEED, SCALE = 3, 0.01  # as in conftest.py


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_other_processes_build_the_same_bytes_even_at_once(corpus: Path, tmp_path: Path) -> None:
    root = tmp_path / "again"
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        summaries = list(pool.map(build, [root, root], [SEED, SEED], [SCALE, SCALE]))
    assert summaries[0] == summaries[1]
    assert contents(root) == contents(corpus)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["again"]


def test_a_corpus_that_is_there_is_not_built_again(corpus: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in corpus.rglob("*")}
    summary = build(corpus, SEED, SCALE)
    assert {path: path.stat().st_mtime_ns for path in corpus.rglob("*")} == before
    assert summary.num_candidates == len(load_labels(corpus))


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="holds no embedded corpus; expected a new or empty one; name another"):
        build(tmp_path, SEED, SCALE)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_the_listing_and_the_labels_tell_of_the_same_candidates(corpus: Path) -> None:
    rows = [json.loads(line) for line in (corpus / "web" / "listing.jsonl").read_text("utf-8").splitlines()]
    labels = load_labels(corpus)
    assert [(row["audio_url"], row["language"]) for row in rows] == [(x.audio_url, x.declared_lang) for x in labels]
    assert {label.defect for label in labels} == {"clean", *(kind.name for kind in PLANTED)}
    for row, label in zip(rows, labels, strict=True):
        assert set(row) == {"audio_url", "text_url", "language", "title", "license", "split", "sha256"}
        assert (corpus / "web" / row["audio_url"]).is_file()
        assert (row["text_url"] is None) == (label.defect == "noise_no_captions")
        is_there = row["text_url"] is not None and (corpus / "web" / row["text_url"]).is_file()
        assert is_there == (label.defect not in {"noise_no_captions", "missing_captions"})


def test_nothing_served_tells_the_truth_about_a_candidate(corpus: Path) -> None:
    assert {path.name for path in (corpus / "web").iterdir()} == {"robots.txt", "listing.jsonl", "audio", "text"}


def test_audio_decodes_to_its_labelled_length_or_is_labelled_undecodable(corpus: Path) -> None:
    for label in load_labels(corpus):
        data = (corpus / "web" / label.audio_url).read_bytes()
        if label.expected in ("failed:undecodable", "failed:wrong_content", "failed:empty"):
            with pytest.raises(DecodeError):
                decode_bytes(data, max_duration_ms=60_000)
            continue
        assert abs(decode_bytes(data, max_duration_ms=60_000).duration_ms - label.duration_ms) < 30


def test_speech_is_loud_within_its_times_and_not_in_the_pauses(corpus: Path) -> None:
    checked = 0
    for label in load_labels(corpus):
        if not label.sentences:
            continue
        samples = decode_bytes((corpus / "web" / label.audio_url).read_bytes(), max_duration_ms=60_000).samples
        level = np.sqrt(np.mean(samples[: len(samples) // 160 * 160].reshape(-1, 160) ** 2, axis=1))  # 10 ms
        is_speech = np.zeros(len(level), dtype=bool)
        for sentence in label.sentences:
            is_speech[sentence.start_ms // 10 : sentence.end_ms // 10] = True
        assert np.median(level[is_speech]) > 3 * np.median(level[~is_speech]), label.audio_url
        assert len(samples) > label.sentences[-1].end_ms * SAMPLES_PER_MS
        checked += 1
    assert checked > 10


def test_an_exact_duplicate_has_the_bytes_of_its_original_and_a_reencoded_one_has_not(corpus: Path) -> None:
    for label in load_labels(corpus):
        if label.duplicate_of:
            copy, original = ((corpus / "web" / url).read_bytes() for url in (label.audio_url, label.duplicate_of))
            assert (copy == original) == (label.defect == "exact_duplicate")
