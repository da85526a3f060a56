"""A comparison for machines that read pages: schema.org's words as JSON-LD, which nothing executes."""

import json
from datetime import datetime
from typing import Any, Final

from markupsafe import Markup

from digests.facts import ComparisonFacts, ReviewFacts, ToolFacts

#: What could end a script element or start another, in the form in which JSON may say it too.
_INERT: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def structured(
    facts: ComparisonFacts,
    *,
    address: str,
    publication: str,
    tools_at: str,
    changed_at: datetime | None,
) -> Markup:
    """The content of a ``script type="application/ld+json"``. *tools_at* has ``{slug}`` in it."""
    said = _without_gaps(
        {
            "@context": "https://schema.org",
            "@type": "WebPage",
            "@id": address,
            "url": address,
            "name": facts.title,
            "description": facts.summary,
            "datePublished": facts.published_at.isoformat() if facts.published_at else None,
            "dateModified": changed_at.isoformat() if changed_at else None,
            "isPartOf": {"@type": "WebSite", "name": publication},
            "mainEntity": {
                "@type": "ItemList",
                "numberOfItems": len(facts.tools),
                "itemListElement": [
                    {"@type": "ListItem", "position": at, "item": _tool(tool, tools_at)}
                    for at, tool in enumerate(facts.tools, start=1)
                ],
            },
        }
    )
    # What takes the signs away that HTML would read leaves nothing to escape.
    return Markup(json.dumps(said, ensure_ascii=True).translate(_INERT))  # noqa: S704


def _tool(tool: ToolFacts, tools_at: str) -> dict[str, Any]:
    return _without_gaps(
        {
            "@type": "SoftwareApplication",
            "name": tool.name,
            "url": tools_at.replace("{slug}", tool.slug),
            "applicationCategory": tool.category,
            "description": tool.description or tool.tagline,
            "review": [_review(review) for review in tool.reviews],
        }
    )


def _review(review: ReviewFacts) -> dict[str, Any]:
    rating = {"@type": "Rating", "ratingValue": review.score, "bestRating": 100, "worstRating": 0}
    return _without_gaps(
        {
            "@type": "Review",
            "author": {"@type": "Person", "name": review.reviewer} if review.reviewer else None,
            "reviewRating": rating if review.score is not None else None,
            "name": str(review.verdict).capitalize() if review.verdict else None,
            "reviewBody": review.text,
        }
    )


def _without_gaps(said: dict[str, Any]) -> dict[str, Any]:
    """What is not known is not said."""
    return {name: value for name, value in said.items() if value not in (None, [])}
