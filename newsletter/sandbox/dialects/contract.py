"""Holding a call against the published contract: a key nobody documented is refused by name.

Providers mostly ignore what they do not know, which lets a misspelt field
pass for years. Here it is an error that says where.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson


class Drift(Exception):
    """The call is not what the contract describes; *where* is the path to the place."""

    def __init__(self, where: str, why: str, *, missing: bool = False) -> None:
        super().__init__(f"{where}: {why}" if where else why)
        self.where, self.why, self.missing = where, why, missing


@dataclass(frozen=True, slots=True)
class Fields:
    """An object with these keys and no others."""

    known: Mapping[str, "Shape"]
    required: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Each:
    """A list of *of*."""

    of: "Shape"


@dataclass(frozen=True, slots=True)
class Texts:
    """An object of any keys whose values are strings."""


@dataclass(frozen=True, slots=True)
class Either:
    """One of two shapes."""

    one: "Shape"
    other: "Shape"


@dataclass(frozen=True, slots=True)
class Unmodelled:
    """A documented field that this sandbox does not act upon, so it would be wrong to take it."""


Shape = type[str] | type[int] | type[bool] | Fields | Each | Texts | Either | Unmodelled

_NAMES: Final = {str: "a string", int: "an integer", bool: "true or false"}


def fields(known: Mapping[str, Shape], *, required: Iterable[str] = ()) -> Fields:
    """An object's contract."""
    return Fields(known, frozenset(required))


def parsed(body: bytes) -> Any:  # noqa: ANN401 - JSON can be anything until it is held against a shape
    """The JSON in *body*; raise Drift when it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Drift("", "The body is not valid JSON.") from None


def hold(value: object, shape: Shape, where: str = "") -> None:  # noqa: C901, PLR0912 - one branch for each shape
    """Raise Drift at the first place where *value* is not of *shape*."""
    match shape:
        case Fields(known, required):
            if not isinstance(value, dict):
                raise Drift(where, "must be an object")
            for name, part in value.items():
                if (inner := known.get(name)) is None:
                    raise Drift(_at(where, name), "is not a field of this call")
                if inner is str:  # the common case, without another call
                    if not isinstance(part, str):
                        raise Drift(_at(where, name), "must be a string")
                else:
                    hold(part, inner, _at(where, name))
            if not required <= value.keys():
                raise Drift(_at(where, min(required - value.keys())), "is required", missing=True)
        case Each(of):
            if not isinstance(value, list):
                raise Drift(where, "must be a list")
            for index, part in enumerate(value):
                hold(part, of, _at(where, str(index)))
        case Texts():
            if not isinstance(value, dict):
                raise Drift(where, "must be an object")
            for name, part in value.items():
                if not isinstance(part, str):
                    raise Drift(_at(where, name), "must be a string")
        case Either(one, other):
            try:
                hold(value, one, where)
            except Drift:
                hold(value, other, where)
        case Unmodelled():
            raise Drift(where, "is in the contract, but the sandbox does not model it")
        case _:
            if not isinstance(value, shape) or (shape is int and isinstance(value, bool)):
                raise Drift(where, f"must be {_NAMES[shape]}")


def breaks_a_line(value: str) -> bool:
    """Whether *value* would start a new header line (or hides a NUL)."""
    return "\n" in value or "\r" in value or "\0" in value


def _at(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
