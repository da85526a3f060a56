"""Comparisons as JSON, one a line: the same shape on its way in and on its way out."""

import json
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from digests.facts import ComparisonFacts

#: Bytes of one comparison; the longest texts the schema allows fit in several times.
LARGEST_COMPARISON: Final = 1_000_000

_SAID_PLAINLY: Final = {
    "string_too_long": "is longer than {max_length:,} characters",
    "string_too_short": "is empty",
    "missing": "is missing",
    "extra_forbidden": "is not part of the schema",
    "greater_than_equal": "is less than {ge}",
    "less_than_equal": "is more than {le}",
    "too_long": "has more than {max_length} entries",
    "too_short": "has fewer than {min_length} entries",
    "enum": "is not {expected}",
    "timezone_aware": "has no time zone",
    "model_type": "is not an object",
    "string_type": "is not a string",
    "int_type": "is not a whole number",
    "tuple_type": "is not a list",
}


class FactsRefused(Exception):
    """The JSON is no comparison; the message says where and why in one sentence."""


def read_json(raw: bytes) -> ComparisonFacts:
    """One comparison from *raw*, one JSON object in UTF-8; raises FactsRefused.

    Nothing is guessed: a field of the wrong type, an unknown field and a field
    given twice are refused.
    """
    if len(raw) > LARGEST_COMPARISON:
        raise FactsRefused(f"expected at most {LARGEST_COMPARISON:,} bytes, found {len(raw):,}")
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        found = f"byte 0x{raw[error.start]:02X} at position {error.start + 1:,}"
        raise FactsRefused(f"expected UTF-8, found {found}") from None
    try:
        facts = ComparisonFacts.model_validate_json(raw, strict=True)
    except ValidationError as error:
        raise FactsRefused(_sentence(error)) from None
    # Only now: what is valid is neither deep nor long enough to trouble this parser.
    json.loads(raw, object_pairs_hook=_each_name_once)
    return facts


def json_line(facts: ComparisonFacts) -> str:
    """*facts* as one line without its line end; ``read_json`` reads it back the same."""
    return facts.model_dump_json()


def said_plainly(error: ErrorDetails) -> str:
    """What is wrong with a value, as the end of a sentence that starts with its name."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "string_pattern_mismatch":
        if error["loc"] and error["loc"][-1] == "slug":
            return "is not lower-case letters and digits joined by single hyphens"
        return "holds a line break or a control character"
    if kind == "value_error":
        return str(context.get("error", error["msg"]))
    if kind in _SAID_PLAINLY:
        return _SAID_PLAINLY[kind].format(**context)
    return f"is not valid ({error['msg'][0].lower()}{error['msg'][1:]})"


def _sentence(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False)
    first = problems[0]
    if first["type"] == "json_invalid":
        return f"expected a JSON object, found {first['ctx']['error']}"
    where = _place(first["loc"])
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    plainly = said_plainly(first)
    if first["type"] == "value_error":
        return f"{where}: {plainly}{more}" if where else f"{plainly}{more}"
    return f"{where or 'the comparison'} {plainly}{more}"


def _place(loc: tuple[int | str, ...]) -> str:
    """``("tools", 0, "reviews", 2, "score")`` -> ``tools[0].reviews[2].score``."""
    path = ""
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part not in {"int", "float"}:  # the kinds of number a percentage may be
            path += f".{part}" if path else part
    return path


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    once = dict(pairs)
    if len(once) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise FactsRefused(f"the field {twice!r} is given twice in one object")
    return once
