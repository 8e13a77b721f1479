from __future__ import annotations

import time

import numpy as np
import pytest

from pipeline.audio import SAMPLE_RATE
from pipeline.sources.embedded.plan import VARIANTS, VOICES
from pipeline.sources.embedded.sentences import load_grammar
from pipeline.sources.embedded.voice import speak

WORDS = {"en": "three schools", "es": "tres escuelas", "sw": "shule tatu", "am": "ሦስት ትምህርት ቤቶች"}


def say(language: str, variant: str = "") -> np.ndarray:
    return speak(WORDS[language], voice=VOICES[language] + variant, rate_wpm=160, pitch=50)


def test_what_was_said_before_does_not_change_what_is_said_now() -> None:
    first = say("sw", "+f2")
    say("es", "+m3")
    say("en")
    assert np.array_equal(say("sw", "+f2"), first)


def test_the_clock_does_not_change_what_is_said() -> None:
    sentence = "There are three schools in the north."  # espeak-ng rolls dice for this voice, seeded in seconds
    first = speak(sentence, voice="sw+f2", rate_wpm=160, pitch=50)
    time.sleep(1.1)
    assert np.array_equal(speak(sentence, voice="sw+f2", rate_wpm=160, pitch=50), first)


@pytest.mark.parametrize("language", WORDS)
def test_every_language_is_voiced_and_reads_its_own_script(language: str) -> None:
    heard = say(language)
    assert 0.4 < len(heard) / SAMPLE_RATE < 3
    assert np.sqrt(np.mean(heard**2)) > 0.03
    by_english_rules = speak(WORDS[language], voice="en-us", rate_wpm=160, pitch=50)
    assert (language == "en") == (len(by_english_rules) == len(heard))


@pytest.mark.parametrize("language", ["en", "es", "sw", "am"])
def test_no_two_words_of_a_slot_sound_alike(language: str) -> None:
    voice = VOICES[language]
    words = [word for slot in load_grammar(language).slots.values() for word in slot.values()]
    sounds = {speak(w, voice=voice, rate_wpm=160, pitch=50).tobytes() for w in set(words)}
    assert len(sounds) == len(set(words))


@pytest.mark.parametrize("variant", VARIANTS[1:])
def test_variants_are_other_voices(variant: str) -> None:
    assert len(say("en", variant)) != len(say("en"))


def test_speech_begins_and_ends_with_sound() -> None:
    heard = say("en")
    edge = SAMPLE_RATE // 100
    assert np.abs(heard[:edge]).max() > 0.001
    assert np.abs(heard[-edge:]).max() > 0.001


def test_an_unknown_voice_is_our_bug() -> None:
    with pytest.raises(AssertionError, match="espeak-ng has no voice 'xx'"):
        speak("hello", voice="xx", rate_wpm=160, pitch=50)


def test_text_without_sound_is_our_bug() -> None:
    with pytest.raises(AssertionError, match="espeak-ng said nothing for ''"):
        speak("", voice="es", rate_wpm=160, pitch=50)
