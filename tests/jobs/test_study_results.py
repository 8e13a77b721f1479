"""What a study's answers come to: values, what steps of the grid change, learning curves, pictures, the page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from jobs.studying.charts import curves_chart, effects_chart, hours_chart, spots_chart
from jobs.studying.curves import Point, learning_curves
from jobs.studying.findings import Effect, effects, findings
from jobs.studying.page import Picture, page
from jobs.studying.settings import Cell, Group, Settings, read_settings
from jobs.studying.tables import Table, curves_table, effects_table, step_name, values_table
from model.evaluation.evaluate import Utterance
from tests.contract.test_configs import composed
from tests.model.evaluation.test_evaluation import told

PNG = b"\x89PNG"
SAID = "one two three four"
# How many of four words are wrong: filters, size and share each help, and filters help more with the larger share.
WRONG = {
    ("filtered", "small", 0.5): 3,
    ("filtered", "small", 1.0): 2,
    ("filtered", "large", 0.5): 2,
    ("filtered", "large", 1.0): 1,
    ("unfiltered", "small", 0.5): 3,
    ("unfiltered", "small", 1.0): 3,
    ("unfiltered", "large", 0.5): 3,
    ("unfiltered", "large", 1.0): 3,
}
HOURS = {(corpus, share): share / 10 for corpus in ("filtered", "unfiltered") for share in (0.5, 1.0)}


@pytest.fixture(scope="module")
def settings() -> Settings:
    given = ("~sizes.demo", "+sizes.small=[]", "+sizes.large=[]", "shares=[1.0,0.5]", "seeds=[0,1]")
    config = composed("study", *given, "metrics=[wer,loss]", "resamples=50")[0]
    return read_settings(OmegaConf.create(config))


def answers(settings: Settings) -> dict[Cell, Sequence[Utterance]]:
    return {cell: answered(WRONG[cell.corpus, cell.size, cell.share]) for cell in settings.cells()}


def answered(num_wrong: int) -> list[Utterance]:
    words = SAID.split()
    heard = " ".join([*("wrong" for _ in range(num_wrong)), *words[num_wrong:]])
    return [replace(told(number, SAID, heard), nll=9.0 * num_wrong, num_tokens=6) for number in range(5)]


def change_of(found: Sequence[Effect], name: str, **places: object) -> list[float]:
    return [
        one.change.value
        for one in found
        if step_name(one) == name and all(getattr(one.step.before, key) == value for key, value in places.items())
    ]


def test_values_pool_the_seeds_and_losses_are_by_character(settings: Settings) -> None:
    given = answers(settings)
    given[Cell(corpus="filtered", size="large", share=1.0, seed=1)] = answered(3)
    found = {(one.group, one.metric): one for one in findings(settings, given)}
    group = Group(corpus="filtered", size="large", share=1.0)
    wer, loss = found[group, "wer"], found[group, "loss"]
    assert wer.pooled.value == pytest.approx(0.5) and wer.by_seed == {0: 0.25, 1: 0.75}
    assert loss.by_seed == {0: pytest.approx(9 / len(SAID)), 1: pytest.approx(27 / len(SAID))}
    assert len(found) == 8 * 2


def test_steps_change_one_thing_and_interactions_are_the_change_of_a_change(settings: Settings) -> None:
    found = effects(settings, answers(settings), "wer")
    assert change_of(found, "filtered → unfiltered", size="large", share=1.0) == [pytest.approx(0.5)]
    assert change_of(found, "small → large", corpus="filtered", share=0.5) == [pytest.approx(-0.25)]
    assert change_of(found, "share 0.5 → 1", corpus="unfiltered", size="small") == [pytest.approx(0.0)]
    assert change_of(found, "filtered → unfiltered × share 0.5 → 1", size="small") == [pytest.approx(0.25)]
    assert change_of(found, "small → large × share 0.5 → 1", corpus="filtered") == [pytest.approx(0.0)]
    assert len(found) == 4 + 4 + 4 + 3 * 2


def test_steps_are_compared_on_the_seeds_that_both_have(settings: Settings) -> None:
    given = answers(settings)
    broken = Cell(corpus="filtered", size="large", share=1.0, seed=0)
    del given[broken]
    given[replace(broken, corpus="unfiltered")] = answered(0)
    found = effects(settings, given, "wer")
    assert change_of(found, "filtered → unfiltered", size="large", share=1.0) == [pytest.approx(0.5)]
    del given[replace(broken, seed=1)]
    assert not change_of(effects(settings, given, "wer"), "filtered → unfiltered", size="large", share=1.0)


def write_metrics(settings: Settings, cell: Cell, rows: Mapping[int, Mapping[str, float]]) -> None:
    folder = cell.folder(settings.name)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [{"step": step, "metrics": metrics} for step, metrics in rows.items()]
    (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def test_curves_have_the_middle_and_the_reach_of_the_seeds(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = answers(settings)
    for cell in list(given)[:2] + [cell for cell in given if cell.seed == 1][:2]:
        value = 3.0 if cell.seed else 6.0
        rows = {100: {"train/all": 9.0}, 200: {"held_out/transcribe-en": value, "held_out/transcribe-sw": value + 2}}
        write_metrics(settings, cell, rows | {300: {"held_out/transcribe-en": value / 3}})
    curves = learning_curves(settings, given, "loss")
    per_character = 6 / len(SAID)
    assert len(curves) == 2
    points = curves[Group(corpus="filtered", size="small", share=1.0)]
    assert [point.step for point in points] == [200, 300]
    found = [(point.middle, point.least, point.most) for point in points]
    assert found == [
        pytest.approx([5.5 * per_character, 4.0 * per_character, 7.0 * per_character]),
        pytest.approx([1.5 * per_character, 1.0 * per_character, 2.0 * per_character]),
    ]
    assert learning_curves(settings, given, "wer") == {}


def test_pictures_are_drawn_alike_each_time(settings: Settings) -> None:
    found = findings(settings, answers(settings))
    wer = [one for one in found if one.metric == "wer"]
    steps = effects(settings, answers(settings), "wer")
    curves = {one.group: [Point(step=n, middle=1 / n, least=0.9 / n, most=1.1 / n) for n in (1, 2, 3)] for one in wer}
    for draw in (
        lambda: hours_chart(settings, wer, HOURS),
        lambda: spots_chart(settings, wer),
        lambda: effects_chart(steps, [step_name(one) for one in steps]),
        lambda: curves_chart(settings, curves, HOURS, "wer"),
    ):
        assert draw().startswith(PNG) and draw() == draw()
    early, late = (
        {group: [replace(point, step=point.step * times) for point in points] for group, points in curves.items()}
        for times in (100, 300)
    )
    assert curves_chart(settings, early, HOURS, "wer") != curves_chart(settings, late, HOURS, "wer")


def test_tables_say_what_is_compared(settings: Settings) -> None:
    given = answers(settings)
    values = list(values_table(findings(settings, given), HOURS).markdown())
    assert values[2] == "| size | share | minutes | corpus | wer | loss |"
    assert values[4].startswith("| small | 1 | 6.0 | filtered | 0.500 (0.500 to 0.500); 0.500, 0.500 |")
    changes = effects_table(effects(settings, given, "wer")).rows
    assert ["filtered → unfiltered", "large, share 1", "+0.500 (+0.500 to +0.500) *"] in changes
    group = Group(corpus="filtered", size="small", share=1.0)
    points = [Point(step=step, middle=1.0, least=1.0, most=1.0 + step / 1000) for step in range(0, 1000, 50)]
    table = curves_table({group: points}, "wer", "word error rate")
    assert table.head[3:] == ["step 50", "step 200", "step 350", "step 500", "step 650", "step 800", "step 950"]
    assert table.rows[0][3] == "1.00 (1.00 to 1.05)"


def test_the_page_stands_alone_and_escapes_what_it_is_given() -> None:
    table = Table(title="Values <1>", note="a & b", head=["x"], rows=[["<b>"]])
    picture = Picture(name="wer", title='"wer"', note="bars", png=PNG)
    text = page("Study <s>", ["seeds [0]"], [picture], [table])
    assert "<title>Study &lt;s&gt;</title>" in text and "<td>&lt;b&gt;</td>" in text and "a &amp; b" in text
    assert "alt='&quot;wer&quot;' src='data:image/png;base64,iVBORw==" in text and "http" not in text
