"""Proof that today's classes still read what earlier versions of them wrote.

``freeze`` keeps, for each registered class and version, its definition and a few events that it could have written, in
files that belong into version control. ``check`` reads them all with the classes of today, through their upcasters,
and says which changes since then are safe. On the command line they are ``batpak schema freeze`` and ``check``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batpak._batpak import decode_value, encode_value
from batpak._errors import BatpakError, DefinitionChanged, InvalidFixture, PayloadMismatch, SchemaError
from batpak._payloads import restorer
from batpak._reports import Report
from batpak._schemas.changes import SchemaChange, changes_between
from batpak._schemas.definition import definition_of, short_name
from batpak._schemas.fixtures import Fixture, read_fixture, read_fixtures, write_fixture
from batpak._schemas.registry import EventType, Registry, default_registry
from batpak._schemas.samples import plain_samples
from batpak._schemas.typed import registered

if TYPE_CHECKING:
    import os

    Samples = Mapping[type, Iterable[Any]]

__all__ = ["FreezeReport", "FrozenClass", "SchemaChange", "SchemaReport", "SchemaResult", "check", "freeze"]


@dataclass(frozen=True, slots=True)
class FrozenClass(Report):
    """What became of one registered class in ``freeze``.

    Attributes:
        type_name: the class.
        kind_code: its kind, category << 12 | type id.
        version: its version.
        file: the name of its file in the directory.
        written: whether the file was written now; if not, it was there with the same definition.
        samples: events in the file.
        refused: samples made from the annotations that the class itself refused, and that are not in a new file.
    """

    type_name: str
    kind_code: int
    version: int
    file: str
    written: bool
    samples: int
    refused: int


@dataclass(frozen=True, slots=True)
class FreezeReport(Report):
    """What ``freeze`` did.

    Attributes:
        classes: the registered classes, in the order of their kinds.
    """

    classes: tuple[FrozenClass, ...]


@dataclass(frozen=True, slots=True)
class SchemaResult(Report):
    """What today's program makes of one frozen version of a class.

    Attributes:
        type_name: the class as it was called then.
        kind_code: its kind, category << 12 | type id.
        version: the frozen version.
        known_version: the registered version, or None if nothing is registered for the kind.
        file: the name of the file in the directory.
        samples: events in the file.
        changes: what is different in the definition of the same version; empty for other versions.
        failures: what cannot be read, and why.
    """

    type_name: str
    kind_code: int
    version: int
    known_version: int | None
    file: str
    samples: int
    changes: tuple[SchemaChange, ...]
    failures: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every event of the file can be read, and every change is safe."""
        return not self.failures and all(change.safe for change in self.changes)


