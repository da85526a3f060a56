"""How heavy each real reader's copy is, without making any: a rendition, and the lengths filled into it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from newsletter.preflight.findings import Check, Finding, error, warning
from newsletter.preflight.mail import Mail, Shape

_GAP: Final = re.compile(r"\[%([A-Za-z0-9_]+)%\]")


@dataclass(frozen=True, slots=True)
class Weighed:
    """The heaviest copy there is: its bytes, whose it is (None: nobody's yet), how many were measured."""

    copies: int
    worst_bytes: int
    worst_reader: int | None


def weigh(
    mails: Mapping[str, Mail], shapes: Sequence[Shape], *, lengths: Mapping[str, int]
) -> Weighed:
    """Measure the HTML of every copy. *lengths* are the bytes of what is filled in, by field.

    Copies of one shape weigh the same to the byte, so one measurement is all of
    theirs: only the day of joining differs, and the line on what a reader keeps,
    which is taken at its longest for everybody.
    """
    frames = {topics: _frame(mail.html, lengths) for topics, mail in mails.items()}
    copies, worst, whose = 0, 0, None
    for shape in shapes:
        if shape.topics not in frames:
            continue
        size = frames[shape.topics].with_day(shape.joined)
        copies += shape.count
        if size > worst:
            worst, whose = size, shape.reader
    if not copies:  # nobody is on the list yet: what the longest day would make
        worst = max((frame.with_day("30 September 2026") for frame in frames.values()), default=0)
    return Weighed(copies, worst, whose)


def weight(weighed: Weighed, *, heavy: int, too_heavy: int) -> Iterator[Finding]:
    """Gmail hides everything after about 102 kB, the way to leave included."""
    size = weighed.worst_bytes
    if size < heavy:
        return
    whose = f" (reader {weighed.worst_reader:,})" if weighed.worst_reader else ""
    says = f"The worst copy weighs {size / 1000:.1f} kB after links are rewritten{whose}. Gmail clips at 102."
    fix = "Leave a comparison out, quote fewer reviewers, or shorten the notes."
    made = error if size >= too_heavy else warning
    yield made(Check.weight, "the whole mail", says, fix)


@dataclass(frozen=True, slots=True)
class _Frame:
    """A rendition's bytes with every link filled in, and how often the day of joining stands in it."""

    bytes: int
    days: int

    def with_day(self, joined: str) -> int:
        return self.bytes + self.days * len(joined.encode())


def _frame(html: str, lengths: Mapping[str, int]) -> _Frame:
    size, days = len(html.encode()), 0
    for gap in _GAP.finditer(html):
        size -= len(gap[0])
        if gap[1] == "joined":
            days += 1
        else:
            size += lengths.get(gap[1], 0)
    return _Frame(size, days)
