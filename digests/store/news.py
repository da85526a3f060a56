"""Two revisions of a comparison -> what a reader of the first would want to be told."""

from collections.abc import Iterator

from digests.facts import ComparisonFacts, PanelFacts, ReviewFacts, ToolFacts, key_of
from digests.store.knowledge import text_key


def changes_between(before: ComparisonFacts, after: ComparisonFacts) -> tuple[str, ...]:
    """A sentence for each verdict, share, price, entry and score that became another.

    Learning what was unknown is not news, and neither is a word set differently.
    """
    former = {tool.slug: tool for tool in before.tools}
    gone = [tool for tool in before.tools if tool.slug not in {t.slug for t in after.tools}]
    told: list[str] = []
    for tool in after.tools:
        if tool.slug in former:
            told += _of_tool(former[tool.slug], tool)
        elif gone:
            told.append(f"{tool.name} takes the place of {gone.pop(0).name}.")
    return tuple(told)


def _of_tool(before: ToolFacts, after: ToolFacts) -> Iterator[str]:
    yield from _of_panel(before.panel, after.panel, after.name)
    if _differ(before.pricing, after.pricing):
        yield (
            f"{after.name}\u2019s price changed from \u201c{before.pricing}\u201d "
            f"to \u201c{after.pricing}\u201d."
        )
    if _differ(before.entry, after.entry):
        yield f"{after.name}\u2019s entry changed from {before.entry} to {after.entry}."
    for review in after.reviews:
        if (known := _same_review(before, review)) is not None:
            yield from _of_review(known, review, after.name)


def _of_panel(before: PanelFacts, after: PanelFacts, name: str) -> Iterator[str]:
    if before.verdict and after.verdict and before.verdict is not after.verdict:
        yield f"The panel\u2019s verdict on {name} went from {before.verdict} to {after.verdict}."
    if before.ship_percent is not None and after.ship_percent is not None:
        if before.ship_percent != after.ship_percent:
            yield (
                f"The panel\u2019s ship share for {name} went from {before.ship_percent}% "
                f"to {after.ship_percent}%."
            )
        return
    then, now = (before.ships, before.skips), (after.ships, after.skips)
    if None not in (*then, *now) and then != now:
        yield (
            f"The panel\u2019s split on {name} went from {then[0]} ship / {then[1]} skip "
            f"to {now[0]} ship / {now[1]} skip."
        )


def _of_review(before: ReviewFacts, after: ReviewFacts, name: str) -> Iterator[str]:
    who = f"{after.reviewer}\u2019s" if after.reviewer else "A reviewer\u2019s"
    if before.verdict and after.verdict and before.verdict is not after.verdict:
        yield f"{who} verdict on {name} went from {before.verdict} to {after.verdict}."
    if None not in (before.score, after.score) and before.score != after.score:
        yield f"{who} score for {name} went from {before.score} to {after.score}."


def _same_review(tool: ToolFacts, review: ReviewFacts) -> ReviewFacts | None:
    if review.reviewer is not None:
        key = key_of(review.reviewer)
        for known in tool.reviews:
            if known.reviewer and key_of(known.reviewer) == key:
                return known
    text = text_key(review.text)
    return next(
        (
            known
            for known in tool.reviews
            if text_key(known.text) == text and (known.reviewer is None or review.reviewer is None)
        ),
        None,
    )


def _differ(before: str | None, after: str | None) -> bool:
    return before is not None and after is not None and key_of(before) != key_of(after)
