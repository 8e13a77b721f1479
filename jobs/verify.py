"""Verify the corpus of the last ingest: `make verify`; the exit code is 1 when an invariant does not hold."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

import hydra
from omegaconf import DictConfig

from jobs.cli import EXIT_DATA, clean_errors
from jobs.config import instantiate
from jobs.ledger import latest_artifacts
from model.corpus import parse_description
from model.examples import Encoder, most_tokens
from pipeline.fetch.guard import is_public
from pipeline.verify.corpus import Corpus
from pipeline.verify.run import Judges, verify
from pipeline.verify.verdict import Verdict

PROVED_BY_TESTS = "I6, the same bytes after kills, with any number of workers and in any order: make kill-test"


@hydra.main(version_base=None, config_path="../conf", config_name="verify")
@clean_errors
def main(cfg: DictConfig) -> None:
    """Print a table of the invariants."""
    corpus = Corpus(data_root=cfg.data_root, made=latest_artifacts(cfg.data_root))
    judges = Judges(
        now_s=time.time(),
        count_tokens=token_counter(cfg),
        is_public=is_public,
        private_hosts=frozenset(cfg.private_hosts),
    )
    verdicts = verify(corpus, judges)
    print("\n".join(lines(verdicts)))
    if any(verdict.num_bad for verdict in verdicts):
        sys.exit(EXIT_DATA)


def token_counter(cfg: DictConfig) -> Callable[[bytes], int]:
    """Return what counts the tokens a sample takes at most, from its JSON."""
    tokenizer = instantiate(cfg.vocabulary).build(tuple).tokenizer()
    encoder = Encoder(tokenizer=tokenizer, n_mels=80, max_ms=30_000, loss_weights=None)
    return lambda described: most_tokens(parse_description(described), encoder)


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
    return [*found, f"{end} (not shown here: {PROVED_BY_TESTS})"]


if __name__ == "__main__":
    main()
