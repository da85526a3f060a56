"""Every change that anyone makes is in the log: no page and no command gets past it."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from sqlmodel import Session
from typer.testing import CliRunner

from newsletter import database
from newsletter.accounts import audit
from newsletter.accounts.audit import Wanted
from newsletter.cli import app as commands
from newsletter.database import reading, unit_of_work
from newsletter.editions import decisions, production
from newsletter.web.app import ROUTERS
from newsletter.web.office import staff
from tests.support.commands import with_families
from tests.support.editions import a_draft

#: They write without anybody deciding anything: rows of their own, or what files say already.
NO_DECISION: Final = {
    *("beat", "demo", "run", "worker", "migrate"),
    "preflight",  # keeps what links answered
    "doctor",  # keeps what it found
    "recount",  # the same of figures
    "reconcile",  # keeps what a provider tells, as its webhook does
    "reclass",  # counts anew by the rules that the code has
    "schedule",  # its callback installs the files on a first start
}


def reaches(
    function: Callable[..., object], target: Callable[..., object], seen: set[object]
) -> bool:
    """Whether *function*, or anything of ours that it names, names *target*."""
    function = inspect.unwrap(function)
    if function is inspect.unwrap(target):
        return True
    if not inspect.isfunction(function) or function in seen:
        return False
    seen.add(function)
    if function.__module__.partition(".")[0] not in {"newsletter", "digests", "subscribers"}:
        return False
    return any(reaches(named, target, seen) for named in _named(function))


def _named(function: Any) -> Iterator[Any]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            yield _resolved(node, function.__globals__)


def _resolved(node: ast.expr, names: dict[str, Any]) -> Any:
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        return getattr(_resolved(node.value, names), node.attr, None)
    return None


def _asks_who(dependant: Dependant) -> bool:
    return any(part.call is staff.find_caller or _asks_who(part) for part in dependant.dependencies)


@cache
def staffs_forms() -> dict[str, Any]:
    return {
        route.path: route.endpoint
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        and "POST" in (route.methods or ())
        and _asks_who(route.dependant)
    }


@cache
def _writing_commands() -> dict[str, Any]:
    found = {
        path: inspect.unwrap(command.callback)
        for path, command in with_families()
        if command.callback is not None and path
    }
    return {
        name: function
        for name, function in found.items()
        if reaches(function, database.unit_of_work, set())
    }


@pytest.mark.parametrize("path", staffs_forms())
def test_no_form_of_the_staffs_pages_changes_anything_without_a_line(path: str) -> None:
    assert reaches(staffs_forms()[path], audit.note, set()), f"POST {path} notes nothing"


@pytest.mark.parametrize("name", sorted(_writing_commands().keys() - NO_DECISION))
def test_no_command_changes_anything_without_a_line(name: str) -> None:
    assert reaches(_writing_commands()[name], audit.note, set()), f"newsletter {name} notes nothing"


def test_the_walk_finds_what_notes_nothing() -> None:
    assert not reaches(production.move, audit.note, set())  # of which decisions.move is the door
    assert len(staffs_forms()) > 10
    assert len(_writing_commands()) > 20


def test_what_is_decided_about_an_edition_is_told_with_before_and_after(
    session: Session, now: datetime
) -> None:
    digest = a_draft(session, now=now)
    later = now + timedelta(hours=2)

    decisions.move(session, digest, to=later, by="Grace", now=now)
    decisions.stop(session, reason="complaints", by="Grace", now=now)
    decisions.go(session, by="Ada", now=now)
    decisions.cancel(session, digest, by="Ada", now=now)

    told = [
        (one.by, one.action, one.subject, one.before, one.after)
        for one in reversed(audit.read(session, Wanted()).entries)
    ]
    assert told == [
        (
            "Grace",
            "digest.moved",
            "2026-W48",
            {"send_at": now.isoformat(), "status": "draft"},
            {"send_at": later.isoformat(), "status": "draft"},
        ),
        ("Grace", "sending.stopped", "", None, {"reason": "complaints"}),
        ("Ada", "sending.released", "", None, None),
        ("Ada", "digest.cancelled", "2026-W48", {"status": "draft"}, {"status": "cancelled"}),
    ]


def test_the_log_is_read_in_leaves_and_by_whom_what_and_about_what(
    session: Session, now: datetime
) -> None:
    for number in range(7):
        by, action = ("Ada", "digest.moved") if number % 2 else ("Grace", "digest.edited")
        audit.note(session, by=by, action=action, subject=f"W{number}", now=now)
    audit.note(session, by="Ada", action="digests.unlike", now=now)
    session.flush()

    first = audit.read(session, Wanted(action="digest"), count=3)
    second = audit.read(session, Wanted(action="digest"), before=first.older, count=3)
    third = audit.read(session, Wanted(action="digest"), before=second.older, count=3)

    leaves = [[one.subject for one in leaf.entries] for leaf in (first, second, third)]
    assert leaves == [["W6", "W5", "W4"], ["W3", "W2", "W1"], ["W0"]]
    assert third.older is None
    moved = audit.read(session, Wanted(by="Ada", action="digest.moved", subject="W3"))
    assert [one.subject for one in moved.entries] == ["W3"]


@pytest.mark.usefixtures("sqlite_url")
def test_who_may_come_in_is_decided_by_commands_as_well() -> None:
    def told(*words: str, entered: str = "") -> str:
        done = CliRunner().invoke(commands, ["accounts", *words], input=entered)
        assert done.exit_code == 0, done.output
        return done.output

    told("add", "ada@x.example", "--name", "Ada", "--role", "operator", "--by", "root")
    told("add", "grace@x.example", "--name", "Grace", "--role", "reader", "--by", "root")
    told("roles", "Grace", "--role", "editor", "--by", "Ada")
    token = told("token", "Grace", "--name", "the build", "--days", "9", "--by", "Ada").strip()
    told("end-token", "Grace", "--name", "The Build", "--by", "Ada")
    told("password", "Grace", "--by", "Ada", entered="a sentence of her own\n")
    told("end-logins", "Grace", "--by", "Ada")
    told("disable", "grace@x.example", "--by", "Ada")
    told("enable", "Grace", "--by", "Ada")

    assert token.startswith("newsletter_")
    with reading() as session:
        log = [(one.by, one.action) for one in audit.read(session, Wanted()).entries]
    assert [action for by, action in reversed(log) if by == "Ada"] == [
        "account.roles",
        "token.made",
        "token.ended",
        "account.password",
        "login.ended",
        "account.disabled",
        "account.enabled",
    ]
    shown = CliRunner().invoke(commands, ["log", "--by", "Ada", "--action", "account"])
    assert "account.roles" in shown.output
    assert "reader" in shown.output
    assert token not in shown.output


@pytest.fixture
def sqlite_url(sqlite_database: str, configure: Any) -> None:
    configure(database_url=sqlite_database)
    with unit_of_work():
        pass
