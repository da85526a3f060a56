"""Merging by stencil gives what the plain way would give, for every text."""

import json
import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.esp import Content, Copy, Unsendable
from newsletter.esp.merging import (
    ADDRESS,
    BATCH,
    OPEN,
    REF,
    RESERVED_MARK,
    Row,
    converted,
    json_stencil,
    rows_of,
    stencil,
)
from tests.esp.mailings import a_mailing

FIELDS = ("token", "first_name", "a")
ODD = [
    "[%",
    "%]",
    "[%token%]",
    "[%a%]",
    "[%first_name%]",
    "[%other%]",
    "[[%a%]]",
    "%s",
    "%%",
    "{}",
    "{{",
    "}}",
    "{",
]
ODD += [
    '"',
    "\\",
    "\\u005b%a%]",
    "</script>",
    "\u2028",
    "\r\n",
    "\x00",
    "é",
    "🙂",
    "[%%]",
    "[% a %]",
]
texts = st.lists(st.one_of(st.sampled_from(ODD), st.text(max_size=8))).map("".join)
texts = texts.filter(lambda text: RESERVED_MARK not in text)
tokens = st.text("ABCxyz019_-", max_size=12)


def plainly(text: str, values: dict[str, str]) -> str:
    """The obvious way. The values are tokens, so one replacement cannot make another."""
    for name, value in values.items():
        text = text.replace(f"[%{name}%]", value)
    return text


@given(html=texts, text=texts, values=st.tuples(tokens, tokens, tokens))
def test_a_filled_stencil_is_the_json_of_the_plainly_replaced_text(
    html: str, text: str, values: Row
) -> None:
    shape = {"to": [ADDRESS], "html": html, "text": text, "ref": REF, "batch": BATCH}
    row = ("reader@example.com", "d-1", "b-1", *values)

    filled = json_stencil(shape, FIELDS).fill_all([row, row])

    known = dict(zip(FIELDS, values, strict=True))
    expected = {
        "to": ["reader@example.com"],
        "html": plainly(html, known),
        "text": plainly(text, known),
        "ref": "d-1",
        "batch": "b-1",
    }
    assert json.loads(b"[" + filled + b"]") == [expected, expected]


@given(html=texts, values=st.tuples(tokens, tokens, tokens))
def test_a_large_copy_is_filled_as_a_small_one(html: str, values: Row) -> None:
    row = ("reader@example.com", "d-1", "b-1", *values)
    small = json_stencil({"to": ADDRESS, "html": html, "ref": REF}, FIELDS)
    large = json_stencil({"to": ADDRESS, "html": html + "x" * 5000, "ref": REF}, FIELDS)

    filled = large.fill_all([row, row])

    assert filled.replace(b"x" * 5000, b"") == small.fill_all([row, row])
    assert small.fill_all([row]) == small.fill(row).encode()


@given(text=texts)
def test_a_text_without_fields_stays_as_it_is(text: str) -> None:
    assert stencil(text, ()).fill_all([("", "", "")]).decode() == text


def test_an_open_bracket_can_be_left_for_the_provider() -> None:
    shape = {f"{OPEN}%token%]": "[%token%]", "ref": REF}

    filled = json_stencil(shape, ("token",)).fill(("a@example.com", "d-1", "b-1", "abc"))

    assert json.loads(filled) == {"[%token%]": "abc", "ref": "d-1"}


@given(text=texts)
def test_conversion_touches_only_the_named_placeholders(text: str) -> None:
    there = converted(text, FIELDS, "%recipient.%s%")

    assert there == re.sub(r"\[%(token|first_name|a)%\]", r"%recipient.\1%", text)


@given(address=st.text(min_size=1, max_size=20), value=st.text(max_size=20))
def test_rows_are_safe_in_json_whatever_they_hold(address: str, value: str) -> None:
    content = Content("s", "h", "t", fields=("a",))
    mailing = a_mailing(content=content, copies=(Copy("d-1", address, (value,)),))

    try:
        (row,) = rows_of(mailing, provider="X", most=10)
    except Unsendable:
        assert re.search(r"[\x00-\x1f\x7f]", address + value)
        return

    filled = json.loads(json_stencil({"to": ADDRESS, "v": "[%a%]"}, ("a",)).fill(row))
    assert filled["v"] == value
    assert filled["to"].rpartition("@")[0] == address.rpartition("@")[0]


def test_a_domain_in_other_letters_is_dialled_as_dns_knows_it() -> None:
    mailing = a_mailing(copies=(Copy("d-1", "jörg@bücher.example", ("t", "e")),))

    (row,) = rows_of(mailing, provider="X", most=10)

    assert orjson.loads(f'"{row[0]}"') == "jörg@xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"copies": ()}, "holds 0 copies"),
        (
            {"copies": tuple(Copy(f"d{i}", f"r{i}@example.com", ("t", "e")) for i in range(11))},
            "11",
        ),
        ({"copies": (Copy("d-1", "a@example.com", ("t",)),)}, "not one value for each"),
        (
            {
                "copies": (
                    Copy("1", "a@x.example", ("t", "e")),
                    Copy("2", "A@x.example", ("t", "e")),
                )
            },
            "stands in it twice",
        ),
        ({"copies": (Copy("d-1", "a@example.com", ("t", "e\r\nBcc: x")),)}, "control character"),
        ({"batch": "b'); --"}, "batch tag"),
        ({"content": Content("s", "h", "t", fields=("a b",))}, "'a b'"),
        ({"copies": (Copy("d-1", "\ud800@example.com", ("t", "e")),)}, "not Unicode"),
    ],
)
def test_a_mailing_that_cannot_be_right_is_not_encoded(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(Unsendable, match=why):
        rows_of(a_mailing(**changes), provider="X", most=10)
