"""The cards of a corpus tell what its tables hold, and nothing others wrote becomes Markdown."""

from __future__ import annotations

import json
import re
from typing import Any

import pyarrow as pa

from pipeline.card.croissant import CONFORMS_TO, to_croissant
from pipeline.card.facts import READS, Facts, Shard, count
from pipeline.card.markdown import to_markdown
from pipeline.card.wording import hours
from pipeline.schema import LEDGER, RECORDING, SHARD_INDEX, SHARD_PLAN

HOUR = 3_600_000
SCHEMAS = {"ledger": LEDGER, "recording": RECORDING, "shard_plan": SHARD_PLAN, "shard_index": SHARD_INDEX}
LEDGER_ROWS = [
    ("r1", "feed", "a.org", "accepted", "kept", "CC-BY-4.0", 2 * HOUR, HOUR),
    ("r2", "feed", "b.org", "accepted", "kept", None, 2 * HOUR, 2 * HOUR),
    ("r3", "feed", "b.org", "rejected", "noisy", None, HOUR, 0),
    ("r4", "feed", "c.org", "opted_out", "robots", None, None, 0),
]
RECORDING_ROWS = [
    ("r1", "human", 1_750_000_000_000, "sotto/0.1 (+https://a.test)"),
    ("r2", None, 1_750_000_000_000 + 86_400_000, "sotto/0.1 (+https://a.test)"),
    ("r3", "auto", 1_750_000_000_000, "sotto/0.1 (+https://a.test)"),
    ("r4", None, None, None),
]
PLAN_ROWS = [
    ("r1", "train", "transcribe", "sw", ["transcribe"], "CC-BY-4.0", "https://cc.test/by", 0, HOUR),
    ("r2", "test", "translate", "am", ["translate"], None, None, 0, 2 * HOUR),
]
INDEX_ROWS = [
    ("train/a.tar", "train", "transcribe", "sw", True, 120, 64_000_000, HOUR, "aa"),
    ("test/b.tar", "test", "translate", "am", False, 240, 128_000_000, 2 * HOUR, "bb"),
]


def tables() -> dict[str, pa.Table]:
    rows = {"ledger": LEDGER_ROWS, "recording": RECORDING_ROWS, "shard_plan": PLAN_ROWS, "shard_index": INDEX_ROWS}
    return {
        name: pa.Table.from_pylist(
            [dict(zip(columns, row, strict=True)) for row in rows[name]],
            schema=pa.schema([SCHEMAS[name].field(column) for column in columns]),
        )
        for name, columns in READS.items()
    }


def facts(**changed: Any) -> Facts:
    return count(tables() | changed, {"noisy": "noise drowns | speech"}, "flac")


def test_facts_add_up() -> None:
    found = facts()
    assert found.synthetic_ms == HOUR
    assert "- 1.0 h were spoken by machines: all in the split train, in shards of their own." in to_markdown(found)
    assert (found.num_listed, found.num_recordings, found.num_samples, found.bytes) == (4, 2, 360, 192_000_000)
    assert found.states == {"accepted": 2, "rejected": 1, "opted_out": 1}
    assert found.rejected == {("rejected", "noisy"): 1, ("opted_out", "robots"): 1}
    assert (found.audio_ms, found.kept_ms) == (5 * HOUR, 3 * HOUR)
    assert found.streams == {("train", "transcribe", "sw"): HOUR, ("test", "translate", "am"): 2 * HOUR}
    assert found.licences == {"not stated": 2 * HOUR, "CC-BY-4.0": HOUR}
    assert found.captions == {"not stated": 2 * HOUR, "human": HOUR}
    assert list(found.hosts) == ["b.org", "a.org"] and found.languages == ["am", "sw"]
    assert found.shards[0] == Shard(uri="train/a.tar", bytes=64_000_000, sha256="aa")


