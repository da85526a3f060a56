"""Who may come in: the first account, and everybody after."""

import sys
from typing import Annotated

import typer

from newsletter.accounts import codes, logins
from newsletter.accounts import register as accounts
from newsletter.accounts.models import Role
from newsletter.cli import programs
from newsletter.cli.output import print_json, print_table
from newsletter.cli.turns import By
from newsletter.cli.turns import who as whose
from newsletter.clock import utc_now
from newsletter.database import reading, unit_of_work

Who = Annotated[str, typer.Argument(help="A name or an address.")]
Roles = Annotated[
    list[Role], typer.Option("--role", help="What they may do; repeat it for several.")
]


def register(app: typer.Typer) -> None:
    """Add the commands about accounts."""
    group = typer.Typer(
        help="Who may come in to the staff's pages, and what they may do there.",
        no_args_is_help=True,
    )
    group.command("add")(add)
    group.command("list")(show)
    for command in (roles, password, disable, enable):
        group.command(command.__name__)(command)
    group.command("end-logins")(end_logins)
    group.command("no-second-step")(no_second_step)
    programs.register(group)
    app.add_typer(group, name="accounts")


def add(  # noqa: PLR0917 - as many options as people need
    address: Annotated[str, typer.Argument(help="Their email address.")],
    name: Annotated[str, typer.Option(help="Their name, as the log of changes shows it.")],
    role: Roles,
    zone: Annotated[str, typer.Option(help="The time zone of their clocks.")] = "UTC",
    password: Annotated[
        bool, typer.Option("--password", help="Ask for a password, or read it from a pipe.")
    ] = False,
    by: By = "",
) -> None:
    """Give somebody an account; the first one is made here, and the others here or on the page.

    Example: `newsletter accounts add ada@example.com --name Ada --role editor --role operator --password`
    """
    secret = _asked_for() if password else None
    with unit_of_work() as session:
        made = accounts.add(
            session,
            address,
            name=name,
            roles=role,
            zone=zone,
            password=secret,
            by=whose(by),
            now=utc_now(),
        )
        typer.echo(f"{made.name} may come in as {made.roles.replace(' ', ', ')}.")


def show(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """List the accounts and their roles.

    Example: `newsletter accounts list`
    """
    with reading() as session:
        rows = [
            {
                "name": one.name,
                "address": one.address,
                "roles": one.roles,
                "zone": one.zone,
                "password": one.password is not None,
                "second_step": one.code_secret is not None,
                "added_at": one.added_at.isoformat(),
                "added_by": one.added_by,
                "disabled_at": one.disabled_at and one.disabled_at.isoformat(),
            }
            for one in accounts.everybody(session)
        ]
    if as_json:
        print_json(rows)
        return
    print_table(
        ("name", "address", "roles", ""),
        (
            (r["name"], r["address"], r["roles"], "disabled" if r["disabled_at"] else "")
            for r in rows
        ),
        empty="Nobody yet; `newsletter accounts add` makes the first account.",
    )


def roles(who: Who, role: Roles, by: By = "") -> None:
    """Give somebody exactly these roles.

    Example: `newsletter accounts roles Ada --role editor --role reader`
    """
    with unit_of_work() as session:
        account = accounts.find(session, who)
        accounts.set_roles(session, account, role, by=whose(by), now=utc_now())
        typer.echo(f"{account.name} may come in as {account.roles.replace(' ', ', ')}.")


def password(who: Who, by: By = "") -> None:
    """Give somebody a new password, asked for or read from a pipe; it ends their logins.

    Example: `newsletter accounts password Ada`
    """
    secret = _asked_for()
    with unit_of_work() as session:
        account = accounts.find(session, who)
        accounts.set_password(session, account, secret, by=whose(by), now=utc_now())
        typer.echo(f"{account.name} has a new password, and is signed in nowhere.")


def disable(who: Who, by: By = "") -> None:
    """Keep somebody out from this moment on: their logins and tokens end.

    Example: `newsletter accounts disable Ada`
    """
    with unit_of_work() as session:
        account = accounts.find(session, who)
        done = accounts.disable(session, account, by=whose(by), now=utc_now())
        typer.echo(f"{account.name} is kept out{'' if done else ' already'}.")


def enable(who: Who, by: By = "") -> None:
    """Let somebody in again who was kept out.

    Example: `newsletter accounts enable Ada`
    """
    with unit_of_work() as session:
        account = accounts.find(session, who)
        done = accounts.enable(session, account, by=whose(by), now=utc_now())
        typer.echo(f"{account.name} may come in{' again' if done else ' already'}.")


def end_logins(who: Who, by: By = "") -> None:
    """End every login of somebody, in whatever browser; their tokens stay.

    Example: `newsletter accounts end-logins Ada`
    """
    with unit_of_work() as session:
        account = accounts.find(session, who)
        count = logins.end_all(session, account, by=whose(by), now=utc_now())
        typer.echo(f"{count} ended; {account.name} has to sign in anew.")


def no_second_step(who: Who, by: By = "") -> None:
    """Ask somebody for no code any more who has lost the device and the recovery codes.

    Example: `newsletter accounts no-second-step Ada`
    """
    with unit_of_work() as session:
        account = accounts.find(session, who)
        codes.switch_off(session, account, by=whose(by), now=utc_now())
        typer.echo(f"{account.name} comes in by the first step alone.")


def _asked_for() -> str:
    """The password: twice from a person, one line from a pipe. Never from an argument, which others see."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    secret: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return secret
