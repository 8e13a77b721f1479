"""Evaluation sets as they lie on disk, each a folder of a few tones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from model.eval_sets.files import FolderSet, ListingSet
from model.eval_sets.items import EvalItem, EvalSet
from model.eval_sets.public import CommonVoice, CoVoST2, Fleurs, LibriSpeech
from model.eval_sets.shards import ShardSet
from model.eval_sets.sounds import SOUNDS, SoundSet, make_sound
from model.sample import Cue
from pipeline import embedded_file
from pipeline.decoder import decode
from pipeline.errors import DataError, UserError
from tests.model.tiny_shards import windows, write_shards

CUE = Cue(start_ms=0, end_ms=100, text="read")


def items(one: EvalSet) -> list[EvalItem]:
    return list(one.items(read))


def read(uri: str) -> tuple[str, tuple[Cue, ...]]:
    text = Path(uri).read_text(encoding="utf-8")
    return text, (CUE,) if text.startswith("WEBVTT") else ()


def told(found: Sequence[EvalItem]) -> list[tuple[str, str, str, str]]:
    return [(item.item_id, item.lang, item.task, item.text) for item in found]


def write(root: Path, files: dict[str, str]) -> str:
    """Write texts; a name of audio gets a tone of so many milliseconds."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".flac", ".wav", ".mp3"):
            tone = 0.3 * np.sin(np.arange(int(text) * 16) / 5)
            soundfile.write(path, tone.astype(np.float32), 16_000)
        else:
            path.write_text(text, encoding="utf-8")
    return str(root)


def test_librispeech_is_read_by_chapter(tmp_path: Path) -> None:
    trans = "61-70968-0000 HE BEGAN\n61-70968-0001 AND ENDED\n"
    root = write(
        tmp_path,
        {
            "test-clean/61/70968/61-70968.trans.txt": trans,
            "test-clean/61/70968/61-70968-0000.flac": "250",
            "test-clean/61/70968/61-70968-0001.flac": "300",
        },
    )
    found = items(LibriSpeech(root=root, split="test-clean"))
    assert told(found) == [
        ("61-70968-0000", "en", "transcribe", "HE BEGAN"),
        ("61-70968-0001", "en", "transcribe", "AND ENDED"),
    ]
    assert {item.recording_id for item in found} == {"61-70968"}
    assert [len(item.hear()) // 16 for item in found] == [250, 300]
    assert found[0].audio_uri == f"{root}/test-clean/61/70968/61-70968-0000.flac"
    with pytest.raises(UserError, match=r"holds no \.trans\.txt; expected LibriSpeech's SPLIT/SPEAKER/CHAPTER"):
        items(LibriSpeech(root=root, split="dev-clean"))


@pytest.fixture
def fleurs(tmp_path: Path) -> str:
    rows = {
        "en_us": "7\ta.wav\tHello, world.\thello world\th e|\t1600\tMALE\n",
        "sw_ke": '7\tb.wav\tHabari, dunia.\thabari dunia\th|\t1600\tFEMALE\n8\tc.wav\t"Sawa".\tsawa\ts|\t16\tMALE\n',
        "cmn_hans_cn": "7\td.wav\t你好。\t你好\t你|\t1600\tMALE\n",
    }
    files = {f"{lang}/test.tsv": text for lang, text in rows.items()}
    return write(tmp_path, files | {"sw_ke/audio/test/b.wav": "200"})


def test_fleurs_is_read_by_its_own_language_names(fleurs: str) -> None:
    found = items(Fleurs(root=fleurs, split="test", languages=None, task="transcribe"))
    assert told(found) == [
        ("cmn_hans_cn/d.wav", "zh", "transcribe", "你好。"),
        ("en_us/a.wav", "en", "transcribe", "Hello, world."),
        ("sw_ke/b.wav", "sw", "transcribe", "Habari, dunia."),
        ("sw_ke/c.wav", "sw", "transcribe", '"Sawa".'),
    ]
    assert len(found[2].hear()) == 3200


def test_fleurs_translates_to_the_english_sentence_of_the_same_number(fleurs: str) -> None:
    found = items(Fleurs(root=fleurs, split="test", languages=["sw_ke"], task="translate"))
    assert told(found) == [("sw_ke/b.wav", "sw", "translate", "Hello, world.")]
    with pytest.raises(UserError, match="task 'transalte' does not exist; .*; did you mean 'translate'"):
        Fleurs(root=fleurs, split="test", languages=None, task="transalte")  # type: ignore[arg-type]


def test_a_set_without_a_language_is_told(fleurs: str, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"no language has a table .*/LANG/dev\.tsv; expected some to have; mend root, split"
    ):
        items(Fleurs(root=fleurs, split="dev", languages=None, task="transcribe"))
    with pytest.raises(UserError, match=r"languages 'es' is one word; expected a list; write languages=\[es\]"):
        items(CommonVoice(root=str(tmp_path), split="test", languages="es"))  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"no language has a table .*/LANG/covost_v2\.LANG_en\.test\.tsv"):
        items(CoVoST2(root=str(tmp_path), split="test", languages=[]))


