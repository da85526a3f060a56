"""Why an edition did not go at its hour, in words: the reason for every difference from the plan."""

from datetime import timedelta
from typing import Final

from digests.models import Digest, DigestStatus
from digests.schedules.schedule import Occurrence, Schedule

#: Started within this of its hour, an edition was on time: the next tick finds it.
ON_TIME: Final = timedelta(seconds=30)
#: At most so long after its approval one that was due already goes.
_SECOND_THOUGHTS: Final = timedelta(hours=1)


def why(
    schedule: Schedule, turn: Occurrence, digest: Digest | None, *, late: timedelta | None
) -> str:
    """Why it was not sent at its hour, in words; empty when it was."""
    if digest is None:
        fate = "; its comparisons were left out" if turn.dropped else ""
        return f"{turn.reason or turn.status}{fate}"
    said: list[str] = []
    if turn.appointed_at is not None and turn.reason:
        said.append(turn.reason)
    elif digest.send_at != turn.send_at and not _waited_for_its_name(turn, digest):
        said.append(f"the edition was moved to {digest.send_at:%Y-%m-%d %H:%M} UTC")
    if late is None:
        return "; ".join([*said, digest.paused_reason or f"it is {digest.status}"])
    due_at = turn.send_at if _waited_for_its_name(turn, digest) else digest.send_at
    waited = digest.started_at - due_at if digest.started_at else timedelta(0)
    if waited > ON_TIME:
        said += _what_it_waited_for(schedule, turn, digest)
    if digest.status is not DigestStatus.sent and digest.paused_reason:
        said.append(digest.paused_reason)
    return "; ".join(said)


def _waited_for_its_name(turn: Occurrence, digest: Digest) -> bool:
    """Whether it was due already when it was approved: then it goes once nobody can take that back."""
    named_at = digest.approved_at
    if named_at is None or turn.appointed_at is not None:
        return False
    return turn.send_at < named_at <= digest.send_at <= named_at + _SECOND_THOUGHTS


def _what_it_waited_for(schedule: Schedule, turn: Occurrence, digest: Digest) -> list[str]:
    said: list[str] = []
    if digest.assembled_at > turn.cutoff_at + ON_TIME and digest.assembled_at > digest.send_at:
        said.append(f"no beat found it before {digest.assembled_at:%H:%M:%S} UTC")
    if digest.approved_at and (
        digest.approved_at > digest.send_at or _waited_for_its_name(turn, digest)
    ):
        said.append(f"approved by {digest.approved_by} at {digest.approved_at:%H:%M:%S} UTC")
    if schedule.local_time and not said:
        return []  # it starts with the first clocks on earth, and that is its hour
    return said or ["no worker took it up before, or the kill switch was on"]
