"""The sentences of a card that hold for every corpus Sotto makes, each true of the code that made it."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.card.facts import UNSTATED, Facts

MS_PER_HOUR = 3_600_000
READ = "Recordings and the captions beside them were read from files or datasets somebody had."
CRAWLED = (
    "Recordings and the captions published beside them were found in feeds, pages, archives or listings and fetched "
    "once, one request at a time to each site, under robots.txt and every opt-out signal that was read. What refused "
    "is counted and not in the corpus."
)
PREPROCESSING = (
    "Audio is decoded to 16 kHz mono and cut at caption cues into windows of at most 30 s; text is repaired (ftfy) and "
    "its cues are made relative to the window. Windows are measured, then judged by rules; a window that breaks a rule "
    "is left out and its reason kept."
)
ANNOTATION = (
    "Nobody annotated this corpus: its labels are the captions as published (weak supervision). They may be late, "
    "paraphrased, translated or made by a machine where no rule noticed."
)
PERSONAL = (
    "Voices are personal data. What people say about themselves and others is in audio and text as published; nothing "
    "is masked. Addresses and titles of the recordings are stored, without credentials."
)
BIASES = (
    "It holds what is published with captions: languages, accents, topics and speakers that publish more have more "
    "hours. Rules may remove more of a language they were measured less on: compare the report's table by language."
)
USES = (
    "Training and evaluation of speech recognition, speech translation to English and spoken-language identification. "
    "Not meant for recognising persons or their traits."
)
MAINTENANCE = (
    "A take-down acts on readers of the shards at once (latest/takedown.txt) and on the bytes at the next ingest. A "
    "recrawl asks every site again, and drops what is gone or has since been refused."
)


def hours(length_ms: int) -> str:
    """Write a length in hours, or in minutes below one."""
    value = length_ms / MS_PER_HOUR
    if value < 1:
        return f"{value * 60:.1f} min"
    return f"{value:,.0f} h" if value >= 100 else f"{value:.1f} h"


def collection(facts: Facts) -> str:
    """Say how it came together."""
    return CRAWLED if facts.user_agents else READ


def summary(facts: Facts) -> str:
    """Say in a sentence what it is."""
    languages = ", ".join(facts.languages[:12]) + (" and others" if len(facts.languages) > 12 else "")
    return (
        f"{hours(facts.kept_ms)} of captioned audio in {len(facts.languages)} languages ({languages}): "
        f"{facts.num_samples:,} windows of {facts.num_recordings:,} recordings, as WebDataset shards."
    )


def limitations(facts: Facts) -> Iterator[str]:
    """Say what is known to be wanting, from the counts."""
    unstated = facts.licences.get(UNSTATED, 0)
    if unstated:
        yield f"{hours(unstated)} state no licence."
    unknown = facts.captions.get(UNSTATED, 0)
    if unknown:
        yield f"For {hours(unknown)} nobody says whether a person or a machine wrote the caption."
    machine = facts.captions.get("auto", 0)
    if machine:
        yield f"{hours(machine)} have captions that are declared machine-made and passed the rules all the same."
    if facts.synthetic_ms:
        yield f"{hours(facts.synthetic_ms)} were spoken by machines: all in the split train, in shards of their own."
    few = [lang for lang in facts.languages if _of_language(facts, lang) < MS_PER_HOUR]
    if few:
        yield f"Under an hour each: {', '.join(few)}."
    yield "Sotto's rules are precise, not complete: what they let through was not listened to."


def losses(facts: Facts) -> str:
    """Say what became of everything that was listed."""
    states = ", ".join(f"{number:,} {state.replace('_', ' ')}" for state, number in sorted(facts.states.items()))
    return f"Of {facts.num_listed:,} candidates: {states}. Every one has a row in the ledger with its reason."


def _of_language(facts: Facts, lang: str) -> int:
    return sum(
        length_ms for (_, kind, name), length_ms in facts.streams.items() if name == lang and kind != "no_speech"
    )
