"""The families of classes that a payload may be of, each turned into one common list of fields.

A family is recognised by what its classes carry, or by the library that is loaded already; none is ever imported here.

| family | made again with | runs on reading |
|---|---|---|
| dataclass, also pydantic's | the constructor | ``__post_init__``, pydantic's validators |
| attrs class | the constructor | converters, validators, ``__attrs_post_init__`` |
| msgspec ``Struct`` | the constructor | ``__post_init__`` |
| pydantic model | ``model_construct`` | ``model_post_init``, but no validators |
| ``TypedDict`` | ``dict`` | nothing |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batpak._schemas.families.attrs import Attrs
from batpak._schemas.families.dataclass import Dataclasses
from batpak._schemas.families.model import Models
from batpak._schemas.families.struct import Structs
from batpak._schemas.families.typed_dict import TypedDicts

if TYPE_CHECKING:
    from batpak._schemas.families.family import Family

DATACLASSES = Dataclasses()
# What a class is itself goes before what its base is.
_OTHERS: tuple[Family, ...] = (TypedDicts(), Models(), Structs(), Attrs(), DATACLASSES)


def family_of(cls: object) -> Family | None:
    """Return the family of ``cls``, or None if it is no class with fields that batpak knows."""
    if not isinstance(cls, type):
        return None
    if "__dataclass_fields__" in cls.__dict__:
        return DATACLASSES
    return next((family for family in _OTHERS if family.owns(cls)), None)
