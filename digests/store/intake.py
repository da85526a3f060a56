"""What a page says -> the store, with a new revision of every comparison that it changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import or_
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from digests import topics
from digests.facts import ComparisonFacts, ToolFacts
from digests.store import history, listing
from digests.store.comparisons import Comparison, Revision, Tool
from digests.store.knowledge import learn, said_so_far
from digests.store.news import changes_between
from digests.store.standings import figures
from digests.store.tool_rows import facts_of_tools, write_tool

_LONGEST_SOURCE: Final = 300
_ATTEMPTS: Final = 5
_AT_ONCE: Final = 500


class _NeverSettles(Exception):
    """A row was made by somebody else and gone again, over and over."""

    def __init__(self, what: str) -> None:
        super().__init__(f"The {what} was made and removed by others {_ATTEMPTS} times; try again.")


class TakenAs(StrEnum):
    """What a page was to the store."""

    new = "new"
    revised = "revised"
    unchanged = "unchanged"


@dataclass(frozen=True, slots=True)
class Taken:
    """What taking one page in came to.

    *revision* is the comparison's latest number. *others* are the slugs of the
    comparisons that changed with it, because they share a tool.
    """

    slug: str
    outcome: TakenAs
    revision: int
    changes: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def take_in(session: Session, facts: ComparisonFacts, *, source: str, now: datetime) -> Taken:
    """Bring the store up to what *facts* say, and keep a revision of what changed.

    The same page twice changes nothing. Safe from many processes at once: the
    tools' rows are the lock, taken in the order of their slugs, and a row that
    two callers make at the same moment is made once.
    """
    comparison = session.exec(
        select(Comparison)
        .where(col(Comparison.slug) == facts.slug)
        .execution_options(populate_existing=True)
    ).first()
    before = ComparisonFacts.model_validate(comparison.stated) if comparison else None
    if comparison and said_so_far(before, facts) == before:
        return Taken(facts.slug, TakenAs.unchanged, comparison.revision)

    tools = {
        slug: _held(session, slug, now=now) for slug in sorted(page.slug for page in facts.tools)
    }
    # Only under the tools' locks is what the comparison has said so far sure to be the last word.
    comparison, is_new = _comparison(session, facts, tools, now=now)
    before = None if is_new else ComparisonFacts.model_validate(comparison.stated)
    known = facts_of_tools(session, [tool.id or 0 for tool in tools.values()])
    changed: list[Tool] = []
    for page in facts.tools:
        tool = tools[page.slug]
        after = learn(known[tool.id or 0], _side(before, page.slug), page)
        if after != known[tool.id or 0]:
            write_tool(session, tool, after, now=now)
            history.note(session, tool, after, now=now)
            changed.append(tool)
    _take_over(comparison, said_so_far(before, facts), tools)
    topics.register(session, facts)
    session.flush()
    revised = _revise(session, comparison, changed, source=source, now=now)
    own = revised.pop(comparison.slug, None)
    outcome = TakenAs.new if is_new else TakenAs.revised if own else TakenAs.unchanged
    return Taken(
        comparison.slug,
        outcome,
        comparison.revision,
        tuple(own.changes) if own else (),
        tuple(sorted(revised)),
    )


def _held(session: Session, slug: str, *, now: datetime) -> Tool:
    """The tool *slug*, made if there is none, and ours until the transaction ends."""
    wanted = (
        select(Tool)
        .where(col(Tool.slug) == slug)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    for _ in range(_ATTEMPTS):
        if (known := session.exec(wanted).first()) is not None:
            return known
        tool = Tool(slug=slug, name=slug, changed_at=now)
        if _inserted(session, tool):
            return tool
    raise _NeverSettles(f"tool {slug}")


def _comparison(
    session: Session, facts: ComparisonFacts, tools: Mapping[str, Tool], *, now: datetime
) -> tuple[Comparison, bool]:
    """The comparison's row, and whether it was made just now."""
    wanted = (
        select(Comparison)
        .where(col(Comparison.slug) == facts.slug)
        .execution_options(populate_existing=True)
    )
    for _ in range(_ATTEMPTS):
        if (known := session.exec(wanted).first()) is not None:
            return known, False
        left, right = (tools[page.slug].id or 0 for page in facts.tools)
        fresh = Comparison(
            slug=facts.slug,
            title=facts.title,
            left_tool_id=left,
            right_tool_id=right,
            stated=facts.model_dump(mode="json"),
            first_taken_in_at=now,
        )
        if _inserted(session, fresh):
            return fresh, True
    raise _NeverSettles(f"comparison {facts.slug}")


