"""Where the links of a mail lead, by what was kept of asking them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from digests.edition import Edition
from digests.words.english import capital, counted, number
from newsletter.preflight import wording
from newsletter.preflight.findings import Check, Finding, note, warning
from newsletter.reach import LinkAnswer, Verdict
from newsletter.rendering.prose import not_linked

_SHORT: Final = 90  # characters of an address


def leading(
    links: Sequence[str], known: Mapping[str, LinkAnswer], *, now: datetime
) -> Iterator[Finding]:
    """A finding for each of *links* that does not lead a reader where it seems to; how old each answer is."""
    for url in links:
        if (one := known.get(url)) is None or one.verdict in {None, Verdict.answers}:
            continue
        place = url if len(url) <= _SHORT else f"{url[:_SHORT]}…"
        says = f"{one.said[:1].upper()}{one.said[1:]}, asked {_ago(one.asked_at, now)}."
        if one.verdict is Verdict.away:
            yield note(Check.links, place, says, "Link to where it leads, if that is meant.")
        elif one.verdict is Verdict.private:
            yield warning(
                Check.links, place, says, "Readers cannot open it: link to a public page."
            )
        else:
            yield warning(
                Check.links, place, says, "Open it yourself; mend the link or take it out."
            )
    if waiting := sum(url not in known for url in links):
        yield note(
            Check.links,
            "links",
            f"{_how_many(waiting, len(links))} not asked yet.",
            "They are asked every minute or so, or at once by `newsletter preflight --ask`.",
        )


def nowhere(edition: Edition) -> Iterator[Finding]:
    """What an editor wrote as a link and the mail shows as mere words."""
    for place, words in wording.editors_words(edition):
        for linked, address in not_linked(words) if place not in {"subject", "preheader"} else ():
            short = address if len(address) <= _SHORT else f"{address[:_SHORT]}…"
            yield warning(
                Check.links,
                place,
                f"“{linked}” is no link in the mail: “{short}” is no address that a mail may link to.",
                "Write it from https:// on and without a password, or take it out.",
            )


def _how_many(waiting: int, links: int) -> str:
    was = "was" if waiting == 1 else "were"
    if waiting == links:
        return f"{capital(counted(links, 'link'))} {was}"
    return f"{capital(number(waiting))} of {counted(links, 'link')} {was}"


def _ago(at: datetime, now: datetime) -> str:
    minutes = max(0, round((now - at).total_seconds() / 60))
    if minutes < 1:
        return "a moment ago"
    return f"{counted(minutes, 'minute')} ago" if minutes < 90 else f"{minutes // 60} hours ago"  # noqa: PLR2004 - as people say it
