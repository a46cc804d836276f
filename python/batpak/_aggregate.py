"""Questions about many events that need no Python for each: how many, first, last, sum, smallest, largest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from batpak import _batpak
from batpak._errors import InvalidInput
from batpak._filters import number
from batpak._reading import Reading

if TYPE_CHECKING:
    from typing import Unpack

    from batpak._filters import Filters

Measure = Literal["count", "sum", "min", "max", "first", "last"]

_MEASURES: Final = ("count", "sum", "min", "max", "first", "last")
_OF_A_FIELD: Final = ("sum", "min", "max")
_NAMED: Final = ("entity", "scope", "kind")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SPAN_MAX: Final = 2**62
_THREADS_MAX: Final = 64
_EXAMPLES: Final = '"amount" or "usage.tokens", for instance'
_NOTHING: Final[dict[str, int | None]] = {"count": 0, "sum": 0, "min": None, "max": None, "first": None, "last": None}

_Term = tuple[str, list[str]]


class Aggregating(Reading):
    """What a store answers about many events at once. Not for users."""

    __slots__ = ()

    def aggregate(
        self,
        measure: Measure,
        field: str | Sequence[str] | None = None,
        *,
        by: str | Sequence[str] | None = None,
        every: timedelta | None = None,
        threads: int | None = None,
        stored: bool = False,
        **filters: Unpack[Filters],
    ) -> Any:
        """Count, sum and compare events without Python for each: several times as fast as a fold.

        The header of every event is checked against its hash, and the payload too where a field is asked for. The
        interpreter is free meanwhile. The answer is the same for any number of threads.

        Args:
            measure: "count"; "first" or "last" event in commit order; "sum", "min" or "max" of a field.
            field: a field of the payload as it is stored, with dots between the keys that lead to it ("usage.tokens"),
                or a list of the keys if one of them has a dot or is empty. Events without it, or with None in it, do
                not count; ``aggregate("count", field)`` tells how many have it. "sum" takes ints of
                64 bits and floats: ints are summed exactly, and with one float among them the exact sum is rounded once
                to a float, as ``math.fsum`` does, and is infinite beyond the range of floats. "min" and "max" take
                these, or texts. NaN is neither the smallest nor the largest.
            by: an answer for each "entity", "scope", "kind", "actor" (which is "metadata.actor"), "metadata.KEY" or
                "payload.FIELD", or for each combination of a list of these. A payload groups by text, int, bool, or
                None where there is no such field. True and 1 are one group, as they are one key of a dict.
            every: an answer for each span of time: longer than 0, in whole microseconds; spans begin at 1970-01-01 UTC.
            threads: how many share the work, 1 to 64, this one among them; as many as there are processors, and at most
                16, if it is not given. A ``limit`` is counted by one.
            stored: whether fields are also taken from events of a registered class whose version upcasters lift. What
                an aggregate sees is what is stored, not what upcasters and defaults make of it; without this it refuses
                such events, because a fold over them may give something else.
            filters: those of ``query``.

        Returns:
            The answer: an int or float, a text, an Event; for nothing at all 0 if counted or summed, else None. With
            ``by`` or ``every`` a dict from what a group has in common to its answer, in the order of the groups' first
            events: a text, int, bool, None or Kind for ``by``, an aware datetime in UTC, the beginning of the span, for
            ``every``; a tuple of them if there are several.

        Raises:
            InvalidInput: a measure, field, group, number of threads or filter that there is not, or a field of another
                type than the measure takes, or of an event that upcasters lift; it names the event.
            JournalDamaged: bytes changed on disk.
            JournalRewound: recovery cut events that this reader had seen.
            StoreClosed, ForkedStore: this store cannot be used.

        Any number of threads may ask at the same time.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory, Store.open(directory) as store:
        ...     for number, amount in enumerate([5, 7, 30]):
        ...         _ = store.append(Coordinate(f"order:{number % 2}", "shop"), {"amount": amount}, kind=0xF001)
        ...     store.aggregate("count"), store.aggregate("sum", "amount", by="entity")
        (3, {'order:0': 35, 'order:1': 7})
        """
        if not isinstance(measure, str):
            raise TypeError(f"measure must be a str, not {type(measure).__name__}")
        if measure not in _MEASURES:
            raise InvalidInput(f"measure is {measure!r:.100}; it must be one of {', '.join(_MEASURES)}")
        path = None if field is None else _field(field)
        if path is None and measure in _OF_A_FIELD:
            raise InvalidInput(f'"{measure}" needs a field of the payload: field="amount", for instance')
        terms = _terms(by)
        number(threads, "threads", _THREADS_MAX, least=1)
        if not isinstance(stored, bool):
            raise TypeError(f"stored must be a bool, not {type(stored).__name__}")
        ends = measure in ("first", "last") and path is None and not terms and every is None
        if ends and filters.get("limit") is None:
            # The end of the answer to a query; nothing else need be looked at.
            filters["limit"] = 1
            return next(self.query(**filters, reverse=measure == "last"), None)
        lifted = {} if stored else self._registry.lifted_versions()
        groups = _batpak.aggregate(self.query(**filters), measure, path, terms, _span(every), threads, lifted)

        def answer(found: Any) -> Any:
            return self.get(found) if measure in ("first", "last") and found is not None else found

        if not terms and every is None:
            return answer(groups[0][1]) if groups else _NOTHING[measure]
        return {_common(common, terms): answer(found) for common, found in groups}


def _path(field: str | Sequence[str], argument: str) -> list[str]:
    """The keys that lead to a field: those of a text between its dots, those of a list as they are."""
    if isinstance(field, str):
        path = _key(field, argument).split(".")
        if "" in path:
            raise InvalidInput(f"{argument} is {field!r:.100}; it must name a field: {_EXAMPLES}")
        return path
    if not isinstance(field, Sequence) or isinstance(field, bytes):
        raise TypeError(f"{argument} must be a str or a list of str, not {type(field).__name__}")
    if not field:
        raise InvalidInput(f"{argument} is empty; it must name a field: {_EXAMPLES}")
    return [_key(key, argument) for key in field]


def _key(key: str, argument: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{argument} must name keys of the payload as str, not {type(key).__name__}")
    try:
        key.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"{argument} is {key!r:.100}, which no payload can hold: it is not UTF-8") from None
    return key


def _field(field: str | Sequence[str]) -> list[str]:
    if isinstance(field, str) and field.startswith("payload."):
        rest = field.removeprefix("payload.")
        raise InvalidInput(
            f"field is {field!r:.100}; it is a field of the payload anyway: write {rest!r:.100}, or a list of keys "
            'that begins with "payload" if there is a key of this name'
        )
    return _path(field, "field")


def _terms(by: str | Sequence[str] | None) -> list[_Term]:
    if by is None or isinstance(by, str):
        return [] if by is None else [_term(by)]
    if not isinstance(by, Sequence) or isinstance(by, bytes):
        raise TypeError(f"by must be a str or a list of str, not {type(by).__name__}")
    return [_term(each) for each in by]


def _term(by: str) -> _Term:
    what, _, rest = _key(by, "by").partition(".")
    if by in _NAMED:
        return by, []
    if by == "actor":
        return "metadata", ["actor"]
    if what == "metadata" and rest:
        return what, [rest]
    if what == "payload" and rest:
        return what, _path(rest, "by")
    raise InvalidInput(
        f"by is {by!r:.100}; events are grouped by entity, scope, kind, actor, metadata.KEY or payload.FIELD"
    )


def _span(every: timedelta | None) -> int | None:
    if every is None:
        return None
    if not isinstance(every, timedelta):
        raise TypeError(f"every must be a timedelta, not {type(every).__name__}")
    span = every // _MICROSECOND
    if span < 1:
        raise InvalidInput("every must be longer than 0")
    # Longer than all time is as good as all time.
    return min(span, _SPAN_MAX)


def _common(common: tuple[Any, ...], terms: list[_Term]) -> Any:
    """What a group has in common, as users take it."""
    shown = [
        _batpak.Kind.from_code(part) if what == "kind" else part for (what, _), part in zip(terms, common, strict=False)
    ]
    shown.extend(_EPOCH + part * _MICROSECOND for part in common[len(terms) :])
    return shown[0] if len(shown) == 1 else tuple(shown)
