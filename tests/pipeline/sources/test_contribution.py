"""Contributions are taken with consent and licence only, and every refusal says what is missing and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import UserError
from pipeline.sources.contribution import ContributionSource
from pipeline.sources.found import Found
from tests.pipeline.sources.stored_places import list_all, no_web, statuses

CONSENT: dict[str, Any] = {
    "speakers": ["Amina Hassan"],
    "signed_by": "Amina Hassan",
    "date": "2026-03-01",
    "contact": "amina@example.org",
    "scope": ["training", "evaluation"],
    "license": "CC-BY-4.0",
}


def contribution(root: Path, consent: dict[str, Any] | str | None = None, **files: str) -> Path:
    folder = root / "amina"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "story.mp3").write_bytes(b"sound")
    (folder / "story.sw.vtt").write_text("WEBVTT")
    text = consent if isinstance(consent, str) else json.dumps(CONSENT if consent is None else consent)
    if text:
        (folder / "consent.yaml").write_text(text)
    for name, content in files.items():
        (folder / name.replace("__", "/")).parent.mkdir(parents=True, exist_ok=True)
        (folder / name.replace("__", "/")).write_text(content)
    return folder


def only(root: Path, **settings: Any) -> Found:
    [found] = list_all(ContributionSource(root=str(root), **settings))
    return found


def test_a_contribution_with_consent_is_taken_with_its_evidence(tmp_path: Path) -> None:
    folder = contribution(tmp_path)
    found = only(tmp_path)
    assert (found.audio_url, found.text_url) == (str(folder / "story.mp3"), str(folder / "story.sw.vtt"))
    assert (found.status, found.declared_lang, found.license) == ("ok", "sw", "CC-BY-4.0")
    assert found.license_evidence == (
        f"{folder}/consent.yaml: license: CC-BY-4.0; "
        "consent.yaml: signed_by Amina Hassan, 2026-03-01, scope training, evaluation"
    )


def test_consent_may_be_yaml_and_the_licence_a_file(tmp_path: Path) -> None:
    yaml = "speakers: [A]\nsigned_by: A\ndate: 2026-03-01\ncontact: a@b.org\nscope: training\n"
    contribution(tmp_path, yaml, LICENSE="SPDX-License-Identifier: CC0-1.0\n\nAll of it.")
    assert (only(tmp_path).license, "LICENSE: license: CC0-1.0" in str(only(tmp_path).license_evidence)) == (
        "CC0-1.0",
        True,
    )


@pytest.mark.parametrize("field", ["speakers", "signed_by", "date", "contact", "scope"])
@pytest.mark.parametrize("value", [None, "", [], {"a": 1}, ["", None]])
def test_a_missing_field_is_named(tmp_path: Path, field: str, value: Any) -> None:
    contribution(tmp_path, {**CONSENT, field: value})
    found = only(tmp_path)
    assert (found.status, found.audio_url) == ("no_consent", "")
    assert f"consent.yaml lacks '{field}'; expected" in str(found.status_detail)
    assert str(found.status_detail).endswith("ask the speakers and add it")


@pytest.mark.parametrize(
    ("consent", "status", "detail"),
    [
        ("", "no_consent", "there is no consent.yaml; expected one with speakers, .*; ask the speakers"),
        ("[1, 2]", "no_consent", "consent.yaml holds no fields; expected .*; fill it in"),
        ("a: [", "no_consent", "consent.yaml cannot be read: .*; expected YAML or JSON; mend it"),
        ("[" * 30_000, "no_consent", "consent.yaml cannot be read: .*; mend it"),
        ('{"speakers": "A"}', "no_consent", "consent.yaml lacks 'signed_by'"),
        (json.dumps({**CONSENT, "date": "1 March"}), "no_consent", "has date '1 March'; expected YYYY-MM-DD; mend it"),
        (json.dumps({**CONSENT, "scope": "research"}), "no_consent", "has scope 'research'; expected 'training'"),
        (json.dumps({**CONSENT, "license": ""}), "no_license", "lacks 'license' and there is no file LICENSE"),
        (json.dumps({**CONSENT, "license": "free!"}), "no_license", "states 'free!'; expected an SPDX id as CC-BY-4.0"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_what_to_do(tmp_path: Path, consent: str, status: str, detail: str) -> None:
    contribution(tmp_path, consent)
    found = only(tmp_path)
    assert (found.status, found.audio_url) == (status, "")
    with pytest.raises(AssertionError, match=detail):
        raise AssertionError(found.status_detail)


def test_a_licence_file_without_an_id_is_refused(tmp_path: Path) -> None:
    contribution(tmp_path, {**CONSENT, "license": None}, LICENSE="You may do as you like with it.")
    assert only(tmp_path).status == "no_license"
    assert "LICENSE states 'You may do as you like" in str(only(tmp_path).status_detail)


@pytest.mark.parametrize("name", ["WITHDRAWN", "withdrawn.txt", "Withdrawal.md"])
def test_a_withdrawal_takes_all_back(tmp_path: Path, name: str) -> None:
    contribution(tmp_path, **{name: "Changed my mind.\n"})
    found = only(tmp_path)
    assert (found.status, found.audio_url) == ("withdrawn", "")
    assert found.status_detail == f"{name} takes the contribution back (Changed my mind.); it is not used"


def test_a_withdrawal_and_a_change_of_consent_make_it_another_place(tmp_path: Path) -> None:
    folder = contribution(tmp_path)
    source = ContributionSource(root=str(tmp_path))
    validators = [source.seeds(no_web)[0].validator]
    for name, text in (("consent.yaml", json.dumps({**CONSENT, "date": "2026-03-02"})), ("WITHDRAWN", "")):
        (folder / name).write_text(text)
        validators.append(source.seeds(no_web)[0].validator)
    assert len(set(validators)) == 3


@pytest.mark.parametrize("name", ["more.mp3.part", "more.wav.crdownload", "sub__more.mp3"])
def test_a_half_copied_contribution_waits(tmp_path: Path, name: str) -> None:
    contribution(tmp_path, **{name: ""})
    found = only(tmp_path)
    assert (found.status, "still being copied; run ingest again" in str(found.status_detail)) == ("incomplete", True)


def test_hidden_files_are_not_looked_at(tmp_path: Path) -> None:
    contribution(tmp_path, **{"._story.mp3": "x", ".DS_Store": "", ".git__x.mp3": "x"})
    (tmp_path / ".trash").mkdir()
    assert statuses(list_all(ContributionSource(root=str(tmp_path)))) == {"ok": 1}


def test_links_out_of_a_contribution_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.mp3").write_bytes(b"x")
    (tmp_path / "secret.vtt").write_bytes(b"x")
    folder = contribution(tmp_path / "in")
    (folder / "secret.mp3").symlink_to(tmp_path / "secret.mp3")
    (folder / "other.mp3").write_bytes(b"sound")
    (folder / "other.vtt").symlink_to(tmp_path / "secret.vtt")
    (tmp_path / "in" / "linked").symlink_to(folder)
    rows = list_all(ContributionSource(root=str(tmp_path / "in")))
    assert statuses(rows) == {"ok": 1, "no_text": 1, "no_consent": 1}
    assert all("secret" not in f"{row.audio_url} {row.text_url}" for row in rows)


def test_audio_without_a_caption_says_which_is_expected(tmp_path: Path) -> None:
    folder = contribution(tmp_path)
    (folder / "story.sw.vtt").unlink()
    assert only(tmp_path).status_detail == (
        "story.mp3 has no caption; expected its name with .vtt, .srt or .txt beside it"
    )
    assert only(tmp_path, captioned_only=False, language="sw").declared_lang == "sw"


def test_mistakes_say_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'/nowhere' is not a folder; expected a folder for each contribution"):
        list_all(ContributionSource(root="/nowhere"))
    folder = contribution(tmp_path)
    with pytest.raises(UserError, match="holds 'consent.yaml' itself; expected a folder for each contribution; put it"):
        list_all(ContributionSource(root=str(folder)))
