"""Holding a call against the published contract: a key nobody documented is refused by name.

Providers mostly ignore what they do not know, which lets a misspelt field
pass for years. Here it is an error that says where.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import orjson

#: Raises Drift when a value is not as it should be.
Check = Callable[[Any], None]
#: A check, or one of the types that JSON knows.
Shape = type[str] | type[int] | type[bool] | Check


class Drift(Exception):
    """The call is not what the contract describes; *where* is the path to the place."""

    def __init__(self, where: str, why: str, *, missing: bool = False) -> None:
        super().__init__(f"{where}: {why}" if where else why)
        self.where, self.why, self.missing = where, why, missing

    def inside(self, name: str) -> "Drift":
        """The same, seen from around the field or item called *name*."""
        where = f"{name}.{self.where}" if self.where else name
        return Drift(where, self.why, missing=self.missing)


def parsed(body: bytes) -> Any:  # noqa: ANN401 - JSON can be anything until it is held against a shape
    """The JSON in *body*; raise Drift when it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Drift("", "The body is not valid JSON.") from None


def hold(value: object, shape: Shape, where: str = "") -> None:
    """Raise Drift at the first place where *value* is not of *shape*; *where* is its own place."""
    try:
        _check(shape)(value)
    except Drift as drift:
        raise (drift.inside(where) if where else drift) from None


def fields(known: Mapping[str, Shape], *, required: Iterable[str] = ()) -> Check:
    """An object with these keys and no others."""
    checks = {name: _check(shape) for name, shape in known.items()}
    wanted = frozenset(required)

    def check(value: Any) -> None:  # noqa: ANN401 - JSON
        if not isinstance(value, dict):
            raise Drift("", "must be an object")
        for name, part in value.items():
            inner = checks.get(name)
            if inner is None:
                raise Drift(name, "is not a field of this call")
            try:
                inner(part)
            except Drift as drift:
                raise drift.inside(name) from None
        if not wanted <= value.keys():
            raise Drift(min(wanted - value.keys()), "is required", missing=True)

    return check


def each(of: Shape) -> Check:
    """A list of *of*."""
    inner = _check(of)

    def check(value: Any) -> None:  # noqa: ANN401 - JSON
        if not isinstance(value, list):
            raise Drift("", "must be a list")
        for index, part in enumerate(value):
            try:
                inner(part)
            except Drift as drift:
                raise drift.inside(str(index)) from None

    return check


def either(one: Shape, other: Shape) -> Check:
    """One of two shapes."""
    first, second = _check(one), _check(other)

    def check(value: Any) -> None:  # noqa: ANN401 - JSON
        try:
            first(value)
        except Drift:
            second(value)

    return check


def texts(value: Any) -> None:  # noqa: ANN401 - JSON
    """An object of any keys whose values are strings."""
    if not isinstance(value, dict):
        raise Drift("", "must be an object")
    for name, part in value.items():
        if not isinstance(part, str):
            raise Drift(name, "must be a string")


def unmodelled(value: Any) -> None:  # noqa: ANN401 - JSON
    """A documented field that the sandbox does not act upon, so it would be wrong to take it."""
    del value
    raise Drift("", "is in the contract, but the sandbox does not model it")


def breaks_a_line(value: str) -> bool:
    """Whether *value* would start a new header line (or hides a NUL)."""
    return "\n" in value or "\r" in value or "\0" in value


def _text(value: Any) -> None:  # noqa: ANN401 - JSON
    if not isinstance(value, str):
        raise Drift("", "must be a string")


def _whole(value: Any) -> None:  # noqa: ANN401 - JSON
    if not isinstance(value, int) or isinstance(value, bool):
        raise Drift("", "must be an integer")


def _switch(value: Any) -> None:  # noqa: ANN401 - JSON
    if not isinstance(value, bool):
        raise Drift("", "must be true or false")


_TYPES: Final[Mapping[type, Check]] = {str: _text, int: _whole, bool: _switch}


def _check(shape: Shape) -> Check:
    return _TYPES[shape] if isinstance(shape, type) else shape
