"""The secrets: which there are, never their values; a new one; none but the present one."""

from textwrap import fill
from typing import Annotated

import typer

from newsletter import rotation
from newsletter.cli.digests import AsJson
from newsletter.cli.output import print_json
from newsletter.cli.turns import By, who
from newsletter.clock import utc_now
from newsletter.database import unit_of_work
from newsletter.rotation import Rotated, Secret, Source

Name = Annotated[str, typer.Argument(help="The secret, such as link_secret.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(invoke_without_command=True)
    group.callback()(secrets)
    group.command("rotate")(rotate)
    group.command("forget")(forget)
    app.add_typer(group, name="secrets")


def secrets(context: typer.Context, as_json: AsJson = False) -> None:
    """List the secrets: where each comes from, since when, how many older ones count, what needs it.

    Their values are never shown.

    Example: `newsletter secrets --json`
    """
    if context.invoked_subcommand is not None:
        return
    known = rotation.known()
    if as_json:
        print_json([_as_json(one) for one in known])
        return
    wide = max(len(one.name) for one in known) + 2
    for one in known:
        typer.echo(one.name.ljust(wide) + _in_words(one))
        typer.echo(fill(one.depends, 100, initial_indent=" " * wide, subsequent_indent=" " * wide))


def rotate(name: Name, by: By = "", as_json: AsJson = False) -> None:
    """Replace a secret; what the one before it made, links in mail above all, goes on working.

    Those that the installation keeps itself are replaced here. For one that comes from a setting
    the lines to set are printed, and nothing is changed.

    Example: `newsletter secrets rotate link_secret`
    """
    with unit_of_work() as session:
        done = rotation.rotate(session, name, by=who(by), now=utc_now())
    _tell(done, as_json=as_json, here=f"There is a new {done.secret.name}.")


def forget(
    name: Name,
    even_so: Annotated[
        bool, typer.Option("--even-so", help="Although links already mailed are dead then.")
    ] = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Accept none of the older ones of a secret any more: for one that leaked, or once it is not used.

    Example: `newsletter secrets forget site_token`
    """
    with unit_of_work() as session:
        done = rotation.forget(session, name, even_so=even_so, by=who(by), now=utc_now())
    _tell(done, as_json=as_json, here=f"No older {done.secret.name} is accepted.")


def _tell(done: Rotated, *, as_json: bool, here: str) -> None:
    """The lines to set on standard output, for a file; what to do with them on standard error."""
    if as_json:
        print_json({"set": list(done.lines), "then": done.then, "secret": _as_json(done.secret)})
        return
    for line in done.lines:
        typer.echo(line)
    if done.lines:
        typer.echo(done.then, err=True)
    else:
        typer.echo(f"{here} {done.then}")


def _in_words(one: Secret) -> str:
    where = one.setting if one.source is Source.setting else "kept in secrets.json"
    since = f", since {one.since:%Y-%m-%d %H:%M} UTC" if one.since else ""
    older = f"; {one.older} older accepted" if one.older else ""
    return f"{where}{since}{older}"


def _as_json(one: Secret) -> dict[str, object]:
    return {
        "secret": one.name,
        "from": str(one.source),
        "setting": one.setting,
        "since": one.since and one.since.isoformat(),
        "older_accepted": one.older,
        "depends": one.depends,
    }
