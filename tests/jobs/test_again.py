"""Asking again: only what failed and may pass, everything by validators, and a trial run asks for nothing."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from jobs.command.config import instantiate
from jobs.ingesting.dry_run import describe_fetch
from jobs.ingesting.wiring import build_stages, publish_seeds, publish_takedowns
from jobs.ingesting.words import settle_words
from jobs.running.executor import SerialExecutor
from jobs.running.flow import Flow
from pipeline import artifact, audio
from tests.contract.tree import ROOT

LISTING = "".join(json.dumps({"audio": f"{name}.flac", "language": "en"}) + "\n" for name in "abc")


@dataclass
class Web:
    """Three audio files on one host, some of them out of order, and who asked for what."""

    broken: set[str] = field(default_factory=set[str])
    asked: Counter[str] = field(default_factory=Counter[str])
    port: int = 0

    def answer(self, path: str, seen: str | None) -> tuple[int, bytes]:
        self.asked[path] += 1
        if path in self.broken:
            return 503, b""
        if path == "/listing.jsonl":
            return (304, b"") if seen else (200, LISTING.encode())
        if path.endswith(".flac"):
            return (304, b"") if seen else (200, sound(path))
        return 404, b""


def sound(path: str) -> bytes:
    time_s = np.arange(32_000) / 16_000
    return audio.to_flac(np.sin(2 * np.pi * ord(path[1]) * time_s).astype(np.float32) / 2)


@contextmanager
def served(web: Web) -> Generator[Web]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802 (the base class's name)
            code, body = web.answer(self.path, self.headers.get("If-None-Match"))
            self.send_response(code)
            self.send_header("ETag", '"one"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        web.port = server.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield web
        server.shutdown()


def settings(web: Web, root: Path, *overrides: str) -> DictConfig:
    given = (
        "source=listing", "source.root=http://web.test/listing.jsonl", f"data_root={root}", f"takedown={root}/lists",
        "fetch.http.delay_s=0", "fetch.http.attempts=1",
    )  # fmt: skip
    with initialize_config_dir(str(ROOT / "conf"), version_base=None):
        cfg = compose("ingest", [*given, *overrides])
    cfg.fetch.http.pins = {"web.test": f"127.0.0.1:{web.port}"}
    settle_words(cfg, datetime.now(UTC))
    return cfg


def crawl(cfg: DictConfig, num_stages: int = 3) -> dict[str, str]:
    """Run up to the fetch; returns each file's status."""
    source, root = instantiate(cfg.source), cfg.data_root
    flow = Flow(
        root_uri=f"{root}/artifacts", blobs_uri=f"{root}/blobs", executor=SerialExecutor(), progress=lambda *_: None
    )
    inputs = {"seed": publish_seeds(cfg, source, flow), "takedown": publish_takedowns(cfg, flow)}
    made = flow.run(build_stages(cfg, source)[:num_stages], inputs)
    if num_stages < 3:
        return {"forecast": describe_fetch(cfg, made["candidate"])}
    return {Path(row["audio_url"]).name: row["status"] for row in artifact.read_all(made["recording"]).to_pylist()}


def files(web: Web) -> dict[str, int]:
    """Return how often each audio file was asked for since the last look."""
    found = {path[1:]: number for path, number in web.asked.items() if path.endswith(".flac")}
    web.asked.clear()
    return found


def test_only_what_failed_is_asked_for_again_and_a_recrawl_asks_for_everything_once(tmp_path: Path) -> None:
    with served(Web(broken={"/b.flac"})) as web:
        assert crawl(settings(web, tmp_path)) == {"a.flac": "ok", "b.flac": "http_503", "c.flac": "ok"}
        assert files(web) == {"a.flac": 1, "b.flac": 1, "c.flac": 1}
        web.broken.clear()
        assert crawl(settings(web, tmp_path))["b.flac"] == "http_503"
        assert files(web) == {}
        assert set(crawl(settings(web, tmp_path, "again=failed")).values()) == {"ok"}
        assert files(web) == {"b.flac": 1}
        assert set(crawl(settings(web, tmp_path)).values()) == {"ok"}
        assert files(web) == {}
        assert set(crawl(settings(web, tmp_path, "again=all")).values()) == {"ok"}
        assert files(web) == {"a.flac": 1, "b.flac": 1, "c.flac": 1}


def test_a_listing_that_failed_is_asked_for_again_too(tmp_path: Path) -> None:
    with served(Web(broken={"/listing.jsonl"})) as web:
        assert crawl(settings(web, tmp_path)) == {"": "http_503"}
        web.broken.clear()
        assert len(crawl(settings(web, tmp_path, "again=failed"))) == 3


def test_a_dry_run_reads_the_listing_and_asks_for_no_audio(tmp_path: Path) -> None:
    with served(Web()) as web:
        said = crawl(settings(web, tmp_path, "dry_run=true"), num_stages=2)["forecast"]
        assert said.startswith("nothing was fetched; 3 candidates: 3 to fetch")
        assert web.asked["/listing.jsonl"] == 1 and files(web) == {}
        crawl(settings(web, tmp_path))
        web.asked.clear()
        assert "3 stored already" in crawl(settings(web, tmp_path, "dry_run=true"), num_stages=2)["forecast"]
        assert web.asked == {}


def test_nothing_that_was_taken_down_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "a.txt").write_text("http://web.test/b.flac\n")
    with served(Web()) as web:
        assert crawl(settings(web, tmp_path)) == {"a.flac": "ok", "b.flac": "taken_down", "c.flac": "ok"}
        assert files(web) == {"a.flac": 1, "c.flac": 1}
        (tmp_path / "lists" / "a.txt").write_text("web.test\n")
        web.asked.clear()
        assert crawl(settings(web, tmp_path, "again=all")) == {"": "taken_down"}
        assert web.asked == {}
