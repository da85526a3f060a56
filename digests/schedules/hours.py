"""When an edition goes, in words: where its schedule lives, or at an hour by each reader's own clocks."""

from datetime import date, datetime, time
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from digests.models import Digest

#: In the place of a zone's name.
OWN_CLOCKS: Final = "each reader's own clocks"


class Hour(NamedTuple):
    """A day, what clocks show, and whose clocks they are."""

    day: date
    at: time
    clocks: str

    @property
    def words(self) -> str:
        """``Mon 23 Nov, 09:00``."""
        return f"{self.day:%a} {self.day.day} {self.day:%b}, {self.at:%H:%M}"

    @property
    def is_everybodys_own(self) -> bool:
        """Whether it comes at different moments in different places."""
        return self.clocks == OWN_CLOCKS


def hour_of(send_at: datetime, zone: str, own: tuple[date, time] | None = None) -> Hour:
    """The hour of *send_at* in *zone*; with *own*, of that day and time wherever a reader is."""
    if own is not None:
        return Hour(*own, OWN_CLOCKS)
    there = send_at.astimezone(ZoneInfo(zone))
    return Hour(there.date(), there.time(), zone)


def hour_of_digest(digest: Digest) -> Hour:
    """The hour of *digest*."""
    own = (digest.local_day, digest.local_at)
    if own[0] is None or own[1] is None:
        return hour_of(digest.send_at, digest.zone)
    return Hour(own[0], own[1], OWN_CLOCKS)
