"""What a compare page says, as values: the shape in which comparisons come in and go out.

This is the schema of ``newsletter import`` (JSON lines), of ``newsletter
comparisons --json`` and of ``PUT /api/comparisons/{slug}``. None always means
"the page does not say"; nothing is ever filled in for it.
"""

import hashlib
import re
import unicodedata
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=300, pattern=r"^[^\r\n]+$"),
]
Prose = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=200)]


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
    ship_percent: Annotated[int, Field(ge=0, le=100)] | None = None
    ships: Annotated[int, Field(ge=0)] | None = None
    skips: Annotated[int, Field(ge=0)] | None = None


class ToolFacts(_Facts):
    """One side of a compare page."""

    name: Line
    category: Line | None = None
    tagline: Line | None = None
    entry: Line | None = None
    description: Prose | None = None
    pricing: Line | None = None
    best_for: Line | None = None
    community: Line | None = None
    panel: PanelFacts = PanelFacts()
    reviews: tuple[ReviewFacts, ...] = ()

    @property
    def slug(self) -> str:
        """The tool's identity: the same tool on three pages is one tool."""
        return slug_of(self.name)


class ComparisonFacts(_Facts):
    """One compare page. *tools* are left and right, in the page's order."""

    slug: Slug
    title: Line
    summary: Prose | None = None
    url: Line | None = None
    published_at: AwareDatetime | None = None
    tools: tuple[ToolFacts, ToolFacts]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all that the page says: equal pages, equal fingerprints."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def slug_of(words: str) -> str:
    """*words* as it stands in an address: ``Mistral 8B Instruct v3`` -> ``mistral-8b-instruct-v3``."""
    plain = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    # A name without a single Latin letter or digit still needs an address of its own.
    return slug[:200].rstrip("-") or hashlib.sha256(words.encode()).hexdigest()[:16]
