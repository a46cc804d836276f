"""``batpak drill``: the attacks of the threat table, on copies of a journal."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import batpak
from batpak._verification import RUNGS

from . import output
from .exit_codes import KEY, NO_JOURNAL, OK, TAMPERED, USAGE, CommandError
from .opening import add_directory, add_json, add_key, load_key, require_directory

if TYPE_CHECKING:
    import argparse

    from batpak._drill.running import Outcome
    from batpak._drill.scene import Scene
    from batpak._verification import Verification

LOG_BYTES_MAX = 64_000_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = (
        "Attack copies of a journal, in every way of the threat table, and say what noticed. The journal itself is "
        "only read. Exit status: 0 everything was noticed that its key and the pin have to notice, 3 something was not."
    )
    add_directory(parser)
    add_key(parser, purpose="the key of a signed journal, for attackers who hold it")
    parser.add_argument("--pins", metavar="DIR", type=Path, help="the pins, which are only read: a copy is used")
    parser.add_argument(
        "--large", action="store_true", help=f"even if the log is larger than {LOG_BYTES_MAX // 1_000_000} MB"
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Perform every attack and print what noticed it."""
    require_directory(arguments.directory)
    key = load_key(arguments.key)
    _require_small(arguments.directory, large=arguments.large)
    # All of it is below one directory that is removed whatever happens.
    with tempfile.TemporaryDirectory(prefix="batpak-drill-") as temporary:
        return _drill(arguments, key, Path(temporary))


def _require_small(directory: Path, *, large: bool) -> None:
    if not (directory / "segments").is_dir():
        raise CommandError(f"{directory}: there is no journal", NO_JOURNAL)
    size = sum(segment.stat().st_size for segment in (directory / "segments").glob("*.log"))
    if size > LOG_BYTES_MAX and not large:
        advice = f"the log has {size / 1_000_000:,.0f} MB, of which many copies are made; say --large, or drill on less"
        raise CommandError(advice, USAGE)


def _drill(arguments: argparse.Namespace, key: batpak.SigningKey | None, temporary: Path) -> int:
    from batpak._drill import running

    pristine, room = temporary / "pristine", temporary / "room"
    running.copy_journal(arguments.directory, pristine)
    room.mkdir()
    public_key = _public_key(pristine, key)
    pins = None
    if arguments.pins is not None:
        pins = running.copy_pin(arguments.pins, pristine, temporary / "pins")
        if pins is None:
            raise CommandError(f"{arguments.pins}: there is no pin of this journal", USAGE)
    before = batpak.verify(pristine, public_key=public_key, pins=pins)
    if not before.ok:
        raise CommandError("the journal does not verify as it is; `batpak verify` says why", TAMPERED)
    scene = running.prepare(pristine, room, key=key, public_key=public_key, pins=pins)
    verdict = running.baseline(scene)
    if not arguments.json:
        output.write(_about(scene, verdict))
    outcomes = []
    for outcome in running.run(scene):
        outcomes.append(outcome)
        _tell(outcome, as_json=arguments.json)
    return _conclude(outcomes, scene, verdict, as_json=arguments.json)


def _public_key(pristine: Path, key: batpak.SigningKey | None) -> batpak.PublicKey | None:
    """The journal's public key, which the given key must be of."""
    with batpak.Store.open(pristine, create=False, read_only=True, registry=batpak.Registry()) as store:
        public_key = store.public_key
    if key is not None and public_key is None:
        raise CommandError("--key: the journal is not signed", USAGE)
    if key is not None and key.public_key != public_key:
        raise CommandError("--key: the journal is signed by another key", KEY)
    return public_key


def _about(scene: Scene, verdict: Verification) -> str:
    kind = "unsigned" if scene.public_key is None else "signed"
    text = f"{kind} journal, rung {verdict.rung} ({RUNGS[verdict.rung]})"
    if scene.added:
        text += f"; {scene.added} events were appended to the copy first, for attacks that need more than there is"
    return text


def _powers(outcome: Outcome) -> list[str]:
    from batpak._drill.attack import POWERS

    return [POWERS[power] for power in outcome.attack.powers]


def _tell(outcome: Outcome, *, as_json: bool) -> None:
    attack = outcome.attack
    if as_json:
        output.write_json(
            {
                "attack": attack.name,
                "does": attack.does,
                "powers": _powers(outcome),
                "status": outcome.status,
                "caught_by": [dataclasses.asdict(catch) for catch in outcome.catches],
                "missed_by": list(outcome.missed_by),
                "others_would": [dataclasses.asdict(catch) for catch in outcome.would],
                "reason": _reason(outcome),
            }
        )
    else:
        output.write(
            f"{outcome.status:<9}  {attack.name}: {attack.does} ({', '.join(_powers(outcome))}): {_told(outcome)}"
        )
        output.flush()


def _reason(outcome: Outcome) -> str | None:
    """What is to be said of an attack that nothing noticed."""
    if outcome.status == "beyond":
        return outcome.attack.else_by
    return outcome.reason


def _told(outcome: Outcome) -> str:
    if outcome.status == "not tried":
        return f"{outcome.reason}"
    parts = []
    for layer in ("journal", "proof", "key", "pin"):
        of_layer = [catch for catch in outcome.catches if catch.layer == layer]
        # With the public key, verify says again what it says without.
        known = {catch.what for catch in outcome.catches if catch.layer == "journal"}
        said = [catch for catch in of_layer if layer == "journal" or catch.what not in known]
        parts += [f"{catch.by}: {catch.what} (rung {catch.rung})" for catch in said]
    if outcome.missed_by:
        parts.append(f"NOT noticed by: {', '.join(outcome.missed_by)}")
    if outcome.status == "beyond":
        parts.append(f"nothing at this rung; {outcome.attack.else_by}")
        parts += [f"{catch.by} says {catch.what} (rung {catch.rung})" for catch in outcome.would]
    return "; ".join(parts)


def _conclude(outcomes: list[Outcome], scene: Scene, verdict: Verification, *, as_json: bool) -> int:
    counts = dict.fromkeys(("caught", "beyond", "missed", "not tried"), 0)
    for outcome in outcomes:
        counts[outcome.status] += 1
    if as_json:
        summary: dict[str, Any] = {
            "attacks": len(outcomes),
            "counts": counts,
            "signed": scene.public_key is not None,
            "pinned": scene.pins is not None,
            "rung": verdict.rung,
            "events_added_to_the_copy": scene.added,
        }
        output.write_json(summary)
    else:
        output.write(
            f"verdict: {len(outcomes)} attacks: {counts['caught']} caught, {counts['beyond']} beyond rung "
            f"{verdict.rung}, {counts['not tried']} not tried, {counts['missed']} missed"
        )
    return TAMPERED if counts["missed"] else OK