@dataclass(frozen=True, slots=True)
class SchemaReport(Report):
    """What today's program makes of a directory of frozen definitions.

    Attributes:
        results: one for each file, by kind and version.
        not_frozen: registered classes whose version has no file yet, by kind.
    """

    results: tuple[SchemaResult, ...]
    not_frozen: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether all of them are. What is not frozen yet does not count."""
        return all(result.ok for result in self.results)


def freeze(registry: Registry | None, path: str | os.PathLike[str], *, samples: Samples | None = None) -> FreezeReport:
    """Keep the definition of each registered class, and events that it could have written, in a directory.

    A version that was frozen before with the same definition is left alone, whatever its samples. Nothing is written if
    any class is refused.

    Args:
        registry: the registry; the process-wide one if None.
        path: the directory; it is made if it is missing.
        samples: instances by their class (dicts by their ``TypedDict``), to be kept beside those that are made from the
            annotations. A class that accepts none of the latter needs some.

    Returns:
        What was written and what was there.

    Raises:
        DefinitionChanged: a version was frozen with another definition; ``batpak schema check`` says which changes.
        InvalidFixture: a file of the directory is damaged, was changed by hand or is none of this kind; or ``path`` is
            a file.
        SchemaError: a class without samples that it accepts, or a registry without classes.
        UnregisteredType: ``samples`` names a class that is not registered.
        InvalidValue: one of ``samples`` is not as its class says.
        UnsupportedAnnotation: a forward reference names nothing.
        TypeError: an argument is of another type.
        OSError: the operating system refused.

    Thread-safety: one call at a time for a directory.

    Example:
        >>> import batpak, tempfile
        >>> from dataclasses import dataclass
        >>> registry = batpak.Registry()
        >>> @registry.event(category=0xF, type_id=1)
        ... @dataclass(frozen=True)
        ... class PlayerMoved:
        ...     x: int
        ...     y: int
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     for frozen in freeze(registry, directory).classes:
        ...         print(frozen.file, frozen.written, frozen.samples)
        ...     check(registry, directory).ok
        0xF001.v1.json True 1
        True

    """
    known_registry, directory = _registry(registry), _directory(path)
    given: dict[int, list[Any]] = {}
    for cls, instances in _samples(samples).items():
        given[registered(known_registry, cls).kind_code] = list(instances)
    new: list[Fixture] = []
    classes: list[FrozenClass] = []
    for known in _types(known_registry):
        fixture, refused = _fixture_of(known, given.get(known.kind_code, []))
        before = _frozen_before(directory, known, fixture)
        if before is None:
            new.append(fixture)
        kept = fixture if before is None else before
        name = known.cls.__qualname__
        count = len(kept.samples)
        classes.append(
            FrozenClass(name, known.kind_code, known.version, kept.file_name, before is None, count, refused)
        )
    directory.mkdir(parents=True, exist_ok=True)
    for fixture in new:
        write_fixture(directory, fixture)
    return FreezeReport(tuple(classes))


def _registry(registry: object) -> Registry:
    if registry is None:
        return default_registry
    if not isinstance(registry, Registry):
        raise TypeError(
            f"registry must be a batpak.Registry, or None for the process-wide one, not {_type_of(registry)}"
        )
    return registry


def _directory(path: str | os.PathLike[str]) -> Path:
    directory = Path(path)
    if directory.exists() and not directory.is_dir():
        message = f"{directory}: this is a file: name the directory of the frozen definitions"
        raise InvalidFixture(message, file=str(directory))
    return directory


def _samples(samples: object) -> Samples:
    if samples is None:
        return {}
    if not isinstance(samples, Mapping):
        raise TypeError(f"samples must be a dict from a class to a list of its instances, not {_type_of(samples)}")
    for instances in samples.values():
        if not isinstance(instances, Iterable) or isinstance(instances, str | bytes | Mapping):
            raise TypeError(f"samples must have a list of instances for each class, not {_type_of(instances)}")
    return samples


def _type_of(value: object) -> str:
    return type(value).__name__


def _types(registry: Registry) -> list[EventType]:
    types = registry.types()
    if not types:
        raise SchemaError("the registry has no class: register one with @batpak.event, or name another registry")
    return types


def _fixture_of(known: EventType, instances: list[Any]) -> tuple[Fixture, int]:
    """The class as it is now, and how many samples it refused."""
    definition = definition_of(known._record)
    contents = [encode_value(known.to_plain(instance), allow_nonfinite=False) for instance in instances]
    refusals: list[PayloadMismatch] = []
    for plain in plain_samples(known._record):
        content = encode_value(plain, allow_nonfinite=False)
        try:
            known.from_plain(decode_value(content))
        except PayloadMismatch as error:
            refusals.append(error)
        else:
            contents.append(content)
    if not contents:
        name = known.cls.__qualname__
        message = f"{name} accepts no sample that could be made from its annotations: give instances of it as samples"
        raise SchemaError(message, type_name=name) from (refusals[0] if refusals else None)
    return Fixture(known.kind_code, known.version, definition, tuple(dict.fromkeys(contents))), len(refusals)


def _frozen_before(directory: Path, known: EventType, fixture: Fixture) -> Fixture | None:
    file = directory / fixture.file_name
    try:
        before = read_fixture(file)
    except FileNotFoundError:
        return None
    changes = changes_between(before.definition, fixture.definition)
    if changes:
        name, different = known.cls.__qualname__, changes[0].where
        message = (
            f"version {known.version} of {name} was frozen with another definition, and {different} is different now: "
            f"raise version= of the class and write an upcaster from {known.version}, or take the change back"
        )
        raise DefinitionChanged(message, type_name=name, version=known.version, file=str(file))
    return before


def check(registry: Registry | None, path: str | os.PathLike[str]) -> SchemaReport:
    """Read every frozen event of a directory with the classes of today, and compare their definitions.

    Args:
        registry: the registry; the process-wide one if None.
        path: the directory that ``freeze`` wrote.

    Returns:
        What can be read, and what changed; its ``ok`` says whether all is well.

    Raises:
        UpcasterMissing: a class has upcasters, but not all: ``Store.open`` refuses the registry too.
        InvalidFixture: a file is damaged, was changed by hand or is none of this kind; there is no file at all; or
            ``path`` is a file.
        UnsupportedAnnotation: a forward reference names nothing.
        TypeError: an argument is of another type.
        OSError: the operating system refused.

    Thread-safety: safe.

    Example:
        >>> import batpak, tempfile
        >>> from dataclasses import dataclass
        >>> before, now = batpak.Registry(), batpak.Registry()
        >>> @before.event(category=0xF, type_id=1)
        ... @dataclass(frozen=True)
        ... class PlayerMoved:
        ...     x: int
        >>> @now.event(category=0xF, type_id=1)
        ... @dataclass(frozen=True)
        ... class PlayerMoved:
        ...     x: str
        ...     fast: bool = False
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     report = freeze(before, directory)
        ...     [result] = check(now, directory).results
        >>> result.ok
        False
        >>> [(change.where, change.what, change.safe) for change in result.changes]
        [('PlayerMoved.x', 'type_changed', False), ('PlayerMoved.fast', 'field_added', True)]
        >>> result.failures
        ('sample 1: payload.x: expected str, found int',)

    """
    known_registry, directory = _registry(registry), _directory(path)
    known_registry.check_upcasters()
    fixtures = read_fixtures(directory) if directory.exists() else []
    if not fixtures:
        message = f"{directory}: there is no frozen definition: freeze them first"
        raise InvalidFixture(message, file=str(directory))
    frozen = {(fixture.kind_code, fixture.version) for fixture in fixtures}
    not_frozen = [
        f"{known.cls.__qualname__} version {known.version}"
        for known in known_registry.types()
        if (known.kind_code, known.version) not in frozen
    ]
    return SchemaReport(tuple(_result(known_registry, fixture) for fixture in fixtures), tuple(not_frozen))


def _result(registry: Registry, fixture: Fixture) -> SchemaResult:
    known = registry.lookup_kind(fixture.kind_code)
    changes: tuple[SchemaChange, ...] = ()
    name = short_name(fixture.definition["class"])
    if known is None:
        advice = "keep the class registered for as long as journals hold its events"
        failures = [f"nothing is registered for kind 0x{fixture.kind_code:04X}: {advice}"]
    elif fixture.version > known.version:
        failures = [f"version {known.version} is registered, and it was {fixture.version} before: versions only rise"]
    elif fixture.version < known.version and not registry._upcasters.any_for(known):
        failures = [f"nothing lifts version {fixture.version} to {known.version}: write upcasters with @batpak.upcast"]
    else:
        if fixture.version == known.version:
            changes = _changes(fixture, known)
        failures = _unreadable(registry, fixture)
    return SchemaResult(
        name,
        fixture.kind_code,
        fixture.version,
        None if known is None else known.version,
        fixture.file_name,
        len(fixture.samples),
        changes,
        tuple(failures),
    )


def _changes(fixture: Fixture, known: EventType) -> tuple[SchemaChange, ...]:
    now = definition_of(known._record)
    changes = changes_between(fixture.definition, now)
    before, after = fixture.definition["class"], now["class"]
    if before == after:
        return changes
    text = f"is {after} now; what is stored is its kind"
    return (SchemaChange(before, "class_renamed", safe=True, text=text), *changes)


def _unreadable(registry: Registry, fixture: Fixture) -> list[str]:
    restore = restorer(registry)
    failures = []
    for number, sample in enumerate(fixture.samples, 1):
        try:
            restore(fixture.kind_code, fixture.version, decode_value(sample))
        except BatpakError as error:
            failures.append(f"sample {number}: {error}")
    return failures
