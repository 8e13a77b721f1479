"""Verify the corpus of the last ingest: `make verify`; the exit code is 1 when an invariant does not hold."""

from __future__ import annotations

import sys
import time

from omegaconf import DictConfig

from jobs.command.cli import EXIT_DATA, command
from jobs.ingesting.verifying import lines, shard_maker, token_counter
from jobs.ledger import latest_artifacts
from pipeline.fetch.guard import is_public
from pipeline.verify.corpus import Corpus
from pipeline.verify.run import Judges, verify


@command("verify")
def main(cfg: DictConfig) -> None:
    """Print a table of the invariants."""
    corpus = Corpus(data_root=cfg.data_root, made=latest_artifacts(cfg.data_root))
    judges = Judges(
        now_s=time.time(),
        count_tokens=token_counter(cfg),
        is_public=is_public,
        private_hosts=frozenset(cfg.private_hosts),
        remake=shard_maker(corpus),
        most_remade=cfg.remake,
    )
    verdicts = verify(corpus, judges)
    print("\n".join(lines(verdicts)))
    if any(verdict.num_bad for verdict in verdicts):
        sys.exit(EXIT_DATA)


if __name__ == "__main__":
    main()
