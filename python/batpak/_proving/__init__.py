"""What makes a history provable: keys, checkpoints and proofs, lineages, and the tree as files for others.

``proving`` is the part of a store that offers them; ``verify`` and ``bundles`` check without a store. Receipts and
verdicts are in ``batpak._receipt`` and ``batpak._verification``: the compiled module makes both, and knows these names.
"""
