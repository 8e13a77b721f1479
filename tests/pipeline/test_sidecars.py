"""Captions are found beside audio by name, the better one first, and names tell the language."""

from __future__ import annotations

import pytest

from pipeline.sidecars import declared_lang, format_of, pairs


@pytest.mark.parametrize(
    ("files", "caption"),
    [
        (["talk.srt", "talk.vtt", "talk.txt"], "talk.vtt"),
        (["talk.srt", "talk.txt"], "talk.srt"),
        (["talk.txt", "talk.en.vtt"], "talk.en.vtt"),  # what has times wins
        (["talk.en.vtt", "talk.srt"], "talk.srt"),
        (["talk.es.vtt", "talk.en.vtt"], "talk.en.vtt"),
        (["talk.en-US.ttml"], "talk.en-US.ttml"),
        (["TALK.VTT", "talk.TXT"], "talk.TXT"),
        (["talk.VTT"], "talk.VTT"),
        (["talk.sw.txt"], "talk.sw.txt"),
        (["talk.notes.txt", "talk.part1.vtt", "talks.vtt", "talk.json", "talk", "talk/talk.vtt", ".vtt"], None),
    ],
)
def test_the_best_caption_beside_is_taken(files: list[str], caption: str | None) -> None:
    assert list(pairs([*files, "talk.mp3"])) == [("talk.mp3", caption)]


def test_audio_and_video_of_any_case_and_depth_is_listed_once() -> None:
    files = ["b/c.MKV", "b/c.srt", "a.b.WebM", "a.b.de.lrc", "d.mp4", "d.m4b", "notes.txt", "a#b.mp3", "x.mp3/y.txt"]
    assert list(pairs(files)) == [
        ("a#b.mp3", None),
        ("a.b.WebM", "a.b.de.lrc"),
        ("b/c.MKV", "b/c.srt"),
        ("d.m4b", None),
        ("d.mp4", None),
    ]


@pytest.mark.parametrize(
    ("audio", "caption", "expected"),
    [
        ("en-00.mp3", "en-00.vtt", "en"),
        ("talk.mp3", "talk.es.vtt", "es"),
        ("talk.mp3", "talk.pt-BR.vtt", "pt"),
        ("sw/talk.mp3", None, "sw"),
        ("am/SW/talk.mp3", None, "sw"),
        ("en.mp3", None, None),
        ("is-it-so.mp3", None, "is"),
        ("talk.mp3", "talk.vtt", None),
    ],
)
def test_the_declared_language_is_read_off_names(audio: str, caption: str | None, expected: str | None) -> None:
    assert declared_lang(audio, caption) == expected


def test_a_text_is_words_and_anything_else_a_caption() -> None:
    assert [format_of(name) for name in ("a.TXT", "a.en.Vtt", "b.ssa")] == ["text", "vtt", "ssa"]
