"""What verification asks of the rest: the tokens a sample is trained on with, how a shard is cut, and its lines."""

from __future__ import annotations

import random
from collections.abc import Sequence

from omegaconf import DictConfig

from jobs.command.config import instantiate
from model.data.corpus import parse_description
from model.data.examples import Encoder, fits
from model.tasks.base import TaskOptions
from model.tasks.registry import task
from pipeline import artifact, store
from pipeline.shard.codec import codec_of
from pipeline.shard.write import ShardWriter
from pipeline.verify.again import Remake
from pipeline.verify.corpus import Corpus
from pipeline.verify.shards import MAX_TOKENS, CountTokens, Tokens
from pipeline.verify.verdict import Verdict

PROMPTS = tuple(
    TaskOptions(prev_text_prob=1.0, timestamp_prob=timestamps, max_tokens=MAX_TOKENS) for timestamps in (0.0, 1.0)
)


def token_counter(cfg: DictConfig) -> CountTokens:
    """Return what counts the tokens a sample is trained on with at most, from its JSON."""
    tokenizer = instantiate(cfg.vocabulary).build(tuple).tokenizer()
    encoder = Encoder(tokenizer=tokenizer, n_mels=80, max_ms=30_000, loss_weights=None)

    def count(described: bytes) -> Tokens:
        sample = parse_description(described)
        if not fits(sample, encoder, MAX_TOKENS):
            return Tokens(is_passed_over=True)
        found = [
            task(name).encode(sample, tokenizer, options, random.Random(0)).tokens
            for name in sample.tasks
            if task(name).eligible(sample)
            for options in PROMPTS
        ]
        return Tokens(
            total=max(map(len, found), default=0),
            prompt=max((tokens.index(tokenizer.sot) for tokens in found), default=0),
        )

    return count


def shard_maker(corpus: Corpus) -> Remake:
    """Return what cuts a shard again as ingest did: its plan, its recordings and its codec."""
    index = corpus.made["shard_index"]
    identity = artifact.read_manifest(index)["identity"]
    plan = corpus.made.get("shard_plan")

    def remake(number: int) -> bytes | None:
        if plan is None:
            return None
        rows = artifact.read_part(plan, number).to_pylist()
        if not all(store.exists(store.blob_uri(corpus.blobs_uri, row["sha256"])) for row in rows):
            return None
        return ShardWriter(codec_of(identity["config"])).build(rows, corpus.blobs_uri)[0]

    return remake


def lines(verdicts: Sequence[Verdict]) -> list[str]:
    """Write a line for each invariant, its first failures and notes below it."""
    found: list[str] = []
    for verdict in verdicts:
        state = f"{verdict.num_bad:,} BAD" if verdict.num_bad else "ok"
        found.append(f"{verdict.invariant:<5}{verdict.promise:<76}{verdict.num_checked:>11,}  {state}")
        found += [f"       {line}" for line in verdict.first]
        found += [f"       ... and {verdict.num_bad - len(verdict.first):,} more"] * (
            verdict.num_bad > len(verdict.first)
        )
        found += [f"       note: {note}" for note in verdict.notes]
    num_bad = sum(verdict.num_bad > 0 for verdict in verdicts)
    end = f"{num_bad} of {len(verdicts)} invariants do not hold" if num_bad else f"all {len(verdicts)} invariants hold"
    return [*found, end]
