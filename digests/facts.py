"""What a compare page says, as values: the shape in which comparisons come in and go out.

This is the schema of ``newsletter import`` (JSON lines), of ``newsletter
comparisons --json`` and of ``PUT /api/comparisons/{slug}``. None always means
"the page does not say"; nothing is ever filled in for it.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

# Control characters would break the mail's XML and cannot be stored by PostgreSQL (NUL).
_ONE_LINE: Final = r"^[^\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]+$"
_LONGEST_SLUG: Final = 200
_PROSE: Final = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]+$"

Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=300, pattern=_ONE_LINE),
]
#: A line that is a sentence rather than a name: pricing, best for, a tagline.
LongLine = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000, pattern=_ONE_LINE),
]
Prose = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000, pattern=_PROSE),
]
Slug = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=_LONGEST_SLUG)
]


def _plain_number(percent: float) -> float:
    """75.0 and 75 are one percentage, and must be one fingerprint."""
    return int(percent) if percent == int(percent) else percent


def _in_utc(moment: datetime) -> datetime:
    """The store keeps UTC; what goes out must equal what came in."""
    if not 1970 <= moment.year <= 2999:  # noqa: PLR2004 - no page is older than the web, or this far off
        raise ValueError("is not a year in which a page can have been published")
    return moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
#: 0 to 100; whole where the page's figure is whole.
Percent = Annotated[
    int | float, Field(ge=0, le=100, allow_inf_nan=False), AfterValidator(_plain_number)
]
Count = Annotated[int, Field(ge=0, le=1_000_000)]


class Verdict(StrEnum):
    """What a reviewer, a panel or the community says of a tool."""

    ship = "ship"
    skip = "skip"
    mixed = "mixed"  # only ever a panel's word, never a reviewer's


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReviewFacts(_Facts):
    """One reviewer's word on one tool. *score* is out of 100."""

    reviewer: Line | None = None
    score: Annotated[int, Field(ge=0, le=100)] | None = None
    verdict: Verdict | None = None
    text: Prose


class PanelFacts(_Facts):
    """The panel's verdict as the page states it. *ship_percent* is 0 to 100."""

    verdict: Verdict | None = None
    ship_percent: Percent | None = None
    ships: Count | None = None
    skips: Count | None = None


class DetailFacts(_Facts):
    """A row of the decision table beyond the usual ones: its heading and what it says of the tool."""

    label: Line
    text: LongLine


class ToolFacts(_Facts):
    """One side of a compare page.

    *community* is the community's verdict in the page's words, and
    *community_percent* the figure the page shows for it at the top.
    """

    name: Line
    category: Line | None = None
    tagline: LongLine | None = None
    entry: Line | None = None
    description: Prose | None = None
    pricing: LongLine | None = None
    best_for: LongLine | None = None
    community: LongLine | None = None
    community_percent: Percent | None = None
    panel: PanelFacts = PanelFacts()
    details: tuple[DetailFacts, ...] = ()
    reviews: tuple[ReviewFacts, ...] = ()

    @property
    def slug(self) -> str:
        """The tool's identity: the same tool on three pages is one tool."""
        return slug_of(self.name)

    @model_validator(mode="after")
    def _says_each_thing_once(self) -> Self:
        named = [key_of(review.reviewer) for review in self.reviews if review.reviewer]
        if twice := _repeated(named):
            raise ValueError(f"the reviewer {twice!r} stands twice")
        if twice := _repeated(key_of(detail.label) for detail in self.details):
            raise ValueError(f"the detail {twice!r} stands twice")
        return self


class ComparisonFacts(_Facts):
    """One compare page. *tools* are left and right, in the page's order."""

    slug: Slug
    title: Annotated[Line, Field(max_length=700)]
    summary: Prose | None = None
    url: LongLine | None = None
    published_at: Moment | None = None
    tools: tuple[ToolFacts, ToolFacts]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all that the page says: equal pages, equal fingerprints."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @model_validator(mode="after")
    def _pairs_two_tools(self) -> Self:
        left, right = self.tools
        if left.slug == right.slug:
            raise ValueError(f"{left.name} is compared with itself")
        return self


def key_of(words: str) -> str:
    """*words* without what a copy may change: letter case, kinds and amounts of blank space.

    Two texts with the same key are the same text.
    """
    return " ".join(unicodedata.normalize("NFKC", words).casefold().split())


def slug_of(words: str) -> str:
    """*words* as it stands in an address: ``Mistral 8B Instruct v3`` -> ``mistral-8b-instruct-v3``.

    Signs that tell tools apart are spelt out (``C++`` is not ``C``). Where
    letters have no Latin form, or the address would be too long, a piece of
    a hash keeps two names from becoming one.
    """
    plain = unicodedata.normalize("NFKD", words).lower()
    for sign, spelt in (("+", " plus "), ("#", " sharp ")):
        plain = plain.replace(sign, spelt)
    slug = re.sub(r"[^a-z0-9]+", "-", "".join(c for c in plain if not unicodedata.combining(c)))
    slug = slug.strip("-")
    lost = any(letter.isalnum() and not letter.isascii() for letter in plain)
    if slug and not lost and len(slug) <= _LONGEST_SLUG:
        return slug
    mark = hashlib.sha256(key_of(words).encode()).hexdigest()[:16]
    return f"{slug[: _LONGEST_SLUG - len(mark) - 1].rstrip('-')}-{mark}".lstrip("-")


def _repeated(keys: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            return key
        seen.add(key)
    return None
