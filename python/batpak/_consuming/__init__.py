"""Programs that work through a journal: cursors, which remember how far readers have come, and reactors on top of them.

``consuming`` is the part of a store that offers them.
"""
