"""Feeds of comparisons, all or of a category: Atom (RFC 4287) and JSON Feed 1.1."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from sqlmodel import Session
from starlette.responses import Response

from digests.store import finding
from digests.store.finding import Wanted
from digests.store.listing import Listing
from newsletter.copies import galley
from newsletter.settings import settings
from newsletter.web.caching import kept
from newsletter.web.doors import Reading
from newsletter.web.pages import LOOK, TAGLINE, rendered

router = APIRouter()

_SECONDS: Final = 300
_ANYBODY: Final = {
    "access-control-allow-origin": "*",
    "cross-origin-resource-policy": "cross-origin",
}
_BEFORE_ANYTHING: Final = datetime(1970, 1, 1, tzinfo=UTC)  # an empty feed must have a moment too
Category = Annotated[str, Query(max_length=300)]


@dataclass(frozen=True, slots=True)
class Item:
    """One comparison in a feed; *sides* says of each tool where the panel stands."""

    row: Listing
    address: str
    sides: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Feed:
    """What both formats are made of."""

    title: str
    home: str
    itself: str
    updated_at: datetime
    items: tuple[Item, ...]


@router.api_route("/compare.atom", methods=LOOK)
def atom(request: Request, session: Reading, category: Category = "") -> Response:
    """The newest comparisons as Atom."""
    feed = _feed(session, category.strip(), "atom")
    body = rendered("feed.atom", feed=feed).encode()
    return _answer(request, feed, body, "application/atom+xml")


@router.api_route("/compare.json", methods=LOOK)
def json_feed(request: Request, session: Reading, category: Category = "") -> Response:
    """The newest comparisons as JSON Feed."""
    feed = _feed(session, category.strip(), "json")
    said = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "description": TAGLINE,
        "home_page_url": feed.home,
        "feed_url": feed.itself,
        "language": "en",
        "items": [_as_json(item) for item in feed.items],
    }
    return _answer(request, feed, json.dumps(said).encode(), "application/feed+json")


def _feed(session: Session, category: str, kind: str) -> Feed:
    found = finding.find(session, Wanted(category=category))
    base, address = settings().web_url.rstrip("/"), galley.comparison_address()
    asked = f"?{urlencode({'category': category})}" if category else ""
    publication = settings().publication
    return Feed(
        title=f"{publication}: {category}" if category else publication,
        home=f"{base}/compare{asked}",
        itself=f"{base}/compare.{kind}{asked}",
        updated_at=found.rows[0].listed_at if found.rows else _BEFORE_ANYTHING,
        items=tuple(
            Item(row, address.replace("{slug}", row.slug), tuple(map(_stands, row.sides)))
            for row in found.rows
        ),
    )


def _stands(side: dict[str, Any]) -> str:
    """``SmolVLM2: ship, 75% of the panel``; less where less is known."""
    said = [str(side["verdict"])] if side["verdict"] else []
    said += [f"{side['percent']:.0f}% of the panel ship it"] if side["percent"] is not None else []
    return f"{side['name']}: {', '.join(said) or 'not rated yet'}"


def _as_json(item: Item) -> dict[str, Any]:
    row = item.row
    said = {
        "id": item.address,
        "url": item.address,
        "title": row.title,
        "summary": row.summary,
        "content_text": "\n".join((*((row.summary,) if row.summary else ()), *item.sides)),
        "date_published": row.published_at.isoformat() if row.published_at else None,
        "date_modified": row.listed_at.isoformat(),
        "tags": [name for name in (row.category, row.other_category) if name],
    }
    return {name: value for name, value in said.items() if value}


def _answer(request: Request, feed: Feed, body: bytes, media_type: str) -> Response:
    changed_at = feed.updated_at if feed.items else None
    return kept(
        request,
        body,
        media_type=media_type,
        changed_at=changed_at,
        seconds=_SECONDS,
        headers=_ANYBODY,
    )
