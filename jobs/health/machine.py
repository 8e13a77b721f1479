"""What the machine gives: cores, memory, disk, how fast it keeps what is written, the right to write, the clock."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
import time
from pathlib import Path

from jobs.health.finding import BAD, NOTE, Finding

GIB = 2**30
SYNCS = 12
SLOW_SYNC_S = 0.05  # a disk of a laptop syncs in 1 to 10 ms; a network share in a second
SKEW_S = 2.0
FILES = 4096  # Ray's own advice is more; below this it fails in a middle-sized ingest


def machine(data_root: str, min_free_gib: float, min_memory_gib: float) -> list[Finding]:
    """Look at all of it; a data root that is no folder of this machine has no disk to look at."""
    found = [_cores(), memory(min_memory_gib), _files()]
    return found if "://" in data_root else [*found, *_disk(Path(data_root), min_free_gib)]


def memory(min_gib: float, meminfo: Path = Path("/proc/meminfo")) -> Finding:
    """Compare the memory that is available with what an ingest takes."""
    if not meminfo.exists():
        return Finding(name="memory", seen="unknown on this system")
    kib = {line.split(":")[0]: int(line.split()[1]) for line in meminfo.read_text().splitlines()}
    free, total = kib["MemAvailable"] / 2**20, kib["MemTotal"] / 2**20
    seen = f"{free:.1f} of {total:.1f} GiB available"
    if free < min_gib:
        advice = f"an ingest wants {min_gib:g} GiB: close something, or lower executor.num_cpus"
        return Finding(name="memory", seen=seen, state=NOTE, advice=advice)
    return Finding(name="memory", seen=seen)


def space(free_bytes: int, min_gib: float, place: Path) -> Finding:
    """Compare the free space with what an ingest wants at least."""
    seen = f"{free_bytes / GIB:,.1f} GiB free at {place}"
    if free_bytes < min_gib * GIB:
        advice = f"at least {min_gib:g} GiB are wanted: free some, or give another data_root; make plan says how much"
        return Finding(name="disk", seen=seen, state=BAD, advice=advice)
    return Finding(name="disk", seen=seen)


def sync_speed(sync_s: float) -> Finding:
    """Judge how long it takes to keep a small file for good; every part and receipt is one."""
    seen = f"{sync_s * 1000:.1f} ms for a small file to be on the disk"
    if sync_s > SLOW_SYNC_S:
        advice = "a slow disk or a network share: ingest waits for it at every part; put data_root on a local disk"
        return Finding(name="fsync", seen=seen, state=NOTE, advice=advice)
    return Finding(name="fsync", seen=seen)


def clock(skew_s: float) -> Finding:
    """Judge the difference between this machine's clock and the disk's."""
    if abs(skew_s) > SKEW_S:
        seen = f"the disk's clock is {skew_s:+.1f} s off this machine's"
        advice = "robots.txt and leftovers are judged by age: set both by NTP"
        return Finding(name="clock", seen=seen, state=NOTE, advice=advice)
    return Finding(name="clock", seen=time.strftime("%Y-%m-%d %H:%M:%S UTC, as the disk has it", time.gmtime()))


def _cores() -> Finding:
    usable, load = os.cpu_count() or 1, os.getloadavg()[0]
    seen = f"{usable} cores, load {load:.1f}"
    if load > usable:
        advice = "others are working here: times will be longer than measured"
        return Finding(name="cores", seen=seen, state=NOTE, advice=advice)
    return Finding(name="cores", seen=seen)


def _files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    seen = f"{soft:,} open files allowed"
    if soft < FILES:
        advice = f"run ulimit -n {FILES if hard < 0 else min(hard, 65536)} in this shell first"
        return Finding(name="files", seen=seen, state=NOTE, advice=advice)
    return Finding(name="files", seen=seen)


def _disk(root: Path, min_free_gib: float) -> list[Finding]:
    place = next(folder for folder in (root, *root.absolute().parents) if folder.is_dir())
    found = [space(shutil.disk_usage(place).free, min_free_gib, place)]
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix="doctor.tmp-") as file:
            start_s = time.perf_counter()
            for _ in range(SYNCS):
                file.write(b"x" * 4096)
                file.flush()
                os.fsync(file.fileno())
            sync_s = (time.perf_counter() - start_s) / SYNCS
            skew_s = os.stat(file.name).st_mtime - time.time()
    except OSError as error:
        advice = "give the folder to this user, or another data_root"
        return [*found, Finding(name="write", seen=f"{place}: {error.strerror}", state=BAD, advice=advice)]
    return [*found, Finding(name="write", seen=f"{place} can be written"), sync_speed(sync_s), clock(skew_s)]
