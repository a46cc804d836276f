"""Handlers that name a class are given instances of it or nothing, whether they look at the payload or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import pytest

import batpak
from batpak import Event, Projection, Registry, Store
from support import COORD

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class Call:
    tokens: int


class DictCall(TypedDict):
    tokens: int


@dataclass(frozen=True)
class Other:
    x: int


def registered(cls: type = Call, version: int = 2) -> Registry:
    registry = Registry()
    registry.event(category=0xF, type_id=1, version=version)(cls)
    registry.event(category=0xF, type_id=2)(Other)
    return registry


def counting(known: Registry, *kinds: Any, everything: bool = False) -> type[Projection[int]]:
    """A projection that counts and does not look at what it counts."""

    class Counted(Projection[int]):
        name = "counted"
        registry = known

        def initial(self) -> int:
            return 0

        @batpak.on(*kinds)
        def called(self, state: int, event: Event) -> int:
            return state + 1

    class All(Counted):
        name = "all"

        def otherwise(self, state: int, event: Event) -> int:
            return state + 1

    return All if everything else Counted


def project(store: Store, projection: type[Projection[int]]) -> int:
    return store.project(projection)


def project_all(store: Store, projection: type[Projection[int]]) -> int:
    states: list[int] = store.project_all([counting(projection.registry, 0xF001), projection])
    return states[-1]


def read(store: Store, projection: type[Projection[int]]) -> int:
    return store.materialise(projection).read().state


WAYS = [project, project_all, read]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize("cls", [Call, DictCall])
@pytest.mark.parametrize(
    ("payload", "version", "error"),
    [
        ({"tokens": 5}, 1, batpak.UpcasterMissing),
        ({"tokens": 5}, 3, batpak.NewerVersion),
        ({"tokens": 5}, None, batpak.PayloadMismatch),
        (b"tokens", 2, batpak.PayloadMismatch),
        ({"other": 5}, 1, batpak.UpcasterMissing),
    ],
)
def test_what_is_not_of_the_class_is_refused(
    path: Path, way: Callable[..., int], everything: bool, cls: type, payload: Any, version: int | None, error: Any
) -> None:
    with Store.open(path, registry=Registry()) as store:
        store.append(COORD, {"tokens": 1}, kind=0xF001, version=2)
        store.append(COORD, payload, kind=0xF001, version=version)
    known = registered(cls)
    with Store.open(path, registry=known) as store:
        with pytest.raises(error) as caught:
            way(store, counting(known, cls, everything=everything))
        assert caught.value.__notes__ == [f"event 2 ({store.get(2).event_id}) of kind 0xF001"]
        with pytest.raises(error):
            store.get(2, as_=cls)
        # Who names the kind is given what there is, whatever else is asked of the class.
        assert way(store, counting(known, 0xF001)) == 2
        assert store.project(counting(known, cls), until=1) == 1


@pytest.mark.parametrize("way", WAYS)
def test_what_upcasters_lift_is_of_the_class(path: Path, way: Callable[..., int]) -> None:
    with Store.open(path, registry=Registry()) as store:
        store.append(COORD, {"tok": 1}, kind=0xF001, version=1)
        store.append(COORD, {"tokens": 1}, kind=0xF001, version=2)
    known = registered()
    known.upcast(Call, from_version=1)(lambda plain: {"tokens": plain["tok"]})
    with Store.open(path, registry=known) as store:
        assert way(store, counting(known, Call)) == 2
        store._registry._upcasters._by_kind.clear()
        known.upcast(Call, from_version=1)(lambda plain: {"tokens": str(plain["tok"])})
        with pytest.raises(batpak.PayloadMismatch, match="tokens: expected int"):
            way(store, counting(known, Call))


@pytest.mark.parametrize("way", [project, read])
def test_a_store_with_another_registry_is_told(path: Path, way: Callable[..., int]) -> None:
    known = registered()
    with (
        Store.open(path, registry=Registry()) as store,
        pytest.raises(batpak.UnregisteredType, match="Call, and nothing is registered for its kind, 0xF001") as caught,
    ):
        way(store, counting(known, Call, Other))
    assert caught.value.type_name == "Call"


def test_a_view_keeps_the_state_before_what_is_refused(path: Path) -> None:
    known = registered(version=1)
    with Store.open(path, registry=known) as store:
        store.append_batch([(COORD, Call(each)) for each in range(5)])
        view = store.materialise(counting(known, Call), snapshot_every=2)
        assert view.read().state == 5
        store.append(COORD, {"tokens": 1}, kind=0xF001)
        for _ in range(2):
            with pytest.raises(batpak.PayloadMismatch):
                view.read()
            assert view.read(max_stale="any").state == 5
