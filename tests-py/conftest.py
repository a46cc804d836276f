"""Fixtures of all tests. This directory is on the import path, so ``plain_reader`` and ``support`` can be imported."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

import batpak
from audit_support import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator

# A busy machine is not a failure; what an example does must not depend on how long it takes.
settings.register_profile("batpak", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("batpak")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal may be; nothing is there yet."""
    return tmp_path / "journal"


@pytest.fixture
def store(path: Path) -> Iterator[batpak.Store]:
    """An empty unsigned store, closed at the end."""
    with batpak.Store.open(path) as opened:
        yield opened


@pytest.fixture(scope="session")
def key() -> batpak.SigningKey:
    """A signing key."""
    return batpak.SigningKey.generate()


@pytest.fixture
def signed(path: Path, key: batpak.SigningKey) -> Iterator[batpak.Store]:
    """An empty store that signs every frame."""
    with batpak.Store.open(path, signing_key=key) as opened:
        yield opened


@pytest.fixture
def journal(path: Path) -> Path:
    """The directory of a closed, unsigned journal without events of users."""
    batpak.Store.open(path).close()
    return path


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """The file of a signing key."""
    file = tmp_path / "key.pem"
    batpak.SigningKey.generate().save(file)
    return file


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """A directory to run programs in, plainly and recorded."""
    # The real path, because the interpreter resolves it for sys.path.
    path = Path(os.path.realpath(tmp_path)) / "workshop"
    path.mkdir()
    return Workshop(path)