def test_the_card_tells_contents_licences_losses_and_limits() -> None:
    card = to_markdown(facts())
    assert card.startswith("---\ntask_categories: [automatic-speech-recognition]")
    assert "3.0 h of captioned audio in 2 languages (am, sw): 360 windows of 2 recordings" in card
    assert "| train | transcribe | sw | 1.0 h |" in card and "| CC-BY-4.0 | 1.0 h |" in card
    assert "Of 4 candidates: 2 accepted, 1 opted out, 1 rejected." in card
    assert "Fetched from 2025-06-15 to 2025-06-16, as `sotto/0.1 (+https://a.test)`: 5.0 h decoded" in card
    assert "- 2.0 h state no licence." in card and "under robots.txt" in card
    assert "| noisy | noise drowns \\| speech |" in card


def test_what_others_wrote_is_no_markdown_and_no_html() -> None:
    ledger = tables()["ledger"]
    hosts = pa.array(["[x](javascript:1)", "<script>alert(1)</script>\n# no", "b.org", "c.org"])
    card = to_markdown(facts(ledger=ledger.set_column(2, "host", hosts)))
    assert "\\[x\\](javascript:1)" in card and "\\<script\\>" in card and "\n# no" not in card


def test_a_corpus_of_files_claims_no_crawl() -> None:
    nobody = pa.array([None] * 4, pa.string())
    card = to_markdown(facts(recording=tables()["recording"].set_column(3, "user_agent", nobody)))
    assert "robots.txt" not in card and "read from files or datasets somebody had" in card


def test_the_croissant_names_every_shard_with_its_hash() -> None:
    found = json.loads(to_croissant(facts()))
    assert found["conformsTo"] == CONFORMS_TO and found["@type"] == "sc:Dataset"
    tars = [item for item in found["distribution"] if item["@type"] == "cr:FileObject"]
    assert [(tar["contentUrl"], tar["sha256"], tar["contentSize"]) for tar in tars] == [
        ("train/a.tar", "aa", "64000000 B"),
        ("test/b.tar", "bb", "128000000 B"),
    ]
    assert found["license"] == ["CC-BY-4.0", "https://cc.test/by"] and found["datePublished"] == "2025-06-16"


def test_the_croissant_refers_only_to_what_it_has() -> None:
    found = json.loads(to_croissant(facts()))
    ids = {item["@id"] for item in found["distribution"]} | {item["@id"] for item in found["recordSet"]}
    ids |= {field["@id"] for records in found["recordSet"] for field in records["field"]}
    assert set(references(found)) <= ids
    prefixes = {name.partition(":")[0] for name in found if ":" in name}
    assert prefixes <= set(found["@context"])


def references(value: Any) -> list[str]:
    """List what is pointed at: objects that hold an @id and nothing else."""
    if isinstance(value, list):
        return [name for item in value for name in references(item)]
    if not isinstance(value, dict):
        return []
    if set(value) == {"@id"}:
        return [value["@id"]]
    return [name for key, item in value.items() if key != "@context" for name in references(item)]


def test_the_responsible_ai_fields_are_told_from_the_ledger() -> None:
    found = json.loads(to_croissant(facts()))
    told = {name.removeprefix("rai:"): value for name, value in found.items() if name.startswith("rai:")}
    assert {"dataCollection", "dataBiases", "dataLimitations", "personalSensitiveInformation", "dataUseCases"} <= set(
        told
    )
    assert told["dataCollectionTimeframe"] == ["2025-06-15", "2025-06-16"]
    assert "2 accepted, 1 opted out, 1 rejected" in told["dataCollection"]
    assert "noisy: noise drowns | speech" in told["dataPreprocessingProtocol"]


def test_the_key_of_a_sound_is_that_of_its_text() -> None:
    [_, audio] = json.loads(to_croissant(facts()))["recordSet"]
    regex, replaced = audio["field"][0]["source"]["transform"]
    [match] = re.findall(regex["regex"], "0649f1980ca529a4_12356.flac")
    old, new = replaced["replace"].split("/")
    assert match.replace(old, new) == "0649f1980ca529a4:12356"


def test_hours_have_as_many_places_as_tell_something() -> None:
    assert [hours(value) for value in (90_000, HOUR, 250 * HOUR)] == ["1.5 min", "1.0 h", "250 h"]
