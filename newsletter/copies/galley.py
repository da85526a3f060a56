"""The galley: an edition as the store, the templates and the settings make it at this moment."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlmodel import Session

from digests.lifecycle import NothingInIt
from digests.making import assembly
from digests.making.stock import Stock, stock
from digests.models import Digest
from digests.topics import ALL
from newsletter.rendering import House, Rendered, content_hash, render
from newsletter.settings import settings


@dataclass(frozen=True, slots=True)
class Preview:
    """The bytes that will go, and the hash that an approval is bound to."""

    digest: Digest
    rendered: Rendered
    content_hash: str
    topics: str = ALL  # whose rendition it is


def fresh(session: Session, digest: Digest, key: str = ALL) -> Preview:
    """The edition as it stands at this moment, approved or not, for readers of *key*. Raises NothingInIt."""
    return next(fresh_each(session, digest, [key]))


def fresh_each(session: Session, digest: Digest, keys: Iterable[str]) -> Iterator[Preview]:
    """The same for each of *keys*; what they are made of is read once. Raises NothingInIt."""
    whole = assembly.edition(session, digest, address=comparison_address())
    have: Stock | None = None
    opens, clicks = settings().tracked_by("us")
    for key in keys:
        edition = whole
        if key != ALL:
            have = have or stock(session, digest, whole, address=comparison_address())
            edition = have.restricted(whole, key)
        if not edition.entries and not edition.missed:
            raise NothingInIt(digest.issue)
        rendered = render(
            edition,
            house=house(),
            track_opens=opens,
            track_clicks=clicks,
        )
        yield Preview(digest, rendered, content_hash(rendered.content), key)


def house() -> House:
    """What every edition says about us."""
    known = settings()
    return House(
        comparison_address=comparison_address(),
        publication=known.publication,
        public_url=known.web_url,
        postal_address=known.postal_address,
        sender_domain=known.sender_address.rpartition("@")[2],
    )


def comparison_address() -> str:
    """Where a full comparison stands, with ``{slug}`` in it."""
    return f"{(settings().site_url or settings().web_url).rstrip('/')}/compare/{{slug}}"
