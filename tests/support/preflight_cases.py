"""Builders for preflight: a sound mail and a sound edition; a test spoils what it is about."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date

from digests.edition import Edition
from digests.facts import ComparisonFacts
from digests.words import wording
from newsletter.preflight.findings import Finding
from newsletter.preflight.mail import Mail
from newsletter.rendering import House, render
from tests.web.scene import DATA

HOUSE = House(
    publication="Weekly AI Tool Verdicts",
    public_url="https://news.example",
    postal_address="Ship or Skip, 1 Example Street, Springfield",
    sender_domain="shiporskip.example",
)


def facts() -> list[ComparisonFacts]:
    return [
        ComparisonFacts.model_validate_json(path.read_bytes())
        for path in sorted(DATA.glob("*.json"))
    ]


def an_edition(**changes: object) -> Edition:
    entries = wording.without_repeats(
        [wording.entry(one, address=f"https://site.example/compare/{one.slug}") for one in facts()]
    )
    edition = Edition(
        issue="2026-W48",
        number=48,
        dated=date(2026, 11, 23),
        subject="Free weights, two dissents: who pays for a 2B model?",
        preheader="The Founder skips two of four. Plus: the SQLite of LLMs.",
        opening="Three comparisons this week, and the Founder asks *who pays*.",
        entries=entries,
    )
    return replace(edition, **changes)  # type: ignore[arg-type]  # a test names what it changes


def a_mail(*, html: str | None = None, **changes: object) -> Mail:
    """The edition above as it is really set; *html* puts a whole other page in its place."""
    edition = an_edition()
    rendered = render(edition, house=HOUSE)
    mail = Mail(
        topics="all",
        subject=rendered.content.subject,
        preheader=edition.preheader,
        html=rendered.content.html if html is None else html,
        text=rendered.content.text,
        fields=rendered.content.fields,
        headers=rendered.content.headers,
        links=rendered.links,
    )
    return replace(mail, **changes)  # type: ignore[arg-type]  # the same


def only(findings: Iterable[Finding]) -> Finding:
    found = list(findings)
    assert len(found) == 1, found
    return found[0]