def _inserted(session: Session, row: Tool | Comparison) -> bool:
    """Insert *row*; False when somebody else has just made it, and the constraint says so."""
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return False
    return True


def _take_over(comparison: Comparison, stated: ComparisonFacts, tools: Mapping[str, Tool]) -> None:
    comparison.stated = stated.model_dump(mode="json")
    comparison.title, comparison.summary = stated.title, stated.summary
    comparison.url, comparison.published_at = stated.url, stated.published_at
    left, right = stated.tools
    comparison.left_tool_id = tools[left.slug].id or 0
    comparison.right_tool_id = tools[right.slug].id or 0


def _revise(
    session: Session,
    comparison: Comparison,
    changed: Sequence[Tool],
    *,
    source: str,
    now: datetime,
) -> dict[str, Revision]:
    """A revision for every comparison that reads differently now, by its slug."""
    ids = [tool.id for tool in changed]
    affected = session.exec(
        select(Comparison)
        .where(
            or_(
                col(Comparison.id) == comparison.id,
                col(Comparison.left_tool_id).in_(ids),
                col(Comparison.right_tool_id).in_(ids),
            )
        )
        # The same order for every caller, so that none waits in a ring.
        .order_by(col(Comparison.id))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    made: dict[str, Revision] = {}
    for start in range(0, len(affected), _AT_ONCE):
        some = affected[start : start + _AT_ONCE]
        pairs = [(one.left_tool_id, one.right_tool_id) for one in some]
        numbers = {number for pair in pairs for number in pair}
        tools = facts_of_tools(session, numbers)
        shown = {tool: figure.percent for tool, figure in figures(session, numbers).items()}
        latest = _latest_of(session, some)
        listed = listing.rows_of(session, [one.id or 0 for one in some])
        for one in some:
            facts = _comparison_facts(one, tools)
            if facts.fingerprint == one.fingerprint:
                continue
            former = latest.get(one.id or 0)
            changes = changes_between(former, facts) if former else ()
            one.revision += 1
            one.fingerprint = facts.fingerprint
            made[one.slug] = Revision(
                comparison_id=one.id or 0,
                number=one.revision,
                fingerprint=facts.fingerprint,
                facts=facts.model_dump(mode="json"),
                changes=list(changes),
                material=former is None or bool(changes),
                source=source[-_LONGEST_SOURCE:],
                taken_in_at=now,
            )
            session.add(made[one.slug])
            row = listed.get(one.id or 0) or listing.a_row(one, now=now)
            if made[one.slug].material:
                row.listed_at = now
            session.add(listing.written(row, one, facts, figures=shown))
        session.flush()
    return made


def _latest_of(session: Session, some: Sequence[Comparison]) -> dict[int, ComparisonFacts]:
    rows = session.exec(
        select(Revision.comparison_id, Revision.facts)
        .join(Comparison, col(Comparison.id) == col(Revision.comparison_id))
        .where(
            col(Comparison.id).in_([one.id for one in some]),
            col(Comparison.revision) == col(Revision.number),
        )
    )
    return {number: ComparisonFacts.model_validate(facts) for number, facts in rows}


def _comparison_facts(one: Comparison, tools: Mapping[int, ToolFacts]) -> ComparisonFacts:
    return ComparisonFacts(
        slug=one.slug,
        title=one.title,
        summary=one.summary,
        url=one.url,
        published_at=one.published_at,
        tools=(tools[one.left_tool_id], tools[one.right_tool_id]),
    )


def _side(before: ComparisonFacts | None, slug: str) -> ToolFacts | None:
    if before is None:
        return None
    return next((tool for tool in before.tools if tool.slug == slug), None)
