"""Other readers of the same samples, each in a process of its own, which calls `main`.

Nothing of Sotto is imported, so that a peer can run in an environment where only it is installed. A line on stdin reads
all samples once; a line of JSON on stdout says how many, and the CPU seconds it took. What a peer needs in its own
format is written to FOLDER first.
"""

from __future__ import annotations

import io
import json
import resource
import sys
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import soundfile

RATE = 16_000
Read = Callable[[], Iterator[Any]]


def webdataset(folder: Path, tars: Sequence[str]) -> Read:
    """Plain webdataset, in the order of the tars."""
    import webdataset as wds

    dataset: Any = wds.WebDataset(list(tars), shardshuffle=False).map(  # pyright: ignore[reportAttributeAccessIssue]
        lambda sample: _decoded(sample["flac"], sample["json"])
    )
    return lambda: iter(dataset)


def streaming(folder: Path, tars: Sequence[str]) -> Read:
    """mosaicml-streaming: the same members in its MDS shards, shuffled as it does."""
    from streaming import MDSWriter, StreamingDataset  # pyright: ignore[reportMissingImports]

    with MDSWriter(out=str(folder), columns={"flac": "bytes", "json": "bytes"}) as out:
        for flac, described in _samples(tars):
            out.write({"flac": flac, "json": described})
    dataset: Any = StreamingDataset(local=str(folder), shuffle=True, batch_size=1)
    return lambda: (_decoded(sample["flac"], sample["json"]) for sample in dataset)


def lhotse(folder: Path, tars: Sequence[str]) -> Read:
    """lhotse Shar: the same samples as cuts with FLAC, their text as supervisions."""
    from lhotse import CutSet, MonoCut, Recording, SupervisionSegment  # pyright: ignore[reportMissingImports]
    from lhotse.shar import SharWriter  # pyright: ignore[reportMissingImports]

    folder.mkdir()
    with SharWriter(str(folder), fields={"recording": "flac"}, shard_size=500) as out:
        for flac, described in _samples(tars):
            plain = json.loads(described)
            name = plain["segment_id"]
            recording = Recording.from_bytes(flac, recording_id=name)
            supervision = SupervisionSegment(
                id=name, recording_id=name, start=0.0, duration=recording.duration, text=plain["text"], custom=plain
            )
            cut = MonoCut(
                id=name, start=0.0, duration=recording.duration, channel=0, recording=recording,
                supervisions=[supervision],
            )  # fmt: skip
            out.write(cut)
    cuts: Any = CutSet.from_shar(in_dir=str(folder))
    return lambda: ((cut.load_audio(), cut.supervisions[0].custom) for cut in cuts)


def _samples(tars: Sequence[str]) -> Iterator[tuple[bytes, bytes]]:
    """Yield FLAC and JSON of every sample."""
    for name in tars:
        with tarfile.open(name) as tar:
            contents = [tar.extractfile(member) for member in tar]
            members = [file.read() for file in contents if file is not None]
            yield from zip(members[::2], members[1::2], strict=True)


def _decoded(flac: bytes, described: bytes) -> tuple[Any, Any]:
    return soundfile.read(io.BytesIO(flac), dtype="float32")[0], json.loads(described)


def serve(read: Read) -> None:
    """Read all samples once for each line on stdin, and say what it took."""
    for _ in sys.stdin:
        start_s = _cpu_s()
        num_samples = sum(1 for _ in read())
        print(json.dumps({"samples": num_samples, "cpu_s": _cpu_s() - start_s}), flush=True)


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main(name: str, folder: str, *tars: str) -> None:
    """Serve a peer, by its name."""
    peers = {"webdataset": webdataset, "streaming": streaming, "lhotse": lhotse}
    serve(peers[name](Path(folder), tars))
