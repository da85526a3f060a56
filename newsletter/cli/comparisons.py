"""Comparisons: take pages and JSON lines in, print what the store holds."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Annotated, Any

import typer
from sqlmodel import Session

from digests.facts import ComparisonFacts, PanelFacts
from digests.reading.exchange import json_line
from digests.reading.sources import Found, Refused, documents
from digests.store.comparisons import every_comparison, facts_of, latest_revision
from digests.store.intake import Taken, TakenAs, take_in
from newsletter.accounts import audit
from newsletter.cli.output import print_json, print_table
from newsletter.cli.turns import By, who
from newsletter.clock import utc_now
from newsletter.database import reading, rehearsing, unit_of_work

Take = Callable[[Found], Taken]


def register(app: typer.Typer) -> None:
    """Add the commands about comparisons."""
    app.command("import")(bring_in)
    app.command("comparisons")(show)


def bring_in(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Compare pages, files of JSON lines, folders of either; - reads standard input.",
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen, and keep nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    by: By = "",
) -> None:
    """Take comparisons into the store: pages as text, or JSON lines (see docs/comparisons.md).

    Each goes in whole or is refused by file and line, and the others go in all
    the same. The exit status is 0 when all went in, 1 when some were refused.

    Example: `newsletter import pages/ more.jsonl`
    """
    counts = Counter[str]()
    told: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    with _rehearsing() if dry_run else nullcontext(_kept) as take:
        for document in documents(paths, sys.stdin.buffer):
            if isinstance(document, Refused):
                counts["refused"] += 1
                refused.append(
                    {"source": document.source, "line": document.line, "reason": document.reason}
                )
                typer.echo(f"newsletter: {document}", err=True)
                continue
            taken = take(document)
            counts[taken.outcome] += 1
            if as_json:
                told.append(_as_json(document, taken))
            elif taken.outcome is not TakenAs.unchanged:
                _tell(document, taken)
    if not dry_run and counts.total() > counts["refused"] + counts[TakenAs.unchanged]:
        with unit_of_work() as session:
            after = _summed(counts)
            audit.note(
                session, by=who(by), action="comparisons.imported", after=after, now=utc_now()
            )
    if as_json:
        print_json({"dry_run": dry_run, **_summed(counts), "pages": told, "refusals": refused})
    else:
        typer.echo(_summary(counts, dry_run=dry_run))
    if refused:
        raise typer.Exit(1)


def show(
    slugs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SLUG]...", help="Only these comparisons; all without any."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON lines, as `newsletter import` takes them.")
    ] = False,
) -> None:
    """Print what the store knows of each comparison.

    Example: `newsletter comparisons --json > comparisons.jsonl`
    """
    with reading() as session:
        if slugs:
            wanted = {slug: facts_of(session, slug) for slug in slugs}
            if missing := [slug for slug, facts in wanted.items() if facts is None]:
                typer.echo(f"newsletter: There is no comparison {missing[0]!r}.", err=True)
                raise typer.Exit(1)
            known: Iterator[ComparisonFacts] = (facts for facts in wanted.values() if facts)
        else:
            known = every_comparison(session)
        if as_json:
            _print_lines(known)
            return
        rows = [(facts, latest_revision(session, facts.slug)) for facts in known]
    print_table(
        ("comparison", "left", "right", "revision", "taken in"),
        (
            (
                facts.title,
                *(_verdict(tool.panel) for tool in facts.tools),
                revision.number if revision else 0,
                f"{revision.taken_in_at:%Y-%m-%d %H:%M}" if revision else "",
            )
            for facts, revision in rows
        ),
        empty="No comparison yet; `newsletter import PATH` takes compare pages in.",
    )


def _kept(document: Found) -> Taken:
    """Each comparison in a transaction of its own: a later failure undoes none before it."""
    with unit_of_work() as session:
        return _taken(session, document)


@contextmanager
def _rehearsing() -> Iterator[Take]:
    """All in one transaction that is rolled back: each sees what those before it would have done."""
    with rehearsing() as session:
        yield partial(_taken, session)


def _taken(session: Session, document: Found) -> Taken:
    return take_in(session, document.facts, source=document.source, now=utc_now())


def _as_json(document: Found, taken: Taken) -> dict[str, Any]:
    return {
        "source": document.source,
        "line": document.line,
        "slug": taken.slug,
        "outcome": str(taken.outcome),
        "revision": taken.revision,
        "changes": taken.changes,
        "others": taken.others,
    }


def _tell(document: Found, taken: Taken) -> None:
    typer.echo(f"{taken.outcome:<9} {document.facts.title}")
    for change in taken.changes:
        typer.echo(f"          {change}")
    if taken.others:
        typer.echo(f"          {len(taken.others)} more with one of its tools: revised as well")


def _summed(counts: Counter[str]) -> dict[str, int]:
    return {str(name): counts[name] for name in (*TakenAs, "refused")}


def _summary(counts: Counter[str], *, dry_run: bool) -> str:
    parts = ", ".join(f"{number:,} {name}" for name, number in _summed(counts).items())
    return f"{parts}{' (nothing was kept: a dry run)' if dry_run else ''}"


def _print_lines(known: Iterator[ComparisonFacts]) -> None:
    try:
        for facts in known:
            sys.stdout.write(f"{json_line(facts)}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has read enough (``| head``); Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _verdict(panel: PanelFacts) -> str:
    word = panel.verdict.value if panel.verdict else ""
    share = f"{panel.ship_percent}%" if panel.ship_percent is not None else ""
    return " ".join(part for part in (word, share) if part) or "\u2014"
