"""States derived from the log: the classes that say how, views that are kept up to date, and runs that are evidence.

``projecting`` is the part of a store that offers them. The loop over the events themselves is ``batpak._folding``: the
compiled module calls it by that name.
"""
