"""One answer made of many: providers that judge each copy of a call for itself (Postmark, SES)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from newsletter.esp import Accepted, NotTaken


class Verdict(StrEnum):
    """What became of one copy."""

    taken = "taken"
    refused = "refused"  # for good, and for this address
    again = "again"  # certainly not taken; the next attempt may be
    stuck = "stuck"  # certainly not taken, and none will be until an operator changes something


@dataclass(frozen=True, slots=True)
class Entry:
    """One copy's verdict; *said* is its message id when it was taken, else the reason."""

    verdict: Verdict
    said: str


def outcome_of(provider: str, entries: Sequence[Entry]) -> Accepted | NotTaken:
    """The verdicts as one outcome: taken in part, or not at all.

    When some were taken, stuck ones are to be tried again: their next attempt
    stands alone, and then says for itself that it needs an operator.
    """
    refused = {i: e.said for i, e in enumerate(entries) if e.verdict is Verdict.refused}
    again = [i for i, e in enumerate(entries) if e.verdict in (Verdict.again, Verdict.stuck)]
    if len(refused) + len(again) < len(entries) or not again:
        return Accepted(
            message_ids=tuple(e.said if e.verdict is Verdict.taken else "" for e in entries),
            refused=refused,
            again=frozenset(again),
        )
    stuck = [e.said for e in entries if e.verdict is Verdict.stuck]
    why = stuck[0] if stuck else entries[again[0]].said
    # With nothing but refusals beside them, the others lose nothing by waiting.
    return NotTaken(f"{provider} took no copy: {why}", final=bool(stuck), refused=refused)
