"""What preflight says: findings with their severity, place and fix, and what it looked at to find them."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from digests.lifecycle import DigestError
from digests.words.english import counted


class Severity(StrEnum):
    """What a finding asks of an editor."""

    error = "error"  # refuses approval
    warning = "warning"  # asks for a word
    note = "note"  # good to know


class Check(StrEnum):
    """Everything preflight looks at; the values are what editors read."""

    weight = "size of the worst copy"
    copies = "every reader’s copy"  # noqa: RUF001 - print
    values = "missing values"
    alternatives = "alternatives"
    contrast = "contrast by day and night"
    features = "features that clients drop"
    text = "text part"
    subject = "subject and preheader"
    phrasing = "phrasing"
    leaving = "unsubscribe and address"
    duplicates = "duplicated content"
    drift = "drift from the store"
    links = "where links lead"


class NotFit(DigestError):
    """Preflight found errors: nobody's word lets an edition go with them."""

    def __init__(self, issue: str, found: "Preflight") -> None:
        count = len(found.errors)
        super().__init__(
            f"{issue} cannot be approved: preflight finds {counted(count, 'error')}. "
            + _told(found.errors, "newsletter preflight " + issue)
        )
        self.issue, self.found = issue, found


class AsksForAWord(DigestError):
    """Preflight warns: whoever approves says why it may go all the same."""

    def __init__(self, issue: str, found: "Preflight") -> None:
        count = len(found.warnings)
        super().__init__(
            f"{issue} may go with {counted(count, 'warning')}, and a word from you why. "
            + _told(found.warnings, "newsletter preflight " + issue)
        )
        self.issue, self.found = issue, found


_ORDER: Final = tuple(Severity)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong or remarkable: where it is, and what puts it right.

    *revision_id* is the comparison it is about; *refresh* the store's newer
    revision that would put it right in one click.
    """

    severity: Severity
    check: Check
    place: str
    says: str
    fix: str
    revision_id: int | None = None
    refresh: int | None = None


@dataclass(frozen=True, slots=True)
class Preflight:
    """All that was found in one edition, worst first, and how much was looked at.

    *copies* real readers' copies were measured, in *renditions* different mails;
    the heaviest weighs *worst_bytes* and is *worst_reader*'s (None: nobody is on the list yet).
    """

    findings: tuple[Finding, ...]
    copies: int
    renditions: int
    worst_bytes: int
    worst_reader: int | None
    content_hash: str
    examined_at: datetime
    copies_at: datetime | None = None  # when the list was measured, where not at this moment
    readers: dict[str, tuple[str, int]] = field(
        default_factory=dict
    )  # of each rendition: its topics in words, and how many get it

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What refuses approval."""
        return tuple(one for one in self.findings if one.severity is Severity.error)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What asks for a word."""
        return tuple(one for one in self.findings if one.severity is Severity.warning)

    @property
    def notes(self) -> tuple[Finding, ...]:
        """What is good to know, and asks for nothing."""
        return tuple(one for one in self.findings if one.severity is Severity.note)

    @property
    def is_clean(self) -> bool:
        """Whether it may go without anybody's word: no error, no warning."""
        return not self.errors and not self.warnings

    @property
    def passed(self) -> tuple[Check, ...]:
        """The checks that found nothing."""
        found = {one.check for one in self.findings}
        return tuple(check for check in Check if check not in found)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "findings": [
                asdict(one) | {"check": one.check.name, "severity": one.severity.value}
                for one in self.findings
            ],
            "errors": len(self.errors),
            "warnings": len(self.warnings),
            "passed": [check.name for check in self.passed],
            "copies": self.copies,
            "renditions": self.renditions,
            "worst_bytes": self.worst_bytes,
            "worst_reader": self.worst_reader,
            "content_hash": self.content_hash,
            "examined_at": self.examined_at.isoformat(),
            "copies_at": (self.copies_at or self.examined_at).isoformat(),
        }


def _told(findings: tuple[Finding, ...], command: str) -> str:
    more = f" (and more: `{command}`)" if len(findings) > 1 else ""
    return f"{findings[0].says}{more}"


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """*findings* without repetitions: errors, then warnings, then notes, each in the order found."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda one: _ORDER.index(one.severity)))


def error(check: Check, place: str, says: str, fix: str) -> Finding:
    """A finding that refuses approval."""
    return Finding(Severity.error, check, place, says, fix)


def warning(check: Check, place: str, says: str, fix: str) -> Finding:
    """A finding that asks for a word."""
    return Finding(Severity.warning, check, place, says, fix)


def note(check: Check, place: str, says: str, fix: str) -> Finding:
    """A finding that asks for nothing."""
    return Finding(Severity.note, check, place, says, fix)
