"""Whether calling a function gives its result, or a coroutine or generator that nobody would run."""

from __future__ import annotations

import functools
import inspect
from typing import Final

_ELSEWHERE: Final = (
    inspect.CO_COROUTINE | inspect.CO_ITERABLE_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
)


def is_plain(function: object) -> bool:
    """Whether ``function``, which may be a method, a partial or an object with a call, is no coroutine or generator."""
    while isinstance(function, functools.partial):
        function = function.func
    if not hasattr(function, "__code__") and not isinstance(function, type):
        # An instance is called by what its class has; nothing is asked of the instance, which may answer anything.
        function = getattr(type(function), "__call__", None)  # noqa: B004 - the function is wanted, not whether it is there
    # A bound method has the code of its function.
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return not getattr(code, "co_flags", 0) & _ELSEWHERE
