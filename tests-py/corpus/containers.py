"""Evidence bundles whose ZIP file is not as it must be: FORMAT.md section 19, the table."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from corpus import zipping
from corpus.evidence import bad, honest
from corpus.zipping import Entry
from evidence_bundles import sealed

if TYPE_CHECKING:
    from collections.abc import Callable

    from corpus.cases import Case


def _members() -> dict[str, bytes]:
    return sealed(honest(2, 3).members())


def _entries(change: Callable[[Entry], object] | None = None, name: str = "keys") -> list[Entry]:
    """Honest members, of which one was changed."""
    entries = zipping.plain(_members())
    for entry in entries:
        if change is not None and entry.name == name.encode():
            change(entry)
    return entries


def _with(**fields: object) -> list[Entry]:
    def change(entry: Entry) -> None:
        for name, value in fields.items():
            setattr(entry, name, value)

    return _entries(change)


def odd_entries() -> list[Entry]:
    """Honest members with versions, times and attributes that nobody asks for."""

    def change(entry: Entry) -> None:
        entry.local = {"needs": 45, "date": 0x5A21}
        entry.central = {"needs": 63, "date": 0, "made_by": 0x031E, "attributes": 0o644 << 16}

    return _entries(change)


def _zip64(entry: Entry) -> None:
    length = len(entry.content)
    extra = struct.pack("<HHQQ", 1, 16, length, length)
    large = {"stored": 2**32 - 1, "length": 2**32 - 1, "extra": extra, "needs": 45}
    entry.local, entry.central = large, large


def _overlapping() -> bytes:
    """Two members whose headers name the same bytes: the text for people is what the keys are."""
    members = _members()
    members["README.txt"] = members["keys"]
    members = sealed(members)
    entries = zipping.plain({name: content for name, content in members.items() if name != "README.txt"})
    whole = zipping.pack(entries)
    place = whole.index(b"PK\x03\x04", whole.index(members["keys"]) - 40)
    second = Entry(b"README.txt", members["keys"])
    entries.append(second)
    made = bytearray(zipping.pack(entries))
    entry = made.rindex(b"PK\x01\x02")
    struct.pack_into("<I", made, entry + 42, place)
    return bytes(made)


def _container() -> list[tuple[str, str, bytes]]:
    whole, members = zipping.pack(_entries()), _members()
    directory = whole.index(b"PK\x01\x02")
    keys = Entry(b"keys", members["keys"])
    without = [entry for entry in _entries() if entry.name != b"keys"]
    none = {"method": 8}
    longer = {"stored": len(members["keys"]) + 1, "length": len(members["keys"]) + 1}
    return [
        ("zip-empty", "A file of no bytes.", b""),
        ("zip-none", "A file that is no ZIP file.", b"batpak evidence\n" * 10),
        ("zip-cut-off", "The last ten bytes are missing.", whole[:-10]),
        ("zip-cut-in-the-middle", "The directory is missing.", whole[:directory]),
        ("zip-comment", "The ZIP file has a comment.", zipping.pack(_entries(), comment=b"c")),
        ("zip-remark", "A member has a comment.", zipping.pack(_with(remark=b"r"))),
        ("zip-extra-field", "A member has an extra field.", zipping.pack(_with(extra=b"\x99\x99\x00\x00"))),
        ("zip-compressed", "A member is compressed.", zipping.pack(_with(method=8))),
        ("zip-encrypted", "A member says that it is encrypted.", zipping.pack(_with(flags=1))),
        ("zip-checksum", "The CRC of a member is another.", zipping.pack(_with(local={"crc": 0}, central={"crc": 0}))),
        (
            "zip-lengths-differ",
            "A member is said to be one byte longer when it is unpacked.",
            zipping.pack(
                _with(local={"length": len(members["keys"]) + 1}, central={"length": len(members["keys"]) + 1})
            ),
        ),
        (
            "zip-names-differ",
            "A member has another name at its place than in the directory.",
            zipping.pack(_with(local={"name": b"kez5"})),
        ),
        ("zip-64", "A member has its lengths in a ZIP64 extra field.", zipping.pack(_entries(_zip64))),
        (
            "zip-flag-of-names",
            "Flag 11 of a member, that its name is UTF-8, is set; all flags are 0.",
            zipping.pack(_with(flags=0x800)),
        ),
        ("zip-flag-here", "A member has a flag at its place only.", zipping.pack(_with(local={"flags": 8}))),
        ("zip-flag-there", "A member has a flag in the directory only.", zipping.pack(_with(central={"flags": 2}))),
        ("zip-method-here", "A member is packed at its place only.", zipping.pack(_with(local=none))),
        ("zip-method-there", "A member is packed in the directory only.", zipping.pack(_with(central=none))),
        ("zip-checksum-here", "The CRC at the member's place is another.", zipping.pack(_with(local={"crc": 0}))),
        ("zip-checksum-there", "The CRC in the directory is another.", zipping.pack(_with(central={"crc": 0}))),
        ("zip-lengths-here", "The lengths at the member's place are others.", zipping.pack(_with(local=longer))),
        ("zip-lengths-there", "The lengths in the directory are others.", zipping.pack(_with(central=longer))),
        (
            "zip-extra-here",
            "A member has an extra field at its place only.",
            zipping.pack(_with(local={"extra": b"\x99\x99\x00\x00"})),
        ),
        (
            "zip-extra-there",
            "A member has an extra field in the directory only.",
            zipping.pack(_with(central={"extra": b"\x99\x99\x00\x00"})),
        ),
        ("zip-name-with-nul", "A name goes on behind a zero byte.", zipping.pack(_with(name=b"keys\x00.txt"))),
        (
            "zip-name-not-ascii",
            "A name is none of the table's, and no text either.",
            zipping.pack(_with(name=b"key\xff")),
        ),
        ("zip-bytes-before", "Bytes stand before the first member.", zipping.pack(_entries(), before=b"#!/bin/sh\n")),
        ("zip-bytes-before-directory", "A byte stands before the directory.", zipping.pack(_entries(), between=b"x")),
        ("zip-bytes-behind", "A byte stands behind the file.", whole + b"\0"),
        (
            "zip-bytes-between",
            "A member's bytes go on behind its end.",
            zipping.pack(_with(local={"data": members["keys"] + b"x"})),
        ),
        ("zip-twice", "The file stands behind itself.", whole + whole),
        ("zip-count-of-part", "The end says less members here than in all.", zipping.pack(_entries(), end={"here": 6})),
        ("zip-count", "The end says six members, and there are seven.", zipping.pack(_entries(), end={"count": 6})),
        (
            "zip-count-more",
            "The end says eight members, and there are seven.",
            zipping.pack(_entries(), end={"count": 8}),
        ),
        (
            "zip-directory-place",
            "The end says that the directory is at 0x7fffffff, far behind the file.",
            zipping.pack(_entries(), end={"offset": 0x7FFFFFFF}),
        ),
        (
            "zip-directory-place-largest",
            "The end says that the directory is at 0xffffffff, and as long.",
            zipping.pack(_entries(), end={"offset": 2**32 - 1, "length": 2**32 - 1}),
        ),
        (
            "zip-member-place",
            "The directory says that a member is at 0xffffffff.",
            zipping.pack(_with(central={"offset": 2**32 - 1})),
        ),
        ("zip-overlapping", "Two members share their bytes, under one local header.", _overlapping()),
        (
            "zip-directory-length",
            "The end of the file says a directory that is longer than the file.",
            zipping.pack(_entries(), end={"length": len(whole)}),
        ),
        ("zip-member-missing", "The member keys is missing.", zipping.pack(without)),
        (
            "zip-member-more",
            "A member has no place in a bundle.",
            zipping.pack([*_entries(), Entry(b"notes.txt", b"")]),
        ),
        ("zip-member-twice", "The member keys is there twice.", zipping.pack([*_entries(), keys])),
        (
            "zip-member-instead",
            "The member README.txt is there twice, and keys is not there.",
            zipping.pack([*without, Entry(b"README.txt", members["keys"])]),
        ),
        (
            "zip-member-upper-case",
            "A member is called KEYS.",
            zipping.pack([*without, Entry(b"KEYS", members["keys"])]),
        ),
        (
            "zip-member-in-a-folder",
            "A member is called ./keys.",
            zipping.pack([*without, Entry(b"./keys", members["keys"])]),
        ),
    ]


def cases() -> list[Case]:
    """All cases."""
    return [bad(name, f"{says} Section 19.", data) for name, says, data in _container()]
