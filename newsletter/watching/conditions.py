"""What is wrong at this moment, in sentences: pure rules over what was seen."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from digests.ledger.progress import Progress
from digests.models import DigestStatus
from newsletter.overview import Overview
from newsletter.settings.alerts import AlertSettings


class Severity(StrEnum):
    """How soon somebody should look."""

    trouble = "trouble"  # mail does not go, or goes wrong: now
    warning = "warning"  # it will, unless somebody acts: today


class Audience(StrEnum):
    """Whose it is to act."""

    operators = "operators"
    editors = "editors"  # and operators


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that is wrong. *key* stays the same for as long as it lasts."""

    key: str
    severity: Severity
    what: str  # a sentence
    remedy: str  # what to do about it, a sentence
    audience: Audience = Audience.operators


@dataclass(frozen=True, slots=True)
class Unapproved:
    """A draft that somebody must approve before *deadline*."""

    issue: str
    deadline: datetime
    at_deadline: str  # what happens then: hold, send or skip
    is_met: bool  # that has happened
    late_after: datetime  # from then on it cannot go any more
    when_missed: str  # what becomes of its comparisons then: fold, skip or late


@dataclass(frozen=True, slots=True)
class Overdue:
    """A schedule with a turn that nobody takes although ticks come."""

    schedule: str
    since: datetime | None  # None: its days cannot even be reckoned


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that the rules look at."""

    overview: Overview
    unapproved: tuple[Unapproved, ...] = ()
    overdue: tuple[Overdue, ...] = ()
    still_since: dict[str, datetime] = field(default_factory=dict)  # sends that could go on
    without_events: tuple[str, ...] = ()  # editions of whose last copies no event came
    overtaken: dict[str, str] = field(default_factory=dict)  # approved ones, and what they say
    about_to_break: tuple[Condition, ...] = ()  # what checks of the outside have found


def conditions(seen: Seen, limits: AlertSettings) -> list[Condition]:
    """All that is wrong, the most urgent first."""
    found = [
        *_processes(seen, limits),
        *_halt(seen, limits),
        *(_overdue(one, now=seen.overview.at) for one in seen.overdue),
        *_editions(seen, limits),
        *_providers(seen, limits),
        *_letters(seen, limits),
        *seen.about_to_break,
    ]
    return sorted(found, key=lambda one: one.severity is not Severity.trouble)


def unstarted(known: Overview) -> list[Condition]:
    """What has never run: for whoever looks; there is nobody to write a letter about it yet."""
    return [
        Condition(
            f"{what}.unstarted",
            Severity.warning,
            f"No {what} has been seen yet: {consequence}.",
            f"Start one: `newsletter {what}`.",
        )
        for life, what, consequence in (
            (known.beats, "beat", "nothing becomes due"),
            (known.workers, "worker", "nothing is sent"),
        )
        if life.last_seen_at is None and not life.alive
    ]


def _processes(seen: Seen, limits: AlertSettings) -> Iterator[Condition]:
    now = seen.overview.at
    for life, what in ((seen.overview.beats, "beat"), (seen.overview.workers, "worker")):
        if life.is_gone and life.last_seen_at is not None:
            yield Condition(
                f"{what}.gone",
                Severity.trouble,
                f"No {what} has been seen for {_length(now - life.last_seen_at)}.",
                f"Start one (`newsletter {what}`) and read the end of the last one's log.",
            )
            continue
        for one in life.silent:
            yield Condition(
                f"{what}.silent:{one.name}",
                Severity.warning,
                f"The {what} {one.name} said nothing for {_length(now - one.seen_at)};"
                " others are at work.",
                "If its host was taken out of service, nothing is to do: it is forgotten in two days.",
            )
    if seen.overview.waiting is None:
        yield Condition(
            "broker.away",
            Severity.trouble,
            "The broker does not answer: no tick reaches a worker.",
            "See that it runs, and that NEWSLETTER_BROKER_URL leads to it; what is due is not lost.",
        )
    lag = seen.overview.workers.lag
    if limits.lag and lag is not None and lag > limits.lag:
        yield Condition(
            "lag",
            Severity.warning,
            f"Ticks reach the workers {lag:,.0f} seconds late.",
            "Start more worker processes, or look at what keeps them busy.",
        )


def _halt(seen: Seen, limits: AlertSettings) -> Iterator[Condition]:
    halt = seen.overview.halt
    if halt is None or not limits.halted:
        return
    if seen.overview.at - halt.halted_at >= timedelta(seconds=limits.halted):
        yield Condition(
            "halted",
            Severity.warning,
            f"Everything has been stopped by {halt.by} for "
            f"{_length(seen.overview.at - halt.halted_at)}: {halt.reason.rstrip('.')}.",
            "`newsletter go`, or the console, lets it go on.",
        )


def _overdue(one: Overdue, *, now: datetime) -> Condition:
    what = (
        f"The days of schedule {one.schedule} cannot be reckoned, so that none of its turns comes."
    )
    if one.since is not None:
        what = (
            f"A turn of {one.schedule} has been due for {_length(now - one.since)}, and nothing"
            " came of it: neither a draft nor a reason."
        )
    return Condition(
        f"overdue:{one.schedule}",
        Severity.trouble,
        what,
        "A tick fails on it: the workers' log says why (`occurrence.failed`, `schedule.failed`).",
    )


def _editions(seen: Seen, limits: AlertSettings) -> Iterator[Condition]:
    expired = {one.issue for one in seen.unapproved if one.late_after < seen.overview.at}
    yield from _drafts(seen, limits, expired)
    for send in seen.overview.sends:
        if send.issue not in expired:
            yield from _held(send)
        if limits.uncertain:
            yield from _doubts(send, seen.overview.at, timedelta(seconds=limits.uncertain))
    for issue, since in seen.still_since.items():
        if limits.stalled and seen.overview.at - since >= timedelta(seconds=limits.stalled):
            yield Condition(
                f"stalled:{issue}",
                Severity.trouble,
                f"{issue} could go on and has not moved for {_length(seen.overview.at - since)}.",
                "The console says who holds its batches and what the provider answered last.",
            )
    for issue, says in seen.overtaken.items():
        yield Condition(
            f"overtaken:{issue}",
            Severity.warning,
            f"{issue} is approved, and the store has moved on: {says}",
            "Bring the comparison up to date on the desk and approve that, or let it go as it is.",
            Audience.editors,
        )
    for issue in seen.without_events:
        yield Condition(
            f"silence:{issue}",
            Severity.warning,
            f"The provider accepted copies of {issue}, and no event of the last of them has come.",
            "Look at the webhook in the provider's settings; `newsletter doctor` checks it.",
        )


def _drafts(seen: Seen, limits: AlertSettings, expired: set[str]) -> Iterator[Condition]:
    soon = seen.overview.at + timedelta(seconds=limits.deadline)
    for one in seen.unapproved:
        if one.issue in expired:
            yield _expired(one)
        elif limits.deadline and not one.is_met and one.deadline <= soon:
            yield _near(one, now=seen.overview.at)


def _held(send: Progress) -> Iterator[Condition]:
    if send.status is DigestStatus.paused:
        by_itself = send.waits_for.startswith("stopped by itself")
        yield Condition(
            f"held:{send.issue}",
            Severity.trouble if by_itself else Severity.warning,
            f"{send.issue} is paused with {send.left:,} copies to go: {send.waits_for}",
            f"`newsletter resume {send.issue}` lets it go on, `newsletter cancel {send.issue}` ends it.",
        )
    elif send.status is DigestStatus.draft and not send.waits_for.startswith("approval:"):
        yield Condition(
            f"held:{send.issue}",
            Severity.warning,
            f"{send.issue} is held as a draft: {send.waits_for}",
            "Look at it on the desk, and approve it or cancel it there.",
            Audience.editors,
        )


def _near(one: Unapproved, *, now: datetime) -> Condition:
    consequence = {
        "hold": "it is held",
        "send": "it goes as it stands if preflight is clean",
        "skip": "it is skipped and its comparisons go into the next one",
    }.get(one.at_deadline, one.at_deadline)
    left = one.deadline - now
    what = (
        f"{one.issue} must be approved within {_length(left)}"
        if left > timedelta(0)
        else f"{one.issue} was to be approved {_length(-left)} ago"
    )
    return Condition(
        f"deadline:{one.issue}",
        Severity.warning if left > timedelta(0) else Severity.trouble,
        f"{what}; otherwise {consequence}.",
        "Open it on the desk, or move its turn on the schedule's page.",
        Audience.editors,
    )


def _expired(one: Unapproved) -> Condition:
    then = (
        "its comparisons are left out for good"
        if one.when_missed == "skip"
        else "its comparisons go into the next one"
    )
    return Condition(
        f"expired:{one.issue}",
        Severity.warning,
        f"{one.issue} was not approved before {one.late_after:%Y-%m-%d %H:%M} UTC"
        " and cannot go any more.",
        f"Move its turn on the schedule's page; otherwise {then} when the next window closes.",
        Audience.editors,
    )


def _doubts(send: Progress, now: datetime, limit: timedelta) -> Iterator[Condition]:
    old = [one for one in send.doubts if one.posted_at and now - one.posted_at >= limit]
    if old:
        copies = sum(one.copies for one in old)
        yield Condition(
            f"uncertain:{send.issue}",
            Severity.warning,
            f"Nobody knows of {copies:,} copies of {send.issue} whether the provider took them.",
            f"Look into the provider's log and decide: `newsletter settle {send.issue}`.",
        )


def _providers(seen: Seen, limits: AlertSettings) -> Iterator[Condition]:
    if not limits.resting:
        return
    for one in (*seen.overview.resting, *seen.overview.failing):
        # Not for a single call that went wrong among many: for what made it rest, until a call goes well.
        if one.failures and one.open_until is not None:
            how_often = "once" if one.failures == 1 else f"{one.failures} times in a row"
            yield Condition(
                f"provider:{one.provider}",
                Severity.trouble,
                f"{one.provider} failed {how_often}: {one.reason or 'no reason'}",
                "What it refuses is in the sentence; `newsletter doctor` checks the account.",
            )


def _letters(seen: Seen, limits: AlertSettings) -> Iterator[Condition]:
    oldest = seen.overview.oldest_letter_at
    if limits.letters and oldest and seen.overview.at - oldest >= timedelta(seconds=limits.letters):
        yield Condition(
            "letters",
            Severity.trouble,
            "Confirmations and sign-in links have waited for "
            f"{_length(seen.overview.at - oldest)} and have not left.",
            "The console says whether workers run and what the provider answers.",
        )


def _length(span: timedelta) -> str:
    """A length of time as people say it."""
    seconds = max(0, round(span.total_seconds()))
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * size or (seconds >= size and unit != "day"):
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds} seconds"
