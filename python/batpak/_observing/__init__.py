"""Watching a journal live, and reporting what was found in it: subscriptions, evidence reports, and attestations.

``observing`` is the part of a store that is watched, ``attesting`` the part that reports.
"""
