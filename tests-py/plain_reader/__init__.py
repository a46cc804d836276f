"""A reader and verifier of batpak journals, written from FORMAT.md alone, with nothing but the standard library."""

from .codec import DecodeError, Value, decode_value, to_tagged, to_tagged_json
from .frame import Frontier, Head
from .journal import read_journal, recovery, verify
from .model import Event, Finding, Journal
from .outside import key_problem, pin_problem
from .receipt import Receipt, decode_receipt, decode_receipt_json, verify_receipt
from .told import Told, ToldIndex, ToldRun

__all__ = [
    "DecodeError",
    "Event",
    "Finding",
    "Frontier",
    "Head",
    "Journal",
    "Receipt",
    "Told",
    "ToldIndex",
    "ToldRun",
    "Value",
    "decode_receipt",
    "decode_receipt_json",
    "decode_value",
    "key_problem",
    "pin_problem",
    "read_journal",
    "recovery",
    "to_tagged",
    "to_tagged_json",
    "verify",
    "verify_receipt",
]
