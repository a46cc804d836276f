"""What bounds us: the bare system call, the bare signature, the bare program that nobody audits."""

import os
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .clock import WARM_SHARE, Clock, Reading
from .spawn import copy_packages, run_python

RECORD_BYTES: Final = 400
"""About what one event of the workload, with its proof, takes on disk."""
MESSAGE_BYTES: Final = 80


def write_synced(directory: Path, count: int) -> Reading:
    """Write records into a file of zeros that already has its full length, with one fdatasync after each."""
    directory.mkdir(parents=True)
    record = os.urandom(RECORD_BYTES)
    warm = count // WARM_SHARE
    clock = Clock()
    descriptor = os.open(directory / "records", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, bytes(RECORD_BYTES * count))
        os.fsync(descriptor)
        os.lseek(descriptor, 0, os.SEEK_SET)
        for _ in range(warm):
            os.write(descriptor, record)
            os.fdatasync(descriptor)
        with clock:
            for _ in range(count - warm):
                os.write(descriptor, record)
                os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
    return clock.read(count - warm)


def sign(_directory: Path, count: int) -> Reading:
    """Sign messages of 80 bytes with Ed25519, one by one."""
    key = Ed25519PrivateKey.generate()
    messages = [index.to_bytes(MESSAGE_BYTES, "big") for index in range(count)]
    warm = count // WARM_SHARE
    clock = Clock()
    for message in messages[:warm]:
        key.sign(message)
    with clock:
        for message in messages[warm:]:
            key.sign(message)
    return clock.read(count - warm)


def compile_packages(directory: Path, _count: int) -> Reading:
    """Run `python -m compileall` over the copied packages."""
    return run_python("-m", "compileall", "-q", "-f", str(copy_packages(directory)))


WORKLOADS: Final = {"write-synced": write_synced, "sign": sign, "compile": compile_packages}
