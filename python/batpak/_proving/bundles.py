"""Evidence bundles without a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from batpak._proving.verify import core_key

if TYPE_CHECKING:
    import os

    from batpak._proving.keys import PublicKey
    from batpak._verification import Verification


def verify_evidence(path: str | os.PathLike[str], *, public_key: PublicKey | None = None) -> Verification:
    """Check an evidence bundle, without the journal that it is from (FORMAT.md section 19).

    Args:
        path: the bundle, which ``Store.export_evidence`` wrote.
        public_key: the journal's key, from somebody whom you trust. Without one, signatures are checked with the keys
            that came with the bundle: that proves one author, not which.

    Returns:
        The verdict. ``completeness`` is "not_checked" unless the bundle holds every event: a choice may leave out what
        it likes. Reason codes are ``inclusion_mismatch``, ``consistency_mismatch``, ``checkpoint_mismatch``,
        ``journal_mismatch``, ``sequence_mismatch``, ``commitment_mismatch``, ``invalid_encoding``, ``order_mismatch``,
        ``chain_mismatch``, ``invalid_signature``, ``missing_signature``, ``unknown_signing_key``.

    Raises:
        InvalidProof: the file is no bundle, or does not hold what its manifest says.
        OSError: it cannot be read.
    """
    from batpak._evidence.reading import read_bundle

    return read_bundle(Path(path)).verify(core_key(public_key))
