"""Projections that several test files fold, importable by other processes too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import batpak
from batpak import Event, Projection
from support import COORD

if TYPE_CHECKING:
    from batpak import Store


class Total(Projection[int]):
    name = "total"

    def initial(self) -> int:
        return 0

    @batpak.on(0xF001)
    def added(self, state: int, event: Event) -> int:
        return state + int(event.payload)


class Names(Projection[list[str]]):
    """In the order of a set, which is another one in each process."""

    name = "names"

    def initial(self) -> list[str]:
        return []

    @batpak.on(0xF001)
    def added(self, state: list[str], event: Event) -> list[str]:
        return list({*state, f"name {event.payload}"})


@dataclass(frozen=True)
class Account:
    owner: str
    amounts: tuple[int, ...]


class Accounts(Projection[Account]):
    name = "accounts"
    state = Account

    def __init__(self, owner: str = "nobody") -> None:
        self.owner = owner

    def initial(self) -> Account:
        return Account(self.owner, ())

    @batpak.on(0xF001)
    def added(self, state: Account, event: Event) -> Account:
        return Account(state.owner, (*state.amounts, event.payload))


def add(store: Store, *numbers: int) -> None:
    for number in numbers:
        store.append(COORD, number, kind=0xF001)
