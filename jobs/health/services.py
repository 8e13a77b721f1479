"""What runs beside Sotto: MLflow and who can reach it, Ray, its token and dashboard, an object store's credentials."""

from __future__ import annotations

import shutil
import socket
import sqlite3
import stat
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from jobs.health.finding import BAD, NOTE, Finding
from pipeline import store

TIMEOUT_S = 2.0
DASHBOARD_PORT = 8265
JOBS = "/api/jobs/"
CREDENTIALS = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; AWS_ENDPOINT_URL for another store"


def mlflow(tracking_uri: str, port: int) -> list[Finding]:
    """Look at the store of the runs, and whether a UI of it can be reached from other machines."""
    return [mlflow_store(tracking_uri), mlflow_binding(port, _own_addresses())]


def mlflow_store(tracking_uri: str) -> Finding:
    """Look whether runs can be kept there."""
    scheme = urlsplit(tracking_uri).scheme
    if scheme in ("http", "https"):
        status = _status(f"{tracking_uri.rstrip('/')}/health", {})
        if status != 200:
            advice = "start the server, mend tracking.uri, or leave it out: the default is a file"
            return Finding(name="mlflow", seen=f"{tracking_uri} answers {status}", state=BAD, advice=advice)
        return Finding(name="mlflow", seen=f"{tracking_uri} answers")
    if not tracking_uri.startswith("sqlite:///"):
        advice = "MLflow 3.17 refuses a folder: give tracking.uri=sqlite:///mlflow.db or http://host:5000"
        return Finding(name="mlflow", seen=f"{tracking_uri} is no database", state=BAD, advice=advice)
    path = Path(tracking_uri.removeprefix("sqlite:///"))
    if not path.exists():
        return Finding(name="mlflow", seen=f"{path} will be made by the first run")
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=TIMEOUT_S) as database:
            [count] = database.execute("select count(*) from runs").fetchone()
    except sqlite3.Error as error:
        advice = "move the file away, and the next run makes a new one; runs of an older MLflow need: mlflow db upgrade"
        return Finding(name="mlflow", seen=f"{path}: {error}", state=BAD, advice=advice)
    return Finding(name="mlflow", seen=f"{path} holds {count:,} runs")


def mlflow_binding(port: int, own_addresses: list[str]) -> Finding:
    """Look whether something answers at MLflow's port on an address that others reach."""
    if any(_is_open(address, port) for address in own_addresses):
        seen = f"port {port} answers on an address that other machines reach, and MLflow asks nobody who they are"
        return Finding(name="mlflow ui", seen=seen, state=BAD, advice="start it with make ui, which binds 127.0.0.1")
    if _is_open("127.0.0.1", port):
        return Finding(name="mlflow ui", seen=f"http://127.0.0.1:{port}, for this machine only")
    return Finding(name="mlflow ui", seen="not running; make ui starts it for this machine only")


def ray_security(environment: Mapping[str, str], home: Path, dashboard: str) -> list[Finding]:
    """Look at Ray's token: who can read it, and whether a cluster that runs here asks for it."""
    token = Path(environment.get("RAY_AUTH_TOKEN_PATH") or home / ".ray" / "auth_token")
    found = [_token(token, environment.get("RAY_AUTH_MODE", ""), "RAY_AUTH_TOKEN" in environment)]
    status = _status(dashboard + JOBS, {})
    if status == 200:
        advice = "whoever reaches it runs code here: stop the cluster, set RAY_AUTH_MODE=token, start it again"
        seen = f"{dashboard} answers without a token"
        found.append(Finding(name="ray dashboard", seen=seen, state=BAD, advice=advice))
    elif status is not None:
        found.append(Finding(name="ray dashboard", seen=f"{dashboard} asks for a token ({status})"))
    return found


def ray_path(environment: Mapping[str, str]) -> Finding:
    """Look which python a `ray start` of this shell would give its workers."""
    first, ours = shutil.which("python", path=environment.get("PATH", "")), Path(sys.prefix) / "bin" / "python"
    if first is None or Path(first).parent.resolve() != ours.parent.resolve():
        advice = f'before ray start: export PATH="{ours.parent}:$PATH"; make targets do it themselves'
        seen = f"python on the PATH is {first or 'none'}, not {ours}"
        return Finding(name="path", seen=seen, state=NOTE, advice=advice)
    return Finding(name="path", seen=f"python on the PATH is {first}")


def object_store(data_root: str) -> Finding:
    """Write, read and remove a small object at the data root."""
    uri = store.join(data_root, f"doctor.tmp-{uuid.uuid4().hex[:12]}")
    try:
        store.publish(uri, b"doctor")
        is_same = store.read_bytes(uri) == b"doctor"
        store.remove(uri)
    except (OSError, BotoCoreError, ClientError, ImportError) as error:
        seen = f"{data_root}: {type(error).__name__}: {error}"
        return Finding(name="object store", seen=seen, state=BAD, advice=CREDENTIALS)
    if not is_same:
        return Finding(name="object store", seen=f"{data_root} gives other bytes back", state=BAD, advice=CREDENTIALS)
    return Finding(name="object store", seen=f"{data_root} can be written, read and removed from")


def _token(path: Path, mode: str, is_given: bool) -> Finding:
    if is_given:
        return Finding(name="ray token", seen="in RAY_AUTH_TOKEN")
    if not path.exists():
        advice = "the first embedded run makes one; before a cluster of your own: ray get-auth-token --generate"
        return Finding(name="ray token", seen=f"none at {path}", state=NOTE, advice=advice)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        seen = f"{path} can be read by others on this machine: with it they run code in your cluster"
        return Finding(name="ray token", seen=seen, state=NOTE, advice=f"chmod 600 {path}")
    if mode != "token":
        advice = "for ray start and ray job submit: export RAY_AUTH_MODE=token, on every machine with the same token"
        return Finding(name="ray token", seen=f"{path}, and RAY_AUTH_MODE is not set", state=NOTE, advice=advice)
    return Finding(name="ray token", seen=f"{path}, RAY_AUTH_MODE=token")


def _status(url: str, headers: Mapping[str, str]) -> int | None:
    """Return the HTTP status of an address; None when nothing answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, headers=dict(headers)), timeout=TIMEOUT_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, ValueError):
        return None


def _is_open(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=TIMEOUT_S):
            return True
    except OSError:
        return False


def _own_addresses() -> list[str]:
    try:
        found = socket.gethostbyname_ex(socket.gethostname())[2]
    except OSError:
        return []
    return [address for address in found if not address.startswith("127.")]