def test_common_voice_and_covost_share_their_clips(tmp_path: Path) -> None:
    voices = 'client_id\tpath\tsentence_id\tsentence\nx\t1.mp3\ts\t"Hola", dijo.\ny\t2.mp3\ts\tAdiós.\n'
    translated = "path\tsentence\ttranslation\tclient_id\n2.mp3\tAdiós.\tGoodbye.\ty\n"
    files = {"es/test.tsv": voices, "es/covost_v2.es_en.test.tsv": translated, "es/clips/2.mp3": "300"}
    root = write(tmp_path, files)
    spoken = items(CommonVoice(root=root, split="test", languages=["es"]))
    assert told(spoken) == [
        ("es/1.mp3", "es", "transcribe", '"Hola", dijo.'),
        ("es/2.mp3", "es", "transcribe", "Adiós."),
    ]
    assert [item.recording_id for item in spoken] == ["x", "y"]
    translations = items(CoVoST2(root=root, split="test", languages=["es"]))
    assert told(translations) == [("es/2.mp3", "es", "translate", "Goodbye.")]
    assert len(translations[0].hear()) > 3000
    with pytest.raises(DataError, match=r"evaluation audio .*1\.mp3 cannot be heard: .*; expected audio"):
        spoken[0].hear()


def test_tables_of_another_layout_are_mistakes(tmp_path: Path) -> None:
    lacking, empty = "path\tsentence\n1.mp3\tHola\n", "client_id\tpath\tsentence\n"
    root = write(tmp_path, {"es/test.tsv": lacking, "es/dev.tsv": empty})
    with pytest.raises(UserError, match=r"lacks columns \['client_id'\] or rows; expected columns .*; mend the set"):
        items(CommonVoice(root=root, split="test", languages=["es"]))
    with pytest.raises(UserError, match=r"lacks columns \[\] or rows"):
        items(CommonVoice(root=root, split="dev", languages=["es"]))
    (tmp_path / "es/cut.tsv").write_text("client_id\tpath\tsentence\nx\t1.mp3\n")
    with pytest.raises(
        UserError, match=r"row \['x', '1.mp3'\] of .*cut\.tsv is cut short; expected columns .*; mend the set"
    ):
        items(CommonVoice(root=root, split="cut", languages=["es"]))
    with pytest.raises(UserError, match=r"has no file .*train\.tsv; expected it in this layout; mend root or split"):
        items(CommonVoice(root=root, split="train", languages=["es"]))


def test_a_folder_takes_captions_beside_audio_and_languages_from_names(tmp_path: Path) -> None:
    files = {
        "sw/one.flac": "200",
        "sw/one.vtt": "WEBVTT moja",
        "two.wav": "200",
        "two.am.srt": "ሁለት",
        "alone.wav": "200",
    }
    root = write(tmp_path, files)
    found = items(FolderSet(name="mine", root=root, lang=None, task="transcribe"))
    assert told(found) == [
        ("sw/one.flac", "sw", "transcribe", "WEBVTT moja"),
        ("two.wav", "am", "transcribe", "ሁለት"),
    ]
    assert [item.cues for item in found] == [(CUE,), ()]
    assert {item.lang for item in items(FolderSet(name="mine", root=root, lang="es", task="translate"))} == {"es"}
    with pytest.raises(
        UserError, match="set 'mine' has no audio with a text beside it in .*; expected NAME.vtt or NAME.txt"
    ):
        items(FolderSet(name="mine", root=str(tmp_path / "none"), lang=None, task="transcribe"))
    (tmp_path / "two.am.srt").rename(tmp_path / "two.srt")
    with pytest.raises(UserError, match=r"language '' of .*two\.wav is none; expected a code such as 'sw'"):
        items(FolderSet(name="mine", root=root, lang=None, task="transcribe"))


def test_a_folder_in_which_nobody_speaks_needs_no_texts(tmp_path: Path) -> None:
    root = write(tmp_path, {"rain.wav": "200", "wind.flac": "300"})
    found = items(FolderSet(name="quiet", root=root, lang=None, task="no_speech"))
    assert told(found) == [("rain.wav", "und", "no_speech", ""), ("wind.flac", "und", "no_speech", "")]
    with pytest.raises(UserError, match="task 'quiet' does not exist; have "):
        FolderSet(name="quiet", root=root, lang=None, task="quiet")  # type: ignore[arg-type]


