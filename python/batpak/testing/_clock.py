"""A clock that is set by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from batpak import _batpak
from batpak._errors import InvalidInput

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START = datetime(2026, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def _us_of(moment: datetime) -> int:
    if not isinstance(moment, datetime):
        raise TypeError(f"not a datetime: {type(moment).__name__}")
    if moment.utcoffset() is None:
        raise InvalidInput(
            "a datetime without a time zone names no moment; give it one, for instance datetime.now(UTC)"
        )
    return (moment - EPOCH) // MICROSECOND


class ManualClock:
    """A wall clock that stands still until it is moved, for the stamps of events.

    It says what the operating system's clock would say. What is counted in elapsed time (``interval_ms``, waiting) goes
    on by itself. The stamps of a journal never go back, whatever the clock does: events after a step backwards
    continue from the last stamp, and their ``skew_us`` tells the difference. Each reopening moves the stamps on by at
    least a millisecond.

    One clock may serve any number of stores, and any number of threads may use it.

    Args:
        start: an aware datetime within the years 1970 to 9999; the beginning of 2026 in UTC if None.

    Raises:
        InvalidInput: ``start`` is naive or outside those years.

    >>> clock = ManualClock(datetime(2026, 2, 28, 23, 59, tzinfo=UTC))
    >>> clock.advance(timedelta(minutes=1))
    datetime.datetime(2026, 3, 1, 0, 0, tzinfo=datetime.timezone.utc)
    """

    __slots__ = ("_core",)

    def __init__(self, start: datetime | None = None) -> None:
        self._core = _batpak.ManualClock(_us_of(START if start is None else start))

    def now(self) -> datetime:
        """What it shows, in UTC."""
        return EPOCH + self._core.now_us() * MICROSECOND

    def set(self, moment: datetime) -> None:
        """Show this moment from now on.

        Args:
            moment: an aware datetime within the years 1970 to 9999; it may be earlier than what the clock shows.

        Raises:
            InvalidInput: it is naive or outside those years; the clock is as it was.
        """
        self._core.set(_us_of(moment))

    def advance(self, by: timedelta) -> datetime:
        """Move on.

        Args:
            by: how far, in whole microseconds; backwards if negative.

        Returns:
            What the clock shows then, in UTC.

        Raises:
            InvalidInput: that would be outside the years 1970 to 9999; the clock is as it was.
        """
        return EPOCH + self._core.advance(by // MICROSECOND) * MICROSECOND

    def __repr__(self) -> str:
        return f"<batpak.testing.ManualClock {self.now().isoformat()}>"

    def _repr_html_(self) -> str:
        from batpak._html import plain

        return plain(self)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a ManualClock is neither copied nor pickled: whoever uses it moves with it; make another one")
