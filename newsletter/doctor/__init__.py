"""Examining everything that must be right for mail to arrive: machine, provider, domain, one-click."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from newsletter.esp.checks import Check

#: The parts in the order in which they are shown, as people call them.
PARTS: Final = {
    "machine": "This machine",
    "provider": "The provider",
    "domain": "The sending domain",
    "one-click": "Leaving with one click",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One check in its place. *part* is one of ``PARTS``; *about* the provider's name, or nothing."""

    part: str
    check: Check
    about: str = ""

    @property
    def key(self) -> str:
        """What stays the same from look to look."""
        return ":".join(word for word in (self.part, self.about, self.check.what) if word)

    @property
    def state(self) -> str:
        """``green``, ``red``, or ``unclear`` when nobody could tell."""
        return {True: "green", False: "red", None: "unclear"}[self.check.good]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "part": self.part,
            "about": self.about,
            "check": self.check.what,
            "state": self.state,
            "says": self.check.says,
            "fix": self.check.fix,
        }


@dataclass(frozen=True, slots=True)
class Examination:
    """Everything that was found at one moment."""

    at: datetime
    findings: tuple[Finding, ...]

    @property
    def red(self) -> tuple[Finding, ...]:
        """What is wrong."""
        return tuple(one for one in self.findings if one.check.good is False)

    @property
    def unclear(self) -> tuple[Finding, ...]:
        """What nobody could tell."""
        return tuple(one for one in self.findings if one.check.good is None)

    @property
    def names_providers(self) -> bool:
        """Whether several are in use, so that it must be said which one a finding is about."""
        return len({one.about for one in self.findings if one.about}) > 1

    def by_part(self) -> list[tuple[str, list[Finding]]]:
        """The findings under their parts' words, the wrong ones first."""
        order = {False: 0, None: 1, True: 2}
        parted = [
            (words, [one for one in self.findings if one.part == part])
            for part, words in PARTS.items()
        ]
        return [
            (words, sorted(found, key=lambda one: order[one.check.good]))
            for words, found in parted
            if found
        ]

    def as_json(self) -> dict[str, Any]:
        """Plain values; the moment in ISO 8601."""
        return {
            "at": self.at.isoformat(),
            "red": len(self.red),
            "unclear": len(self.unclear),
            "findings": [one.as_json() for one in self.findings],
        }
