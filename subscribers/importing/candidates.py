"""One row judged: somebody to take in, somebody to leave out, or a line to refuse with its reason."""

import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import available_timezones

from subscribers.addresses import AddressKeys, BadAddress, normal_form
from subscribers.importing.columns import Columns, Meaning, There
from subscribers.importing.moments import moment
from subscribers.importing.records import Record, Refused

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")
_MOST_OF_A_NAME: Final = 200


class Candidate(NamedTuple):
    """Somebody on the list from elsewhere."""

    line: int
    key: bytes
    address: str  # as typed
    name: str | None
    zone: str
    joined_at: datetime
    there: There


class Judge:
    """Reads candidates out of the rows of one file; *refuses* says why a domain is not taken, if so."""

    def __init__(
        self,
        columns: Columns,
        keys: AddressKeys,
        now: datetime,
        refuses: Callable[[str], str | None] = lambda _domain: None,
    ) -> None:
        self._columns, self._keys, self._now, self._refuses = columns, keys, now, refuses
        at = columns.places.get
        self._address, self._status = columns.places[Meaning.address], at(Meaning.status)
        self._zone, self._joined = at(Meaning.zone), at(Meaning.joined)
        whole = at(Meaning.name)
        parts = (at(Meaning.first_name), at(Meaning.last_name))
        self._whole, self._parts = whole, tuple(one for one in parts if one is not None)

    def read(self, record: Record) -> Candidate | Refused:
        """Who *record* is about."""
        fields = record.fields
        address = _cell(fields, self._address)
        if reason := self._objection(fields, address):
            return _refused(record, reason)
        try:
            normal = normal_form(address)
        except BadAddress as bad:
            return _refused(record, str(bad))
        if reason := self._refuses(normal.rpartition("@")[2]):
            return _refused(record, reason)
        there = self._columns.everybody
        if there is None:
            said = _cell(fields, self._status)
            there = self._columns.standing(said) if said else There.wanted
            if there is None:
                return _refused(record, f"Nobody knows what the status {said[:40]!r} means.")
        return Candidate(
            line=record.line,
            key=self._keys(normal),
            address=address,
            name=self._name(fields),
            zone=_zone(_cell(fields, self._zone)),
            joined_at=moment(_cell(fields, self._joined), self._now),
            there=there,
        )

    def _objection(self, fields: list[str], address: str) -> str | None:
        if self._columns.is_heading(fields):
            return "It names the columns once more."
        width = len(self._columns.headings)
        if width and len(fields) != width and (len(fields) < width or any(fields[width:])):
            # One comma too many, and the cell that says who left is another.
            return f"It has {len(fields)} cells, and the heading {width}: which is which?"
        return None if address else "There is no address in it."

    def _name(self, fields: list[str]) -> str | None:
        name = _cell(fields, self._whole)
        if not name and self._parts:
            name = " ".join([_cell(fields, part) for part in self._parts]).strip()
        if not name:
            return None
        return _CONTROLS.sub(" ", name)[:_MOST_OF_A_NAME].strip() or None


def _cell(fields: list[str], place: int | None) -> str:
    return fields[place].strip() if place is not None and place < len(fields) else ""


def _refused(record: Record, reason: str) -> Refused:
    return Refused(record.line, reason, ", ".join(record.fields))


@lru_cache(maxsize=1000)
def _zone(said: str) -> str:
    return said if said in _zones() else "UTC"


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
