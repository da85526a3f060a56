"""The log of changes: what anyone changed, on a page or by a command."""

from typing import Annotated

import typer

from newsletter.accounts import audit
from newsletter.accounts.audit import Wanted
from newsletter.cli.output import moment, print_json, print_table
from newsletter.database import reading


def register(app: typer.Typer) -> None:
    """Add the command about the log."""
    app.command("log")(show)


def show(
    by: Annotated[str, typer.Option(help="Only of this person.")] = "",
    action: Annotated[str, typer.Option(help="Only this: digest, or digest.approved.")] = "",
    about: Annotated[str, typer.Option(help="Only about this: 2026-W48, a schedule, a name.")] = "",
    count: Annotated[int, typer.Option(min=1, max=1000, help="How many changes.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Show who changed what and when, before and after, the latest first.

    Example: `newsletter log --action digest --about 2026-W48`
    """
    with reading() as session:
        leaf = audit.read(session, Wanted(by=by, action=action, subject=about), count=count)
        rows = [one.model_dump(mode="json") for one in leaf.entries]
    if as_json:
        print_json(rows)
        return
    print_table(
        ("when, UTC", "who", "what", "about", "before and after"),
        ((moment(r["at"]), r["by"], r["action"], r["subject"], _told(r)) for r in rows),
        empty="Nobody has changed anything of that kind yet.",
    )


def _told(row: dict[str, dict[str, object] | None]) -> str:
    before, after = row["before"] or {}, row["after"] or {}
    names = [*before, *(name for name in after if name not in before)]
    return "; ".join(
        f"{name}: {before[name]} -> {after[name]}"
        if name in before and name in after
        else f"{name}: {before.get(name, after.get(name))}"
        for name in names
    )
