"""What is known of a tool and what a page says of it -> what is known now, and what of it is news.

Pure. A page changes what is known only where it says something that it did not
say before: silence erases nothing, and a page taken in again does not undo what
another page has said since.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from digests.facts import (
    ComparisonFacts,
    DetailFacts,
    PanelFacts,
    ReviewFacts,
    ToolFacts,
    Verdict,
    key_of,
)

Value = TypeVar("Value")

_PLAIN_FIELDS: Final = (
    "name",
    "category",
    "tagline",
    "entry",
    "pricing",
    "best_for",
    "community",
    "community_percent",
)
#: A percentage is rounded on the page; a split that comes this close to it agrees with it.
_ROUNDING: Final = 1.0
_EVEN: Final = 50


def learn(known: ToolFacts, before: ToolFacts | None, page: ToolFacts) -> ToolFacts:
    """*known* after reading *page*; *before* is what the same comparison's pages had said so far."""
    fields = {
        name: _news(
            getattr(known, name), getattr(before, name) if before else None, getattr(page, name)
        )
        for name in _PLAIN_FIELDS
    }
    return ToolFacts(
        **fields,
        description=_prose(
            known.description, before.description if before else None, page.description
        ),
        panel=_panel(known.panel, before.panel if before else PanelFacts(), page.panel),
        details=_details(known.details, before.details if before else (), page.details),
        reviews=_reviews(known.reviews, before.reviews if before else (), page.reviews),
    )


def said_so_far(before: ComparisonFacts | None, page: ComparisonFacts) -> ComparisonFacts:
    """All that a comparison's own pages have said, each thing as last said."""
    if before is None:
        return page
    tools = {tool.slug: tool for tool in before.tools}
    left, right = (
        learn(tools[tool.slug], tools[tool.slug], tool) if tool.slug in tools else tool
        for tool in page.tools
    )
    return ComparisonFacts(
        slug=page.slug,
        title=page.title,
        summary=_prose(before.summary, before.summary, page.summary),
        url=page.url or before.url,
        published_at=page.published_at or before.published_at,
        tools=(left, right),
    )


def text_key(text: str) -> str:
    """*text* for comparing reviews: without the quotation marks in which one shape sets it."""
    key = key_of(text)
    for opening, closing in (("\u201c", "\u201d"), ('"', '"')):
        inner = key.removeprefix(opening).removesuffix(closing)
        if len(key) - len(inner) == len(opening + closing) and opening not in inner:
            return inner.strip()
    return key


def _news(known: Value | None, before: Value | None, page: Value | None) -> Value | None:
    if page is None or (page == before and known is not None):
        return known
    return page


def _prose(known: str | None, before: str | None, page: str | None) -> str | None:
    """Like any field, but the shape that keeps the paragraphs wins over the one that loses them."""
    if known and page and known.split() == page.split():
        return max(known, page, key=lambda text: text.count("\n\n"))
    return _news(known, before, page)


def _panel(known: PanelFacts, before: PanelFacts, page: PanelFacts) -> PanelFacts:
    """The panel as last said; what the page's own figure contradicts is no longer known."""
    fields = {
        name: _news(getattr(known, name), getattr(before, name), getattr(page, name))
        for name in PanelFacts.model_fields
    }
    now = PanelFacts(**fields)
    if now == known:
        return known
    share, percent = _share(now), now.ship_percent
    if share is not None and percent is not None and abs(share - percent) > _ROUNDING:
        if page.ships is None and page.skips is None:
            now = now.model_copy(update={"ships": None, "skips": None})
        elif page.ship_percent is None:
            now = now.model_copy(update={"ship_percent": None})
    if page.verdict is None and _is_contradicted(now, known):
        now = now.model_copy(update={"verdict": None})
    return now


def _share(panel: PanelFacts) -> float | None:
    if panel.ships is None or panel.skips is None or not panel.ships + panel.skips:
        return None
    return 100 * panel.ships / (panel.ships + panel.skips)


