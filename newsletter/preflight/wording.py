"""The words that inboxes show and filters read: subject, preheader, phrasing, what stands twice."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from digests.edition import Edition
from digests.facts import key_of
from digests.words.english import listed
from digests.words.headlines import PREHEADER_LENGTH, SUBJECT_LENGTH
from newsletter.preflight.findings import Check, Finding, error, note, warning

_LONGEST_SUBJECT: Final = (
    78  # characters: what the widest inbox shows, and a header line's decent length
)
_PHONE_SUBJECT: Final = 40
_SHORTEST_SUBJECT: Final = 12
_SHORTEST_PREHEADER: Final = 30
_LOUD: Final = 0.6  # share of capitals among the letters

#: What filters and readers take for advertising, in words that an editor chose. Reviewers' own
#: words are not looked at: "free" is a fact about a tool.
_PITCHES: Final = re.compile(
    r"\b(?:act now|limited[- ]time|don['\u2019]t miss|last chance|100% free|risk[- ]free|no obligation"
    r"|click (?:here|below)|buy now|order now|cash bonus|earn money|make money|winner|you won"
    r"|congratulations|guaranteed|miracle|once in a lifetime|urgent|while (?:stocks|supplies) last"
    r"|special promotion|exclusive deal|this isn['\u2019]t spam|dear friend|amazing offer|free gift)\b"
    r"|\${2,}|!{2,}|\?{3,}|!\?",
    re.IGNORECASE,
)
_FALSE_REPLY: Final = re.compile(r"^\s*(?:re|fwd?|aw|wg)\s*:", re.IGNORECASE)
_LEFT_BEHIND: Final = re.compile(
    r"\b(?:TODO|TBD|TKTK|XXX|FIXME|lorem ipsum)\b|\[(?:name|link|date|insert)[^\]]*\](?!\()|\bTK\b"
    r"|\{\{|\}\}|\[%|%\]|\bundefined\b|\bNone\b(?=\s*$)"
)


def subject(edition: Edition) -> Iterator[Finding]:
    """What an inbox shows before anything is opened."""
    size, place = len(edition.subject), "subject"
    if size > SUBJECT_LENGTH:
        cut = edition.subject[:SUBJECT_LENGTH].rsplit(" ", 1)[0]
        made = warning if size > _LONGEST_SUBJECT else note
        yield made(
            Check.subject,
            place,
            f"The subject has {size} characters; a desktop shows about {SUBJECT_LENGTH}: “{cut} …”, "
            f"a phone {_PHONE_SUBJECT}.",
            "Say what matters in the first words, or take one of the suggestions.",
        )
    elif size < _SHORTEST_SUBJECT:
        yield warning(
            Check.subject,
            place,
            f"The subject has {size} characters: too few to tell this week from any other.",
            "Name a tool, a verdict or a dissent.",
        )
    yield from _preheader(edition)


def _preheader(edition: Edition) -> Iterator[Finding]:
    size, place = len(edition.preheader), "preheader"
    if not edition.preheader.strip():
        yield warning(
            Check.subject,
            place,
            "There is no preheader: inboxes fill the gap with the first words of the mail.",
            "Write one, or take one of the suggestions.",
        )
    elif key_of(edition.preheader) == key_of(edition.subject):
        yield warning(
            Check.subject,
            place,
            "The preheader repeats the subject.",
            "Use its room for a second reason to open.",
        )
    elif size > PREHEADER_LENGTH:
        yield note(
            Check.subject,
            place,
            f"The preheader has {size} characters; a phone shows about {PREHEADER_LENGTH}.",
            "Let it end sooner, or keep what matters in front.",
        )
    elif size < _SHORTEST_PREHEADER:
        yield note(
            Check.subject,
            place,
            f"The preheader has {size} characters and leaves half of its room empty.",
            "Add a second reason to open.",
        )


def phrasing(edition: Edition) -> Iterator[Finding]:
    """Advertising in the editor's own words."""
    for place, words in editors_words(edition):
        if pitches := _named(_PITCHES, words):
            yield warning(
                Check.phrasing,
                place,
                f"{listed(pitches)} {'reads' if len(pitches) == 1 else 'read'} like advertising, "
                "to filters as to people.",
                "Say it plainly.",
            )
    letters = [c for c in edition.subject if c.isalpha()]
    capitals = sum(c.isupper() for c in letters)
    if len(letters) >= _SHORTEST_SUBJECT and capitals > _LOUD * len(letters):
        yield warning(Check.phrasing, "subject", "The subject shouts.", "Use small letters.")
    if _FALSE_REPLY.search(edition.subject):
        yield warning(
            Check.phrasing,
            "subject",
            "The subject pretends to answer or to forward something.",
            "Take the “Re:” or “Fwd:” away: filters and readers resent it.",
        )


