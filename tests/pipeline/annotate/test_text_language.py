"""Languages of literal texts; the long sentences are of the Universal Declaration of Human Rights."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline import schema
from pipeline.annotate.text_language import TextLanguageAnnotator, detect, second_opinion
from tests.pipeline.annotate.rows import recording_table, said, segment_table

SENTENCES = {
    "en": "All human beings are born free and equal in dignity and rights.",
    "es": "Todos los seres humanos nacen libres e iguales en dignidad y derechos.",
    "pt": "Todos os seres humanos nascem livres e iguais em dignidade e em direitos.",
    "gl": "Tódolos seres humanos nacen libres e iguais en dignidade e dereitos.",
    "no": "Alle mennesker er født frie og med samme menneskeverd. Jeg vet ikke hva jeg skal gjøre.",
    "da": "Alle mennesker er født frie og lige i værdighed. Jeg ved ikke hvad jeg skal gøre.",
    "sw": "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa.",
    "so": "Aadanaha dhammaantiis wuxuu dhashaa isagoo xor ah kana siman xagga sharafta iyo xuquuqada.",
    "ru": "Все люди рождаются свободными и равными в своем достоинстве и правах.",
    "uk": "Всі люди народжуються вільними і рівними у своїй гідності та правах.",
    "fa": "تمام افراد بشر آزاد به دنیا می‌آیند و از لحاظ حیثیت و حقوق با هم برابرند.",
    "ur": "تمام انسان آزاد اور حقوق و عزت کے اعتبار سے برابر پیدا ہوئے ہیں۔",
    "hi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "am": "የሰው ልጅ ሁሉ ሲወለድ ነጻና በክብርና በመብትም እኩልነት ያለው ነው።",
    "zh": "人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心。",
    "ja": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "ko": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
}
SPANISH_WITHOUT_ACCENTS = "Por favor ingrese la clave de entrada para la conferencia. Opcion invalida."
CROATIAN = "Sva ljudska bića rađaju se slobodna i jednaka u dostojanstvu i pravima. Tko želi doći?"


@pytest.mark.parametrize("lang", SENTENCES)
def test_a_sentence_has_its_language(lang: str) -> None:
    guess = detect(SENTENCES[lang], lang)
    assert guess and guess.lang == lang and guess.confidence > 0.7


@pytest.mark.parametrize("lang", SENTENCES)
def test_the_second_detector_agrees_on_a_sentence(lang: str) -> None:
    assert second_opinion(SENTENCES[lang]) == lang


@pytest.mark.parametrize("text", ["", "12 ♪", "\x00 \ufffe"])
def test_the_second_detector_may_have_no_opinion(text: str) -> None:
    assert second_opinion(text) is None


def test_a_document_the_detectors_dispute_has_half_the_confidence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.annotate.text_language.second_opinion", lambda _: "pt")
    table = segment_table(*said("r", SENTENCES["es"]))
    [row] = TextLanguageAnnotator().measure(table, recording_table()).to_pylist()
    assert (row["lang"], row["cld2_lang"]) == ("es", "pt") and row["confidence"] <= 0.5


def test_the_sources_word_speaks_for_a_short_text() -> None:
    def confidence(declared: str | None) -> float:
        table = segment_table(*said("r", "Agente conectado\n[Music]\n(applause)\npausa", declared_lang=declared))
        [row] = TextLanguageAnnotator().measure(table, recording_table()).to_pylist()
        assert row["lang"] == "es"
        return row["confidence"]

    assert confidence("es") > 0.5 > confidence("pt") == confidence(None)


def test_a_word_alone_says_nothing_against_its_source() -> None:
    for word, declared in (("Dix-huit.", "fr"), ("Trasferimento.", "it")):
        [row] = (
            TextLanguageAnnotator()
            .measure(segment_table(*said("r", word, declared_lang=declared)), recording_table())
            .to_pylist()
        )
        assert row["lang"] == declared and row["confidence"] >= 0.5


def test_capitals_and_missing_accents_do_not_matter() -> None:
    for text in (SPANISH_WITHOUT_ACCENTS, SPANISH_WITHOUT_ACCENTS.upper()):
        guess = detect(text, None)
        assert guess and guess.lang == "es" and guess.confidence > 0.7


@pytest.mark.parametrize(
    "text",
    [
        "Saolaítear gach duine den chine daonna saor agus comhionann i ndínit agus i gcearta.",
        "Alle minsken wurde frij en gelyk yn weardigens en rjochten berne.",
        "asdf qwer zxcv poiu lkjh mnbv",
        "ok",
    ],
)
def test_what_is_none_of_our_languages_has_no_confidence(text: str) -> None:
    guess = detect(text, None)
    assert guess and guess.confidence < 0.1


@pytest.mark.parametrize("text", ["", "12:30", "♪♪"])
def test_a_text_without_letters_has_no_language(text: str) -> None:
    assert detect(text, "en") is None


@pytest.mark.parametrize("declared", ["hr", "bs", "sr"])
def test_the_declared_language_wins_among_those_that_read_alike(declared: str) -> None:
    guess = detect(CROATIAN, declared)
    assert guess and guess.lang == declared and guess.confidence > 0.5


def test_a_declared_language_the_detector_does_not_know_gives_no_answer() -> None:
    maori = "Ko te katoa o nga tangata i te whanaungatanga mai e watea ana i nga here katoa."
    assert detect(maori, "mi") is None
    assert detect(SENTENCES["ru"], "mi") is not None, "its script rules Maori out"


def test_document_and_windows_are_measured() -> None:
    texts = [SENTENCES["es"], None, "Hello, welcome back to the show."]
    table = segment_table(*said("r", *texts, declared_lang="es"), *said("q", "12", declared_lang="es"))
    measured = TextLanguageAnnotator().measure(table, recording_table())
    assert measured.schema.equals(schema.TEXT_LANGUAGE)
    rows: list[dict[str, Any]] = measured.to_pylist()
    assert [row["lang"] for row in rows] == ["es", "es", "es", None]
    assert [row["window_lang"] for row in rows] == ["es", None, "en", None]
    assert [row["langid_lang"] for row in rows] == ["es", "es", "es", None]
    assert [row["cld2_lang"] for row in rows] == ["es", "es", "es", None]
    assert [row["is_other_lang"] for row in rows] == [False, None, True, None]
    assert [row["matches_declared"] for row in rows] == [True, True, True, None]
    assert rows[0]["confidence"] > 0.7


@pytest.mark.parametrize(("declared", "matches"), [("en", True), ("cy", False), (None, None)])
def test_a_match_needs_a_declared_language(declared: str | None, matches: bool | None) -> None:
    table = segment_table(*said("r", SENTENCES["en"], declared_lang=declared))
    [row] = TextLanguageAnnotator().measure(table, recording_table()).to_pylist()
    assert row["matches_declared"] is matches
