"""Transcribe audio: python jobs/transcribe.py checkpoint=CHECKPOINT inputs=FOLDER out=FOLDER"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from omegaconf import DictConfig
from tqdm import tqdm

from jobs.command.cli import command
from jobs.command.config import instantiate
from jobs.running.cluster import settle_places
from jobs.transcribing.ablation import ablate
from jobs.transcribing.inputs import Item, find_items, whole
from jobs.transcribing.parts import Settings, hear_all, is_done, load_model, write
from jobs.transcribing.transcripts import transcribe_corpus
from pipeline import store
from pipeline.errors import DataError


@command("transcribe")
def main(cfg: DictConfig) -> None:
    """Transcribe what has no transcript yet, or measure the heuristics."""
    if cfg.data_root:
        settle_places(cfg)
        settle_inputs(cfg)
    settings = Settings(**instantiate(cfg))
    items = find_items(settings.inputs)
    if settings.ablate:
        for line in ablate(settings, items):
            print(line, flush=True)
        return
    if settings.data_root:
        failures = transcribe_corpus(settings, settings.data_root, items)
    else:
        todo = [item for item in items if not is_done(item, settings)]
        print(f"{len(todo)} of {len(items)} files to transcribe", flush=True)
        failures = transcribe(settings, todo) if todo else []
    if failures:
        raise DataError("\n".join([f"{len(failures)} of {len(items)} files were not transcribed", *failures]))


def settle_inputs(cfg: DictConfig) -> None:
    """Make local paths whole, so that they mean the same in every worker, and say which a cluster has to see."""
    inputs = [cfg.inputs] if isinstance(cfg.inputs, str) else list(cfg.inputs)
    cfg.checkpoint, cfg.inputs, cfg.out = whole(cfg.checkpoint), [whole(one) for one in inputs], whole(cfg.out)
    local = [place for place in (cfg.checkpoint, *cfg.inputs, cfg.out) if store.is_local(place)]
    if cfg.executor.address and local:
        print(f"every machine of the cluster has to see {', '.join(local)}", flush=True)


def transcribe(settings: Settings, items: Sequence[Item]) -> list[str]:
    """Transcribe items here and write each as it ends; returns what went wrong."""
    model, failures, by_name = load_model(settings), dict[str, str](), {item.name: item for item in items}
    transcriber = model.transcriber(settings.decode, settings.longform, settings.batch_size)
    started_s, audio_s = time.monotonic(), 0.0
    with tqdm(total=len(items), unit="file", disable=not sys.stderr.isatty()) as bar:
        for recording, transcript in transcriber.run(hear_all(items, settings, model, failures)):
            write(transcript, by_name[recording.name], settings)
            audio_s += recording.duration_ms / 1000
            bar.update()
            bar.set_postfix_str(f"{audio_s / (time.monotonic() - started_s):.1f} x real time")
    elapsed_s = time.monotonic() - started_s
    speed = f"{audio_s / 60:.1f} min of audio in {elapsed_s:.1f} s: {audio_s / elapsed_s:.1f} x real time"
    print(f"{speed}; {settings.out}")
    return list(failures.values())


if __name__ == "__main__":
    main()