def left_behind(edition: Edition) -> Iterator[Finding]:
    """What was meant to be filled in and was not."""
    if not edition.opening.strip():
        yield warning(
            Check.values,
            "introduction",
            "There is no introduction: the mail begins with a table.",
            "Two sentences are enough; the first draft’s are among the versions.",  # noqa: RUF001 - print
        )
    for place, words in editors_words(edition):
        if gaps := _named(_LEFT_BEHIND, words):
            was, it = ("was", "it") if len(gaps) == 1 else ("were", "them")
            yield error(
                Check.values,
                place,
                f"{listed(gaps)} {was} meant to be filled in.",
                f"Replace {it}, or take {it} away.",
            )


def duplicates(
    edition: Edition, *, earlier: Sequence[tuple[str, str, str]] = ()
) -> Iterator[Finding]:
    """What stands twice: in this edition, or here and in one of the *earlier* (issue, subject, opening)."""
    slugs = Counter(entry.facts.slug for entry in edition.entries)
    for entry in edition.entries:
        if slugs.pop(entry.facts.slug, 1) > 1:
            yield error(
                Check.duplicates,
                entry.facts.title,
                f"{entry.facts.title} stands in it twice.",
                "Leave one of them out.",
            )
    pairs: dict[frozenset[str], str] = {}
    for entry in edition.entries:
        pair = frozenset(tool.slug for tool in entry.facts.tools)
        if pair in pairs and pairs[pair] != entry.facts.title:
            yield warning(
                Check.duplicates,
                entry.facts.title,
                f"{entry.facts.title} compares the same two tools as {pairs[pair]}.",
                "Leave one of them out.",
            )
        pairs.setdefault(pair, entry.facts.title)
    yield from _said_twice(edition)
    for issue, old_subject, old_opening in earlier:
        if key_of(old_subject) == key_of(edition.subject):
            yield warning(
                Check.duplicates,
                "subject",
                f"{issue} had the same subject.",
                "Readers take it for the mail they have: write another, or take a suggestion.",
            )
        if edition.opening.strip() and key_of(old_opening) == key_of(edition.opening):
            yield warning(
                Check.duplicates,
                "introduction",
                f"{issue} had the same introduction.",
                "Write what is new this week.",
            )


def _said_twice(edition: Edition) -> Iterator[Finding]:
    where: dict[str, str] = {}
    for entry in edition.entries:
        for quote in entry.quotes:
            key = key_of(quote.text)
            if key in where:
                # Where wording chose, it found nothing else to quote; an editor chose it twice.
                made = warning if entry.voices is not None else note
                yield made(
                    Check.duplicates,
                    entry.facts.title,
                    f"“{quote.text[:60]}…” is quoted under {where[key]} as well.",
                    "Quote another reviewer under one of them.",
                )
            where.setdefault(key, entry.facts.title)


def _named(pattern: re.Pattern[str], words: str) -> list[str]:
    """Everything in *words* that *pattern* finds, in quotes, each once: one look names them all."""
    found: dict[str, str] = {}
    for one in pattern.finditer(words):
        found.setdefault(one[0].casefold(), f"“{one[0]}”")
    return list(found.values())


def editors_words(edition: Edition) -> list[tuple[str, str]]:
    """What editors wrote, by its place."""
    notes = [(f"note on {one.facts.title}", one.note) for one in edition.entries if one.note]
    return [
        ("subject", edition.subject),
        ("preheader", edition.preheader),
        ("introduction", edition.opening),
        *notes,
    ]
