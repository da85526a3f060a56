"""Comparisons -> what an editor would have written about them: quotes, subject, preheader, opening.

A draft for the editor, never a machine's invention: every name, figure and
verdict in it stands on the pages, and what they do not say is not said.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

from digests.edition import Entry, Quote
from digests.facts import ComparisonFacts, Verdict
from digests.words import headlines, quotes, voices
from digests.words.opening import opening
from digests.words.tally import verdict_of


def entry(  # noqa: PLR0913 - each is a part of the entry, by name
    facts: ComparisonFacts,
    *,
    address: str,
    changes: Sequence[str] = (),
    note: str | None = None,
    seats: Sequence[str] | None = None,
    said: Collection[str] = (),
) -> Entry:
    """One comparison with the strongest case for it and the dissent, each a whole sentence.

    *said* are quotes that the edition has already used; see ``without_repeats``.
    *seats* are the reviewers that an editor chose to hear instead (``digests.words.voices``).
    """
    case, dissent = quotes.voices(facts, said=said)
    return Entry(
        facts=facts,
        address=address,
        case=case,
        dissent=dissent,
        changes=tuple(changes),
        note=note,
        voices=None if seats is None else voices.spoken(facts, seats),
    )


def without_repeats(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """*entries* with no sentence quoted twice, as far as there are others.

    A tool compared twice in a week brings the same reviews twice.
    """
    said: set[str] = set()
    told: list[Entry] = []
    for known in entries:
        # What an editor chose stands, repeated or not: preflight says so, and the editor decides.
        chosen = known.voices is not None
        repeated = set() if chosen else {quote.text for quote in known.quotes} & said
        case, dissent = quotes.voices(known.facts, said=said) if repeated else (None, None)
        told.append(replace(known, case=case, dissent=dissent) if repeated else known)
        said |= {quote.text for quote in told[-1].quotes}
    return tuple(told)


def label_of(entry: Entry, quote: Quote) -> str:
    """What *quote* is in its comparison: the case for, the dissent, the case against, a doubt.

    A skip is a dissent only from a panel that ships; from one that skips it is
    the case against. Someone who ships, or whose verdict is unknown, only doubts.
    """
    if quote.verdict is Verdict.ship and entry.voices is not None:
        return "The case for"
    if quote == entry.case:
        return "The case for"
    if quote.verdict is not Verdict.skip:
        return "The doubt"
    judged = [tool for tool in entry.facts.tools if tool.name == quote.tool]
    agrees = any(verdict_of(tool) is Verdict.skip for tool in judged)
    return "The case against" if agrees else "The dissent"


def subject_of(entries: Sequence[Entry]) -> str:
    """The subject line: one line of at most 60 characters, from what makes this week this week."""
    return headlines.subjects(entries)[0]


def suggestions(entries: Sequence[Entry]) -> tuple[str, str, str]:
    """Three other subjects, each different from the first and from each other."""
    _, second, third, fourth = headlines.subjects(entries)
    return second, third, fourth


def preheaders(entries: Sequence[Entry]) -> tuple[str, str, str, str]:
    """The best preheader and three others, no two the same."""
    return headlines.preheaders(entries)


def preheader_of(entries: Sequence[Entry]) -> str:
    """What inboxes show after the subject: at most 90 characters that add to it."""
    return headlines.preheader(entries)


def opening_of(entries: Sequence[Entry]) -> str:
    """One to three sentences of Markdown: how many, what the panel said, what they share."""
    return opening(entries)
