"""A reader and verifier of batpak journals, written from FORMAT.md alone, with nothing but the standard library."""

from .codec import DecodeError, Value, decode_value, to_tagged, to_tagged_json
from .frame import Frontier, Head
from .journal import Event, Finding, Journal, read_journal, recovery, verify
from .receipt import Receipt, decode_receipt, decode_receipt_json, verify_receipt

__all__ = [
    "DecodeError",
    "Event",
    "Finding",
    "Frontier",
    "Head",
    "Journal",
    "Receipt",
    "Value",
    "decode_receipt",
    "decode_receipt_json",
    "decode_value",
    "read_journal",
    "recovery",
    "to_tagged",
    "to_tagged_json",
    "verify",
    "verify_receipt",
]
