"""`python -m plain_reader JOURNAL`: the events and then the findings, one tagged JSON object a line."""

import json
import sys
from dataclasses import asdict

from .codec import to_tagged
from .journal import read_journal
from .model import Event


def _event_object(event: Event) -> dict[str, object]:
    return {"type": "event"} | {name: to_tagged(member) for name, member in vars(event).items()}


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m plain_reader JOURNAL", file=sys.stderr)
        return 2
    journal = read_journal(arguments[0])
    for event in journal.events:
        print(json.dumps(_event_object(event), ensure_ascii=False))
    if journal.tail_bytes:
        print(json.dumps({"type": "unsynced tail", "bytes": journal.tail_bytes}))
    for note in journal.notes:
        print(json.dumps({"type": "note", "message": note}))
    for finding in journal.findings:
        print(json.dumps({"type": "finding"} | asdict(finding)))
    return 3 if journal.findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
