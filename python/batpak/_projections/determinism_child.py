"""Replaying a projection in another process, under another order of sets."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from batpak._batpak import decode_value, encode_value
from batpak._schemas.registry import default_registry

if TYPE_CHECKING:
    from batpak._folding import Stretch
    from batpak._projections.projection import Projection
    from batpak._proving.proving import Proving

# The module path of this process comes in as the first argument, the rest through standard input.
_PROGRAM: Final = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from batpak._projections.determinism_child import main
main()
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What another process made of it: a state, a problem, or nothing, and why."""

    state_hash: bytes | None = None
    events: int | None = None
    problem: str | None = None
    skipped: str | None = None


def replayed_elsewhere(store: Proving, projection: Projection[Any], stretch: Stretch) -> Outcome:
    """Replay in a process with another PYTHONHASHSEED, if it can be done there."""
    import json
    import pickle
    import subprocess

    obstacle = _obstacle(store, projection)
    if obstacle is not None:
        return Outcome(skipped=obstacle)
    try:
        pickled = pickle.dumps(projection)
    except Exception as error:  # noqa: BLE001 - whatever an object of the user's raises
        return Outcome(skipped=f"the projection cannot be handed to another process: {error}")
    job = {
        "path": str(Path(os.fspath(_path(store))).absolute()),
        "journal_id": store._core.journal_id,
        "projection": pickled,
        "filters": dict(stretch.selection),
        "until": stretch.until,
    }
    environment = {**os.environ, "PYTHONHASHSEED": "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"}
    done = subprocess.run(  # noqa: S603 - this interpreter, with a program of our own
        [sys.executable, "-c", _PROGRAM, json.dumps([each for each in sys.path if isinstance(each, str)])],
        input=encode_value(job, allow_nonfinite=True),
        capture_output=True,
        check=False,
        env=environment,
    )
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        return Outcome(skipped=f"the other process ended with status {done.returncode}: {''.join(last):.300}")
    return Outcome(**decode_value(done.stdout))


def _path(store: Proving) -> os.PathLike[str]:
    path: os.PathLike[str] = store.path  # type: ignore[attr-defined]
    return path


def _obstacle(store: Proving, projection: Projection[Any]) -> str | None:
    """Why it cannot be replayed elsewhere; None if nothing is known that is against it."""
    cls = type(projection)
    if not sys.executable:
        return "this program cannot start another interpreter"
    if not (Path(_path(store)) / "journal.meta").is_file():
        return "the journal is not in a directory of the disk"
    if store._registry is not default_registry:
        return "the store has a registry of its own, which another process does not have"
    if cls.__module__ == "__main__":
        return f"{cls.__qualname__} is defined in the main program; move it to a module that can be imported"
    if "<locals>" in cls.__qualname__:
        return f"{cls.__qualname__} is defined in a function; move it to the top level of a module"
    return None


def main() -> None:
    """What the other process does: a job comes in on standard input, and the outcome goes out."""
    out = sys.stdout.buffer
    # What is imported may print.
    sys.stdout = sys.stderr
    out.write(encode_value(_answer(decode_value(sys.stdin.buffer.read())), allow_nonfinite=True))
    out.flush()


def _answer(job: dict[str, Any]) -> dict[str, object]:
    import pickle

    from batpak._folding import Stretch
    from batpak._projections.determinism import replayed
    from batpak._store import Store

    try:
        projection = pickle.loads(job["projection"])  # noqa: S301 - the parent process wrote it
    except Exception as error:  # noqa: BLE001 - whatever an import of the user's raises
        return {"skipped": f"another process cannot import the projection: {type(error).__name__}: {error}"}
    with Store.open(job["path"], read_only=True, allow_nonfinite=True) as store:
        if store.journal_id != job["journal_id"]:
            return {"skipped": "another journal is at the store's path now"}
        try:
            replay = replayed(store, projection, Stretch(job["filters"], job["until"]))
        except Exception as error:  # noqa: BLE001 - it is the answer
            return {"problem": f"{type(error).__name__}: {error}"}
    return {"state_hash": replay.state_hash, "events": replay.events}
