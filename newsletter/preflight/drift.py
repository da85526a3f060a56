"""What the mail says of a tool and the store no longer does: prices, verdicts, scores."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from digests.facts import ComparisonFacts, ToolFacts, key_of
from digests.words.tally import split_of, verdict_of
from newsletter.preflight.findings import Check, Finding, Severity


@dataclass(frozen=True, slots=True)
class Pair:
    """One comparison as the edition has it, and as the store has it now."""

    revision_id: int
    newest_id: int
    mailed: ComparisonFacts
    stored: ComparisonFacts


def drift(pairs: Sequence[Pair]) -> Iterator[Finding]:
    """One finding for each comparison that has moved on, with everything in it that has."""
    for pair in pairs:
        if pair.revision_id == pair.newest_id:
            continue
        wrong: list[str] = []
        fuller: list[str] = []
        for mailed, stored in zip(pair.mailed.tools, pair.stored.tools, strict=True):
            for said, was, now in _moved(mailed, stored):
                if was is None:
                    fuller.append(f"{said} is known by now: {now}")
                else:
                    wrong.append(f"{said} was {was} and is {now or 'no longer known'}")
        if wrong or fuller:
            yield _finding(pair, wrong, fuller)


def _finding(pair: Pair, wrong: list[str], fuller: list[str]) -> Finding:
    told = wrong or fuller
    finding = Finding(
        severity=Severity.error if wrong else Severity.note,
        check=Check.drift,
        place=pair.mailed.title,
        says=f"{'; '.join(told[:3])}{f'; and {len(told) - 3} more' if len(told) > 3 else ''}.",  # noqa: PLR2004 - a line
        fix="Bring the comparison up to date with the store.",
    )
    return replace(finding, revision_id=pair.revision_id, refresh=pair.newest_id)


def _moved(mailed: ToolFacts, stored: ToolFacts) -> Iterator[tuple[str, str | None, str | None]]:
    """What differs: of what, what the mail says, what the store says; None where either does not know."""
    name = stored.name
    yield from _changed(
        f"{name}’s price",  # noqa: RUF001 - print
        mailed.pricing or mailed.entry,
        stored.pricing or stored.entry,
    )
    yield from _changed(f"{name}’s verdict", verdict_of(mailed), verdict_of(stored))  # noqa: RUF001 - print
    yield from _changed(f"{name}’s panel", _panel(mailed), _panel(stored))  # noqa: RUF001 - print
    known = {key_of(one.reviewer): one for one in stored.reviews if one.reviewer}
    for review in mailed.reviews:
        now = known.get(key_of(review.reviewer)) if review.reviewer else None
        if now is not None:
            who = f"{review.reviewer} on {name}"
            yield from _changed(f"the score of {who}", _figure(review.score), _figure(now.score))
            yield from _changed(f"the verdict of {who}", review.verdict, now.verdict)


def _changed(
    said: str, was: str | None, now: str | None
) -> Iterator[tuple[str, str | None, str | None]]:
    if was is not None and now is not None and key_of(str(was)) == key_of(str(now)):
        return
    if was != now:
        yield said, None if was is None else str(was), None if now is None else str(now)


def _figure(score: int | None) -> str | None:
    return None if score is None else str(score)


def _panel(tool: ToolFacts) -> str | None:
    percent = tool.panel.ship_percent
    if percent is not None:
        return f"{percent:.3g}%"
    ships, skips = split_of(tool)
    return None if ships is None or skips is None else f"{ships} to {skips}"
