"""Verify a finished corpus: every invariant a stored corpus can show, with bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from pipeline.verify import again, books, crawl, files, report, secrets, shards
from pipeline.verify.again import Remake
from pipeline.verify.corpus import Corpus
from pipeline.verify.shards import CountTokens, Tallies
from pipeline.verify.verdict import Tally, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Judges:
    """What others know better: the time, tokens of a sample's JSON, which addresses are public and which hosts ours.

    And how a shard is cut; `most_remade` says of how many to try that (None: all).
    """

    now_s: float
    count_tokens: CountTokens
    is_public: Callable[[str], bool]
    private_hosts: Collection[str]
    remake: Remake
    most_remade: int | None


def verify(corpus: Corpus, judges: Judges) -> list[Verdict]:
    """Return a verdict on each invariant, in order; on the files alone when the tables themselves are damaged."""
    tallies = Tallies(
        files=Tally("I3", "size, sha256, count and duration of every file are those of its manifest"),
        whole=Tally("I5", "every shard reads again, elsewhere too, with all its samples whole"),
        origins=Tally("I9", "licence, provenance and filter versions of every accepted sample"),
        audio=Tally("I10", "decoded audio is as long as stated, captions lie inside it"),
        tokens=Tally(
            "I11", f"no sample is trained on with more than {shards.MAX_TOKENS} tokens, {shards.MAX_PROMPT} before"
        ),
        secrets=Tally("I13", "no key, credential or signed address in any output"),
    )
    files.parts_are_what_their_manifests_say(corpus, tallies.files)
    if tallies.files.num_bad:
        tallies.files.note("damaged corpus: the other invariants were not judged")
        return [tallies.files.verdict()]
    shards.every_shard_holds_what_its_index_says(corpus, tallies, judges.count_tokens)
    books.every_sample_says_where_it_is_from(corpus, tallies.origins)
    secrets.no_output_holds_a_secret(corpus, tallies.secrets)
    verdicts = [
        *tallies.verdicts(),
        books.every_candidate_has_one_state(corpus),
        books.nothing_is_there_twice(corpus),
        books.no_split_leaks(corpus),
        files.nothing_lies_unlisted(corpus, judges.now_s),
        again.shards_are_the_same_when_made_again(corpus, judges.remake, judges.most_remade),
        crawl.no_request_was_refused(corpus),
        crawl.no_private_address_was_asked(corpus, judges.is_public, judges.private_hosts),
        report.the_report_says_what_the_manifests_do(corpus),
    ]
    return sorted(verdicts, key=lambda verdict: int(verdict.invariant[1:]))
