"""Credits, thanks and tags in many languages; sentences that only speak of them."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline import schema
from pipeline.annotate.boilerplate import BoilerplateAnnotator, kind_of
from tests.pipeline.annotate.rows import recording_table, said, segment_table

LINES = [
    ("Subtitles by the Amara.org community", "credit"),
    ("Transcribed by Otter.ai", "credit"),
    ("Subtítulos realizados por la comunidad de Amara.org", "credit"),
    ("Sous-titrage ST' 501", "credit"),
    ("Untertitel im Auftrag des ZDF, 2020", "credit"),
    ("Legendas pela comunidade Amara.org", "credit"),
    ("Субтитры сделал DimaTorzok", "credit"),
    ("Manukuu na Amina Juma", "credit"),
    ("ትርጉም፦ አበበ", "credit"),
    ("ترجمة نانسي قنقر", "credit"),
    ("字幕由Amara.org社群提供", "credit"),
    ("Altyazı M.K.", "credit"),
    ("Thanks for watching!", "thanks"),
    ("- Gracias por ver el video.", "thanks"),
    ("ご視聴ありがとうございました", "thanks"),
    ("시청해주셔서 감사합니다", "thanks"),
    ("Asanteni kwa kutazama", "thanks"),
    ("Продолжение следует...", "thanks"),
    ("Děkujeme za sledování!", "thanks"),
    ("Tack för att ni tittade!", "thanks"),
    ("Please subscribe to my channel", "subscribe"),
    ("Abonneer je op mijn kanaal", "subscribe"),
    ("Přihlaste se k odběru kanálu", "subscribe"),
    ("请订阅我的频道", "subscribe"),
    ("© BBC 2019 All rights reserved", "station"),
    ("www.example.org", "station"),
    ("The subtitles were ready before the film was.", None),
    ("Thanks.", None),
    ("Děkuji vám.", None),
    ("Přihlaste se na recepci.", None),
    ("Hij is geabonneerd op twee kranten.", None),
    ("Gracias a todos por venir.", None),
    ("Перевод часов состоится завтра", None),
    ("Altyazı okumayı severim.", None),
    ("I subscribe to two newspapers.", None),
    ("字幕がないと困ります", None),
]


@pytest.mark.parametrize(("line", "kind"), LINES)
def test_a_line_is_boilerplate_only_as_a_whole(line: str, kind: str | None) -> None:
    assert kind_of(line) == kind


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Rain today.\nThanks for watching", ("thanks", 19 / 30, 0.0, True)),
        ("[Music]\n♪♪", (None, 0.0, 1.0, False)),
        ("(laughter) Yes", (None, 0.0, 11 / 14, True)),
        ("Rain today.", (None, 0.0, 0.0, True)),
        (None, (None, None, None, None)),
    ],
)
def test_a_window_is_weighed_by_its_characters(text: str | None, expected: tuple[Any, ...]) -> None:
    table = BoilerplateAnnotator().measure(segment_table(*said("r", text)), recording_table())
    assert table.schema.equals(schema.BOILERPLATE)
    [row] = table.to_pylist()
    found = (row["kind"], row["boilerplate_ratio"], row["sound_tag_ratio"], row["is_spoken"])
    assert found == pytest.approx(expected)
