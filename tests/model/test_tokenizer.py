"""Token ids: OpenAI's to the number, our own vocabulary in the same layout, and no way from text to specials."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from model.tokenizer import Tokenizer, _train, train_bpe
from pipeline.errors import DataError, UserError

TEXTS = [
    *["the cat sat on the mat, it's 1999!"] * 9,
    *["ሰላም ለዓለም ሁሉ"] * 7,
    *["Habari ya asubuhi; habari za jioni?"] * 5,
    *["  two  spaces\n\nand lines\t", "naïve café", "日本語のテキスト", "emoji 🙂🙂"] * 3,
]
BYTES_ONLY = train_bpe([], 256)


@pytest.fixture(scope="module")
def openai() -> Tokenizer:
    return Tokenizer.openai()


@pytest.fixture(scope="module")
def corpus() -> Tokenizer:
    return Tokenizer.from_ranks(train_bpe(TEXTS, 320))


@pytest.mark.parametrize(
    ("name", "v2_id", "v3_id"),
    [
        ("eot", 50257, 50257),
        ("sot", 50258, 50258),
        ("translate", 50358, 50359),
        ("transcribe", 50359, 50360),
        ("sot_lm", 50360, 50361),
        ("sot_prev", 50361, 50362),
        ("no_speech", 50362, 50363),
        ("no_timestamps", 50363, 50364),
        ("timestamp_begin", 50364, 50365),
        ("n_vocab", 51865, 51866),
    ],
)
def test_special_ids_are_openais(name: str, v2_id: int, v3_id: int) -> None:
    assert (getattr(Tokenizer.openai(99), name), getattr(Tokenizer.openai(100), name)) == (v2_id, v3_id)


@pytest.mark.parametrize(("code", "token"), [("en", 50259), ("zh", 50260), ("am", 50334), ("sw", 50318), ("su", 50357)])
def test_language_ids_are_openais(openai: Tokenizer, code: str, token: int) -> None:
    assert openai.language_id(code) == token
    assert openai.language_of(token) == code


def test_every_language_has_its_token(openai: Tokenizer) -> None:
    assert openai.all_language_ids == tuple(range(50259, 50358))
    assert [openai.language_of(token) for token in openai.all_language_ids] == list(openai.codes)
    assert Tokenizer.openai(100).language_id("yue") == 50358


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        (" Hello, world!", [2425, 11, 1002, 0]),
        (" Habari ya asubuhi, 2024.", [14225, 3504, 2478, 382, 836, 3232, 72, 11, 45237, 13]),
        ("你好世界", [26410, 24486]),
        ("  two\n\nlines", [220, 732, 198, 198, 11045]),
        (" ሰላም", [21879, 230, 108, 157, 230, 233, 157, 230, 251]),
    ],
)
def test_text_ids_are_openais(openai: Tokenizer, text: str, ids: list[int]) -> None:
    assert openai.encode(text) == ids
    assert openai.decode(ids) == text


def test_the_vendored_vocabulary_is_unchanged(openai: Tokenizer) -> None:
    assert openai.fingerprint == "0dd1ab203bbb81cef2d2d2052449b8dca94c37f0bbc0d9d10e96040ff5ac6014"


@pytest.mark.parametrize("text", ["<|endoftext|>", "<|en|> <|startoftranscript|>", "a<|0.00|>"])
def test_text_never_becomes_a_special_token(openai: Tokenizer, text: str) -> None:
    assert max(openai.encode(text)) < openai.eot
    assert openai.decode(openai.encode(text)) == text


def test_decoding_drops_special_tokens(openai: Tokenizer) -> None:
    sot, timestamp = openai.sot_sequence("en", "transcribe", timestamps=True), openai.timestamp(1_000)
    assert openai.decode([*sot, timestamp, 2425, 11, 1002, 0, openai.eot]) == " Hello, world!"


@pytest.mark.parametrize(
    ("ms", "step"), [(0, 0), (9, 0), (10, 1), (20, 1), (29, 1), (30, 2), (1_000, 50), (30_000, 1500)]
)
def test_timestamps_are_the_nearest_20_ms(openai: Tokenizer, ms: int, step: int) -> None:
    assert openai.timestamp(ms) == 50364 + step


def test_the_prompt_names_language_task_and_timestamps(openai: Tokenizer) -> None:
    assert openai.sot_sequence("am", "translate") == [50258, 50334, 50358, 50363]
    assert openai.sot_sequence("en", "transcribe", timestamps=True) == [50258, 50259, 50359]


def test_a_corpus_vocabulary_keeps_the_layout_after_its_own_size(corpus: Tokenizer) -> None:
    assert (corpus.num_text_tokens, corpus.eot, corpus.sot, corpus.language_id("en")) == (320, 320, 321, 322)
    assert corpus.n_vocab == 320 + Tokenizer.openai(100).n_vocab - 50257


@pytest.mark.parametrize("text", [*dict.fromkeys(TEXTS), "unseen: Ωμέγα \x00 \r\n", ""])
def test_a_corpus_vocabulary_gives_text_back(corpus: Tokenizer, text: str) -> None:
    assert corpus.decode(corpus.encode(text)) == text


def test_ranks_mean_the_same_to_tiktoken_as_merges_to_tokenizers(corpus: Tokenizer) -> None:
    trained = _train(TEXTS, 320)
    texts = [*TEXTS, "the mat, the café and habari ya mat", " ሰላም ሰላም"]
    assert [corpus.encode(text) for text in texts] == [trained.encode(text).ids for text in texts]


def test_a_corpus_vocabulary_is_shorter_on_its_own_language(corpus: Tokenizer, openai: Tokenizer) -> None:
    assert len(corpus.encode("ሰላም ለዓለም")) < len(openai.encode("ሰላም ለዓለም")) / 3


def test_training_twice_gives_the_same_bytes() -> None:
    assert train_bpe(TEXTS, 300) == train_bpe(iter(TEXTS), 300)


def test_fingerprints_tell_vocabularies_apart(openai: Tokenizer, corpus: Tokenizer, tmp_path: Path) -> None:
    (tmp_path / "ranks").write_bytes(train_bpe(TEXTS, 320))
    assert Tokenizer.from_ranks(tmp_path / "ranks").fingerprint == corpus.fingerprint
    others = [openai, Tokenizer.openai(100), Tokenizer.from_ranks(train_bpe(TEXTS, 319))]
    assert len({corpus.fingerprint, *(other.fingerprint for other in others)}) == 4


def test_a_tokenizer_travels_to_workers(corpus: Tokenizer) -> None:
    copy = pickle.loads(pickle.dumps(corpus))
    assert copy.encode(TEXTS[0]) == corpus.encode(TEXTS[0])
    assert copy.fingerprint == corpus.fingerprint


def test_unknown_languages_and_tokens_are_refused(openai: Tokenizer) -> None:
    with pytest.raises(UserError, match="language token 'yue' does not exist"):
        openai.language_id("yue")
    with pytest.raises(UserError, match="token 50358 is no language token; they are 50259 to 50357; check"):
        openai.language_of(50358)
    with pytest.raises(UserError, match="num_languages 101 does not fit the language table; expected 1 to 100"):
        Tokenizer.openai(101)


@pytest.mark.parametrize("ms", [-1, 30_001])
def test_times_outside_the_window_are_refused(openai: Tokenizer, ms: int) -> None:
    with pytest.raises(DataError, match=f"timestamp {ms} ms lies outside the window; expected 0 to 30000; cut"):
        openai.timestamp(ms)


def test_impossible_vocabulary_sizes_are_refused() -> None:
    with pytest.raises(UserError, match="vocab_size 255 is too small; the 256 bytes come first"):
        train_bpe(TEXTS, 255)
    with pytest.raises(UserError, match="vocab_size 9999 is too large for these texts; they give [0-9]+ tokens"):
        train_bpe(TEXTS, 9999)


def test_damaged_rank_files_are_refused() -> None:
    with pytest.raises(DataError, match="rank file '<bytes>' is malformed at line 3; expected base64 token"):
        Tokenizer.from_ranks(b"IQ== 0\nIg== 1\nIw==\n")
    with pytest.raises(DataError, match="rank file '<bytes>' is malformed at line 1"):
        Tokenizer.from_ranks(b"*!* 0\n")
    with pytest.raises(DataError, match="is incomplete; expected all 256 bytes and ranks 0 to n-1"):
        Tokenizer.from_ranks(BYTES_ONLY[: BYTES_ONLY.rindex(b"\n", 0, -1) + 1])


def test_tokens_may_share_a_character(openai: Tokenizer) -> None:
    ids = openai.encode("ሰ")
    assert len(ids) > 1
    assert b"".join(map(openai.bytes_of, ids)) == "ሰ".encode()
    assert openai.text_tokens([openai.sot, *ids, openai.eot, openai.timestamp(0)]) == ids
