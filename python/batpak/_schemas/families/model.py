"""Models of pydantic 2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batpak._errors import UnsupportedAnnotation
from batpak._schemas.families.family import Build, MapFamily, check_call, derives
from batpak._schemas.hints import Field, schema_error
from batpak._schemas.shapes import Misfit

if TYPE_CHECKING:
    from collections.abc import Mapping


class Models(MapFamily):
    """Models of pydantic 2. What is stored was valid, so reading it again validates nothing."""

    def owns(self, cls: type) -> bool:
        """Return whether it derives from ``BaseModel``."""
        return derives(cls, "pydantic.main", "BaseModel")

    def check(self, cls: Any) -> None:
        """Refuse what fields do not tell: extra ones, excluded ones, type parameters."""
        if cls.__pydantic_generic_metadata__["parameters"]:
            raise schema_error(cls, f"a generic model has no one layout: register {cls.__name__}[...] or a class of it")
        check_settings(cls, cls.model_fields, cls.model_config)
        for name, info in cls.model_fields.items():
            # ``model_construct`` looks for the aliases first, and would take another field's value for this one's.
            for alias in _aliases(info):
                if alias in cls.model_fields and alias != name:
                    raise schema_error(cls, f"the alias of {name} is the name of the field {alias}: rename one")
            for path in _alias_paths(info):
                if path in cls.model_fields:
                    raise schema_error(cls, f"the alias path of {name} begins with the name of the field {path}")
        check_call(cls, cls.model_construct, cls.model_fields, "model_construct")

    def annotations(self, cls: Any) -> Mapping[str, object]:
        """Return what pydantic noted."""
        return {name: info.annotation for name, info in cls.model_fields.items()}

    def fields(self, cls: Any) -> list[Field]:
        """Return the fields by their names, whatever their aliases; pydantic evaluates what could not be before."""
        if not cls.__pydantic_complete__:
            try:
                cls.model_rebuild(raise_errors=False, _parent_namespace_depth=0)
            except Exception as error:
                message = f"{cls.__qualname__}: pydantic cannot complete it: {error}"
                raise UnsupportedAnnotation(message, type_name=cls.__qualname__, field=None) from error
        return [
            Field(name, info.annotation, info.is_required(), name, info.default_factory or info.default)
            for name, info in cls.model_fields.items()
        ]

    def builder(self, cls: Any, fields: list[Field]) -> Build:
        """Return ``model_construct``."""
        del fields
        build: Build = cls.model_construct
        return build

    def members(self, value: Any) -> dict[Any, Any]:
        """Return the ``__dict__``, because looking at a deprecated field warns."""
        if getattr(value, "__pydantic_extra__", None):
            raise Misfit(f"the instance has fields that {type(value).__qualname__} does not declare")
        found: dict[Any, Any] = value.__dict__
        return found


def check_settings(cls: type, fields: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Raise ``SchemaError`` for settings of a model or of pydantic's dataclass that leave something unsaid."""
    if config.get("extra") == "allow":
        problem = 'with extra="allow" nothing says what its extra fields are: make them a field of dict[str, object]'
        raise schema_error(cls, problem)
    for name, info in fields.items():
        if info.exclude or getattr(info, "exclude_if", None) is not None:
            problem = (
                f"{name} is excluded from what is written, so it could not be restored: make it a private attribute"
            )
            raise schema_error(cls, problem)


def _aliases(info: Any) -> list[str]:
    validation = info.validation_alias
    choices = getattr(validation, "choices", [validation])
    return [each for each in (info.alias, *choices) if isinstance(each, str)]


def _alias_paths(info: Any) -> list[object]:
    validation = info.validation_alias
    choices = getattr(validation, "choices", [validation])
    return [each.path[0] for each in choices if hasattr(each, "path")]
