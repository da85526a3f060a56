"""Which column means what: by the headings that lists are exported with, or as an operator says."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from subscribers.importing.records import FileRefused


class Meaning(StrEnum):
    """What a column can hold."""

    address = "address"
    name = "name"
    first_name = "first_name"
    last_name = "last_name"
    zone = "zone"
    joined = "joined"
    status = "status"


class There(StrEnum):
    """Where somebody stands on the list they come from."""

    wanted = "wanted"
    unconfirmed = "unconfirmed"
    left = "left"
    bounced = "bounced"
    complained = "complained"


_HEADINGS: Final[dict[Meaning, tuple[str, ...]]] = {
    Meaning.address: ("email address", "email", "e mail", "e mail address", "mail", "address"),
    Meaning.name: ("name", "full name", "display name"),
    Meaning.first_name: ("first name", "firstname", "given name", "fname"),
    Meaning.last_name: ("last name", "lastname", "surname", "family name", "lname"),
    Meaning.zone: ("timezone", "time zone", "zone", "tz"),
    Meaning.joined: (
        *("joined", "optin time", "confirm time", "created at", "creation date"),
        *("subscribed at", "start date", "date joined", "subscription date"),
    ),
    Meaning.status: (
        *("status", "type", "subscriber type", "email disabled"),
        *("subscribed to emails", "subscribed"),
    ),
}

_WORDS: Final[dict[str, There]] = {
    **dict.fromkeys(
        (
            *("", "active", "subscribed", "enabled", "confirmed", "regular", "premium", "free"),
            *("paid", "comp", "complimentary", "gifted", "trialed", "past due", "unpaid", "author"),
        ),
        There.wanted,
    ),
    **dict.fromkeys(
        ("unactivated", "unconfirmed", "pending", "transactional", "non subscribed", "upcoming"),
        There.unconfirmed,
    ),
    **dict.fromkeys(
        (
            *("unsubscribed", "removed", "disabled", "inactive", "blocklisted", "blacklisted"),
            *("left", "paused", "churned", "churning", "archived", "deleted", "blocked"),
        ),
        There.left,
    ),
    **dict.fromkeys(("cleaned", "bounced", "undeliverable", "hard bounced"), There.bounced),
    **dict.fromkeys(("complained", "spammy", "spam", "abuse", "complaint"), There.complained),
}
_YES: Final = frozenset({"true", "yes", "1", "t", "y"})
_NO: Final = frozenset({"false", "no", "0", "f", "n"})


@dataclass(frozen=True, slots=True)
class Origin:
    """A service whose exports have all of these *headings*; *everybody* stands where the file says."""

    name: str
    headings: frozenset[str]
    everybody: There | None = None


#: The first that fits. Mailchimp exports a file for each standing.
_ORIGINS: Final = (
    Origin("Mailchimp", frozenset({"email address", "unsub time"}), There.left),
    Origin("Mailchimp", frozenset({"email address", "clean time"}), There.bounced),
    Origin("Mailchimp", frozenset({"email address", "optin time"})),
    Origin("Substack", frozenset({"email", "active subscription", "email disabled"})),
    Origin("Substack", frozenset({"email", "stripe plan", "cancel date"})),
    Origin("Ghost", frozenset({"email", "subscribed to emails"})),
    Origin("listmonk", frozenset({"uuid", "email", "attributes", "status"})),
    Origin("Buttondown", frozenset({"email", "notes", "metadata"})),
    Origin("Buttondown", frozenset({"email address", "notes", "metadata"})),
)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one file by their places, counted from 0."""

    places: Mapping[Meaning, int]
    origin: str = ""
    headings: tuple[str, ...] = ()
    everybody: There | None = None
    _turned: bool = field(default=False)  # yes in the column of standings means no

    @property
    def has_heading(self) -> bool:
        """Whether the file's first row names its columns."""
        return bool(self.headings)

    def is_heading(self, fields: Sequence[str]) -> bool:
        """Whether a row names the columns once more, as in files that were joined."""
        return (
            bool(self.headings)
            and fields[0].strip()[:80] == self.headings[0]
            and (tuple(cell.strip()[:80] for cell in fields) == self.headings)
        )

    def standing(self, said: str) -> There | None:
        """What a cell of the status column means; None for a word nobody knows."""
        word = _plain(said)
        if word in _YES or word in _NO:
            return There.wanted if (word in _YES) != self._turned else There.left
        return _WORDS.get(word)

    def as_words(self) -> dict[str, str]:
        """For people: what is read from which column."""
        return {
            str(meaning): self.headings[place] if self.has_heading else f"column {place + 1}"
            for meaning, place in self.places.items()
        }


def columns_of(first: Sequence[str], said: Mapping[str, str], *, name: str = "") -> Columns:
    """What the columns under the row *first* mean; *said* names or numbers some. Raises FileRefused.

    Mailchimp names the file of contacts who never subscribed in the file's *name* alone.
    """
    if any("@" in cell for cell in first) and not any(_plain(one) in _ADDRESSES for one in first):
        return _without_heading(first, said)
    plain = [_plain(cell) for cell in first]
    places = _as_said(first, plain, said)
    for meaning, names in _HEADINGS.items():
        found = [at for name in names for at, cell in enumerate(plain) if cell == name]
        if meaning in places or not found:
            continue
        if meaning is Meaning.address and len(set(found)) > 1 and plain.count(plain[found[0]]) > 1:
            raise FileRefused(
                f"More than one column is called {first[found[0]]!r}; say which with "
                f"--map address={found[0] + 1}, counted from 1."
            )
        places[meaning] = found[0]
    if Meaning.address not in places:
        raise FileRefused(
            "No column is recognised as the address. Say which it is, for example "
            f'--map "address={first[0].strip()[:40] or 1}".'
        )
    origin = next((one for one in _ORIGINS if one.headings <= set(plain)), None)
    status = places.get(Meaning.status)
    return Columns(
        places=places,
        origin=origin.name if origin else "",
        headings=tuple(cell.strip()[:80] for cell in first),
        everybody=_everybody(origin, name) if origin else None,
        _turned=status is not None and plain[status].endswith("disabled"),
    )


def _everybody(origin: Origin, name: str) -> There | None:
    if origin.name == "Mailchimp" and _plain(name).startswith(("nonsubscribed", "non subscribed")):
        return There.unconfirmed
    return origin.everybody


_ADDRESSES: Final = frozenset(_HEADINGS[Meaning.address])


def _without_heading(first: Sequence[str], said: Mapping[str, str]) -> Columns:
    places = _as_said(first, [], said)
    places.setdefault(Meaning.address, next(at for at, cell in enumerate(first) if "@" in cell))
    return Columns(places=places)


def _as_said(
    first: Sequence[str], plain: Sequence[str], said: Mapping[str, str]
) -> dict[Meaning, int]:
    places: dict[Meaning, int] = {}
    for word, column in said.items():
        if word not in set(Meaning):
            raise FileRefused(
                f"{word!r} is nothing that a column can mean; these are: {', '.join(Meaning)}."
            )
        if column.isascii() and column.isdigit() and 1 <= int(column) <= len(first):
            places[Meaning(word)] = int(column) - 1
        elif _plain(column) in plain:
            places[Meaning(word)] = plain.index(_plain(column))
        else:
            raise FileRefused(f"There is no column {column!r}; name one, or number it from 1.")
    return places


def _plain(cell: str) -> str:
    return re.sub(r"[\s_\-]+", " ", cell.strip().strip("\ufeff").lower()).strip()
