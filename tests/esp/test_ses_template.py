"""Braces of the content's own reach the reader as they were approved."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from newsletter.esp.ses.template import Braces
from tests.esp.providers import handlebars
from tests.esp.test_merging import plainly
from tests.support.effort import examples

VALUES = {"token": "abc", "a": "1"}
brackets = st.lists(
    st.sampled_from(["{", "}", "{{", "}}", "\\", "[%token%]", "[%a%]", "x", " ", "#if"]),
    max_size=12,
)


@settings(max_examples=examples(500))
@given(text=brackets.map("".join), fields=st.sampled_from([("token", "a"), ("a",), ()]))
@example(text="{{{}", fields=())
@example(text="{[%token%]}", fields=("token", "a"))
@example(text="\\[%token%]", fields=("token", "a"))
@example(text="@media print{.a{color:red}}", fields=("a",))
def test_a_template_reads_back_as_the_text_it_was_made_from(
    text: str, fields: tuple[str, ...]
) -> None:
    braces, known = Braces(), {name: VALUES[name] for name in fields}

    template = braces.template(text, fields)

    assert handlebars(template, known | braces.values) == plainly(text, known)


@pytest.mark.parametrize("text", ["a{color:red}", "@media print{.a{color:red}}", "f(x) { }"])
def test_ordinary_braces_stay_as_they_are(text: str) -> None:
    braces = Braces()

    assert braces.template(text, ("token",)) == text
    assert braces.values == {}


def test_the_same_braces_need_one_placeholder() -> None:
    braces = Braces()

    template = braces.template("{{ a }} and {{ b }}", ())

    assert template == "{{watv_braces0}} a }} and {{watv_braces0}} b }}"
    assert braces.values == {"watv_braces0": "{{"}