def test_listings_of_every_format_say_the_same(tmp_path: Path) -> None:
    rows = [
        {"audio": "a.wav", "text": "moja", "language": "sw"},
        {"audio": "b.wav", "text": "uno, dos", "language": "es-MX"},
    ]
    write(tmp_path, {"a.wav": "200", "b.wav": "250"})
    (tmp_path / "l.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    (tmp_path / "l.csv").write_text('audio,text,language\na.wav,moja,sw\nb.wav,"uno, dos",es-MX\n')
    (tmp_path / "l.tsv").write_text("audio\ttext\tlanguage\na.wav\tmoja\tsw\nb.wav\tuno, dos\tes-MX\n")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "l.parquet")
    for suffix in ("jsonl", "csv", "tsv", "parquet"):
        one = ListingSet(name="list", listing=str(tmp_path / f"l.{suffix}"), lang=None, task="transcribe")
        assert told(items(one)) == [("1", "sw", "transcribe", "moja"), ("2", "es", "transcribe", "uno, dos")]
        assert [len(item.hear()) // 16 for item in items(one)] == [200, 250]


def test_rows_of_a_listing_need_audio_and_a_text(tmp_path: Path) -> None:
    (tmp_path / "c.srt").write_text("captions")
    path = tmp_path / "l.jsonl"
    path.write_text('{"audio_filepath": "a.wav", "transcript": "c.srt"}\n\n{"audio": "a.wav"}\n')
    one = ListingSet(name="list", listing=str(path), lang="sw", task="transcribe").items(read)
    assert next(one).text == "captions"
    with pytest.raises(UserError, match=r"row 3 of .* has columns \['audio'\]; expected audio, and text or caption"):
        next(one)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "none.csv",
            None,
            r"listing .*none\.csv is not there; expected a \.jsonl, \.csv, \.tsv or \.parquet; mend the path",
        ),
        ("l.doc", "x", r"listing .*l\.doc is not there; expected a \.jsonl"),
        ("l.jsonl", "\n", r"listing .* has no rows; expected audio and its text in each; mend the listing"),
        (
            "l.jsonl",
            "{oops\n",
            r"row 1 of .* cannot be read: no JSON object: .*; expected audio and its text; mend the row",
        ),
        ("l.csv", "audio,text\na.wav,moja\n", r"language '' of row 2 of .* is none; expected a code such as 'sw'"),
    ],
)
def test_a_listing_that_cannot_be_read_is_told(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message):
        items(ListingSet(name="list", listing=str(tmp_path / name), lang=None, task="transcribe"))


def test_a_split_of_shards_gives_each_window_once(tmp_path: Path) -> None:
    shards = write_shards(tmp_path, windows(each=2))
    found = items(ShardSet(shards=shards, split="validation"))
    assert sorted({(item.task, item.lang) for item in found}) == [
        ("no_speech", "und"),
        ("transcribe", "en"),
        ("transcribe", "sw"),
        ("translate", "sw"),
    ]
    assert len(found) == len({item.item_id for item in found}) == 8
    assert [len(item.hear()) // 16 for item in found[:2]] == [300, 400]
    for item in found:
        stored = decode(embedded_file.read(str(item.audio_uri))).samples
        assert (stored == item.hear()).all()
    assert items(ShardSet(shards=None, split="validation")) == []


def test_a_pointer_leads_to_the_shards_of_its_own_data_root(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "moved/artifacts", windows(each=2))
    pointer = tmp_path / "moved/latest/shards.json"
    pointer.parent.mkdir()
    pointer.write_text(json.dumps({"shards_uri": "data/" + shards.removeprefix(f"{tmp_path}/moved/")}))
    assert len(items(ShardSet(shards=str(pointer), split="validation"))) == 8
    with pytest.raises(
        UserError, match="shards .*/nowhere are not there, or not finished; expected a folder that ingest"
    ):
        items(ShardSet(shards=f"{tmp_path}/nowhere", split="validation"))


def test_sounds_are_loud_and_the_same_each_time() -> None:
    found = items(SoundSet(num_each=2, duration_s=1.0))
    assert [item.source for item in found] == [kind for kind in SOUNDS for _ in range(2)]
    assert {(item.task, item.lang, item.text) for item in found} == {("no_speech", "und", "")}
    for kind in SOUNDS:
        one, again, other = make_sound(kind, 0, 1.0), make_sound(kind, 0, 1.0), make_sound(kind, 1, 1.0)
        assert len(one) == 16_000 and one.dtype == np.float32
        assert (one == again).all() and (one != other).any()
        level = float(np.sqrt(np.mean(one**2)))
        assert level == pytest.approx(1e-4 if kind == "silence" else 0.1, rel=0.05)
    with pytest.raises(UserError, match="num_each=0 and duration_s=8 are none to hear; expected 1 or more of each"):
        SoundSet(num_each=0, duration_s=8)