def _is_contradicted(now: PanelFacts, known: PanelFacts) -> bool:
    percent = now.ship_percent if now.ship_percent is not None else _share(now)
    if percent is None or now.verdict is None:
        return False
    if now.verdict is Verdict.ship:
        return percent < _EVEN
    if now.verdict is Verdict.skip:
        return percent > _EVEN
    return percent != known.ship_percent


def _details(
    known: Sequence[DetailFacts], before: Sequence[DetailFacts], page: Sequence[DetailFacts]
) -> tuple[DetailFacts, ...]:
    said_before = {key_of(row.label): row for row in before}
    rows = {key_of(row.label): row for row in known}
    for row in page:
        key = key_of(row.label)
        rows[key] = _news(rows.get(key), said_before.get(key), row) or row
    return tuple(rows.values())


@dataclass(slots=True)
class _Place:
    """A review's place among those known, so that it can be found again while others are put in."""

    review: ReviewFacts
    taken: bool = False


def _reviews(
    known: Sequence[ReviewFacts], before: Sequence[ReviewFacts], page: Sequence[ReviewFacts]
) -> tuple[ReviewFacts, ...]:
    """Each review once: the reviewer tells whose it is, else its text does.

    A nameless review that gets its name is completed; a new one stands where
    the page has it, after the review that comes before it there.
    """
    places = [_Place(review) for review in known]
    last = -1
    for at, review in enumerate(page):
        place = _same_reviewer(places, review) or _same_text(places, review)
        if place is None and review.reviewer is None:
            if any(text_key(old.text) == text_key(review.text) for old in before):
                continue  # not new on this page: another page has changed it since
            place = _edited(places, before, page, at)
        if place is None:
            place = _Place(review)
            places.insert(last + 1, place)
        else:
            place.review = _merged(place.review, _said_before(before, review), review)
        place.taken = True
        twin = _same_text(places, review) if review.reviewer else None
        if twin is not None and twin.review.reviewer is None:
            places.remove(twin)
        last = places.index(place)
    return tuple(place.review for place in places)


def _same_reviewer(places: Sequence[_Place], review: ReviewFacts) -> _Place | None:
    if review.reviewer is None:
        return None
    key = key_of(review.reviewer)
    return next((p for p in places if p.review.reviewer and key_of(p.review.reviewer) == key), None)


def _same_text(places: Sequence[_Place], review: ReviewFacts) -> _Place | None:
    """The review with this text that nobody else on the page is, and that is not another's."""
    key = text_key(review.text)
    return next(
        (
            place
            for place in places
            if not place.taken
            and text_key(place.review.text) == key
            and (review.reviewer is None or place.review.reviewer is None)
        ),
        None,
    )


def _edited(
    places: Sequence[_Place], before: Sequence[ReviewFacts], page: Sequence[ReviewFacts], at: int
) -> _Place | None:
    """The nameless review whose text this one replaces: it stood in the same place of the page."""
    if len(before) != len(page) or before[at].reviewer is not None:
        return None
    former = text_key(before[at].text)
    if any(text_key(review.text) == former for review in page):
        return None
    return next(
        (
            place
            for place in places
            if not place.taken
            and place.review.reviewer is None
            and text_key(place.review.text) == former
        ),
        None,
    )


def _said_before(before: Sequence[ReviewFacts], review: ReviewFacts) -> ReviewFacts | None:
    place = [_Place(old) for old in before]
    found = _same_reviewer(place, review) or _same_text(place, review)
    return found.review if found else None


def _merged(known: ReviewFacts, before: ReviewFacts | None, page: ReviewFacts) -> ReviewFacts:
    if text_key(known.text) == text_key(page.text) and known.text.split() != page.text.split():
        text = known.text if page.reviewer is None else page.text
    else:
        text = _prose(known.text, before.text if before else None, page.text) or page.text
    return ReviewFacts(
        reviewer=_news(known.reviewer, before.reviewer if before else None, page.reviewer),
        score=_news(known.score, before.score if before else None, page.score),
        verdict=_news(known.verdict, before.verdict if before else None, page.verdict),
        text=text,
    )
