"""Classes as payloads: which class belongs to which kind, and how an instance becomes a plain value and comes back.

``registry`` is where to begin; ``shapes`` and ``families`` do the work, for fields and for whole classes. What was
frozen of earlier versions (``definition``, ``samples``, ``fixtures``, ``changes``) serves ``batpak.schema``.
"""
