"""Evaluation as a person runs it: sets, noise, a second checkpoint, and what is left behind."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from omegaconf import OmegaConf

from jobs import evaluate
from jobs.evaluating.charts import hours_chart, noise_chart
from jobs.evaluating.checkpoints import Noise, conditions, hours_of, list_items, read_settings, spread
from jobs.evaluating.files import metric_name
from jobs.evaluating.page import comparison_lines, page, terminal_lines
from jobs.evaluating.sets import by_name, read_captions
from model.eval_sets.files import FolderSet
from model.evaluation.bootstrap import Difference
from model.evaluation.results import Comparison
from model.formats import openai
from model.sample import Cue
from pipeline.errors import UserError
from tests.contract.test_configs import composed
from tests.model.test_export import loaded
from tests.model.tiny_shards import windows, write_shards

PNG = b"\x89PNG"


def row(**given: object) -> dict[str, object]:
    place = {"checkpoint": "a.ckpt", "eval_set": "test", "condition": "clean", "source": "all", "lang": "all"}
    value = {"task": "transcribe", "metric": "wer", "value": 0.5, "low": 0.4, "high": 0.6, "num_utterances": 9}
    return place | value | {"normaliser": "basic-nfkc"} | given


def test_everything_is_measured_drawn_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = write_shards(tmp_path / "artifacts", windows(each=2))
    for name in ("one", "two"):
        (tmp_path / name / "checkpoints").mkdir(parents=True)
        openai.write(loaded(shards).bundle(), tmp_path / name / "checkpoints/model.pt")
    soundfile.write(tmp_path / "talk.wav", np.random.default_rng(0).standard_normal(16_000 * 9) * 0.1, 16_000)
    (tmp_path / "talk.sw.vtt").write_text("WEBVTT\n\n00:00.000 --> 00:08.000\nhabari ya leo\n")
    config, _ = composed(
        "evaluate",
        f"checkpoint={tmp_path}/one/checkpoints/model.pt",
        f"against=[{tmp_path}/two/checkpoints/model.pt]",
        f"shards={shards}",
        "+eval_set@eval_sets.mine=folder",
        f"eval_sets.mine.root={tmp_path}",
        "eval_sets.sounds.num_each=1",
        "listening.longform.clips=whole",
        "noise.kinds=[white,babble]",
        "noise.snrs_db=[20,0]",
        "noise.max_items=2",
        "resamples=20",
        f"tracking.uri=sqlite:///{tmp_path}/mlflow.db",
    )
    evaluate.main.__wrapped__(OmegaConf.create(config))  # type: ignore[attr-defined]
    printed = capsys.readouterr().out
    assert "validation no_speech und" in printed and "folder transcribe sw" in printed and "said   " in printed
    assert f"against {tmp_path}/two" in printed and "white 0 dB" in printed
    folder = tmp_path / "one/checkpoints/eval"
    rows = pq.read_table(folder / "results.parquet").to_pylist()
    assert {one["eval_set"] for one in rows} == {"validation", "sounds", "folder"}
    assert {"clean", "white 20 dB", "babble 0 dB"} <= {one["condition"] for one in rows}
    assert len({one["checkpoint"] for one in rows}) == 2
    assert (folder / "noise.png").read_bytes().startswith(PNG) and (folder / "hours.png").exists()
    page_text = (folder / "index.html").read_text()
    assert "data:image/png;base64," in page_text and "Against" in page_text
    answers = [json.loads(line) for line in (folder / "utterances.jsonl").read_text().splitlines()]
    assert {"moja", "habari ya leo"} <= {one["reference"] for one in answers}
    assert pq.read_table(folder.parent / "eval-sounds.parquet").num_rows > 0


def test_sets_need_a_place_and_names_that_tell_them_apart(tmp_path: Path) -> None:
    openai.write(loaded().bundle(), tmp_path / "model.pt")
    base = (f"checkpoint={tmp_path}/model.pt",)
    with pytest.raises(UserError, match=r"names no shards; expected a split to decode; give shards=FOLDER, or leave"):
        read_settings(OmegaConf.create(composed("evaluate", *base)[0]))
    named = (
        "~eval_set@eval_sets.shards",
        "+eval_set@eval_sets.x=shards",
        "eval_sets.x.shards=/data/latest/shards.json",
    )
    assert read_settings(OmegaConf.create(composed("evaluate", *base, *named)[0]))[0].shards is None
    none = ("~eval_set@eval_sets.shards", "~eval_set@eval_sets.sounds")
    with pytest.raises(UserError, match="eval_sets are none; expected one or more; add "):
        read_settings(OmegaConf.create(composed("evaluate", *base, *none)[0]))
    twice = ("~eval_set@eval_sets.shards", "+eval_set@eval_sets.more=sounds")
    settings, _ = read_settings(OmegaConf.create(composed("evaluate", *base, *twice)[0]))
    assert list(list_items(settings)) == ["sounds", "more"]
    one, other = settings.eval_sets.values()
    with pytest.raises(
        UserError, match="eval_sets.sounds is called 'sounds' as another is; expected a name of its own"
    ):
        by_name({"more": one, "sounds": other})
    with pytest.raises(UserError, match="noise 'wite' does not exist; .* did you mean 'white'"):
        Noise(kinds=["wite"], snrs_db=[0], max_items=1)


def test_each_noise_is_heard_at_each_ratio(tmp_path: Path) -> None:
    for number in range(3):
        soundfile.write(tmp_path / f"{number}.wav", np.full(1600 + number, 0.1), 16_000)
        (tmp_path / f"{number}.en.txt").write_text("one")
    items = list(FolderSet(name="f", root=str(tmp_path), lang=None, task="transcribe").items(read_captions))
    noise = Noise(kinds=["white", "babble"], snrs_db=[10, -5], max_items=2)
    found = dict(conditions(noise, items))
    assert list(found) == ["white 10 dB", "white -5 dB", "babble 10 dB", "babble -5 dB"]
    assert np.ptp(found["white -5 dB"](items[0])) > 0.1
    assert len(found["babble -5 dB"](items[1])) == 1601
    assert not dict(conditions(noise, [])) and not dict(conditions(replace(noise, kinds=[]), items))


def test_captions_become_text_and_cues(tmp_path: Path) -> None:
    timed, words, empty = (tmp_path / name for name in ("a.srt", "a.TXT", "a.vtt"))
    timed.write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n\n2\n00:00:03,000 --> 00:00:04,000\nworld\n")
    text, cues = read_captions(str(timed))
    assert text == "Hello world" and cues[1] == Cue(start_ms=3000, end_ms=4000, text="world")
    words.write_text("JA\n\nUND NEIN\n")
    assert read_captions(str(words)) == ("JA UND NEIN", ())
    empty.write_text("WEBVTT")
    with pytest.raises(
        UserError, match=r"caption .*a\.vtt of an evaluation set holds no words \(empty: .*\); expected"
    ):
        read_captions(str(empty))
    with pytest.raises(UserError, match=r"caption .*none\.vtt of an evaluation set is not there; expected the words"):
        read_captions(str(tmp_path / "none.vtt"))


def test_audio_that_is_not_there_is_told_before_anything_is_heard(tmp_path: Path) -> None:
    openai.write(loaded().bundle(), tmp_path / "model.pt")
    (tmp_path / "l.csv").write_text("audio,text,lang\nnone.wav,moja,sw\n")
    given = (
        "~eval_set@eval_sets.shards",
        "+eval_set@eval_sets.mine=listing",
        f"eval_sets.mine.listing={tmp_path}/l.csv",
    )
    settings, _ = read_settings(OmegaConf.create(composed("evaluate", f"checkpoint={tmp_path}/model.pt", *given)[0]))
    with pytest.raises(UserError, match=r"set 'listing' has no audio .*none\.wav; expected what '1' sounds like; mend"):
        list_items(settings)


def test_hours_are_read_through_a_pointer_and_are_none_where_the_shards_are_away(tmp_path: Path) -> None:
    shards = write_shards(tmp_path, windows(each=2), splits=["train"])
    (tmp_path / "shards.json").write_text(json.dumps({"shards_uri": shards}))
    assert hours_of(str(tmp_path / "shards.json")) == hours_of(shards) != {}
    assert hours_of(str(tmp_path / "none.json")) == hours_of(str(tmp_path / "none")) == hours_of(None) == {}


def test_items_are_spread_evenly() -> None:
    assert spread(list(range(10)), 3) == [0, 3, 6] and spread([1, 2], 5) == [1, 2] == spread([1, 2], None)


def test_tables_show_what_there_is_and_escape_what_was_heard() -> None:
    rows = [row(), row(metric="accuracy", normaliser="none", task="detect_language", value=0.9), row(metric="secret")]
    lines = terminal_lines(rows)
    assert "wer" in lines[1] and "bleu" not in lines[1] and len(lines) == 4
    noisy = [row(condition="white 0 dB", lang=lang) for lang in ("all", "en")]
    assert len(terminal_lines([*rows, *noisy])) == 5
    text = page("a.ckpt", rows, {}, {"noise": PNG}, [("transcribe en", "<b>one", "two")])
    assert "&lt;b&gt;one" in text and "<small>0.400 to 0.600</small>" in text and "iVBO" in text


def test_a_change_has_a_star_where_its_interval_leaves_out_zero() -> None:
    def compared(low: float, high: float) -> Comparison:
        change = Difference(value=-0.1, low=low, high=high, p_value=0.01)
        place = {"eval_set": "test", "task": "transcribe", "lang": "sw", "metric": "wer", "normaliser": "basic-nfkc"}
        return Comparison(**place, first=0.5, second=0.4, change=change)

    lines = comparison_lines("b.ckpt", [compared(-0.2, -0.01), compared(-0.2, 0.01)])
    assert lines[2].endswith("-0.100 (-0.200 to -0.010) *") and lines[3].endswith("-0.100 (-0.200 to +0.010)")


def test_a_rows_name_says_only_what_is_unusual() -> None:
    assert metric_name(row(metric="loss", normaliser="none")) == "test/transcribe-all/loss"
    noisy = row(condition="white -5 dB", source="music", normaliser="whisper")
    assert metric_name(noisy) == "test/transcribe-all/wer/white_-5_dB/music/whisper"


def test_pictures_are_drawn_where_there_is_something_to_draw() -> None:
    assert noise_chart([row()], "wer", "basic-nfkc") is None
    noisy = [row(condition=f"white {db} dB", value=0.1 * number) for number, db in enumerate((20, 10, -5))]
    assert (noise_chart(noisy, "wer", "basic-nfkc") or b"").startswith(PNG)
    by_language = [row(lang=lang, value=value) for lang, value in (("en", 0.1), ("sw", 0.4), ("am", 0.8))]
    hours = {"en": 100.0, "sw": 10.0, "am": 1.0}
    drawn = hours_chart(by_language, hours, "wer", "basic-nfkc")
    assert drawn is not None and drawn == hours_chart(by_language, hours, "wer", "basic-nfkc")
    assert hours_chart(by_language, {}, "wer", "basic-nfkc") is None
