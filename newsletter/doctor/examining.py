"""One examination of everything, and the last one, which is kept."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import JSON, Column
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, Session, SQLModel

from newsletter.database import reading, unit_of_work
from newsletter.doctor import Examination, Finding
from newsletter.doctor.dns import Silence, resolver
from newsletter.doctor.domain import examine_domain
from newsletter.doctor.machine import Clock, examine_machine
from newsletter.doctor.oneclick import examine_address
from newsletter.esp import BadSettings
from newsletter.esp.checks import Account, Check, Examined, Wanted
from newsletter.providers import provider
from newsletter.settings import settings

log = structlog.get_logger()

#: What nobody can tell now and was wrong within this time is taken to be so still.
_BELIEVED_FOR: Final = timedelta(days=1)
#: Where these are wrong nothing can be kept.
_NO_STORE: Final = {"database", "migrations"}


class Checkup(SQLModel, table=True):
    """The last examination; there is one row."""

    id: int = Field(default=1, primary_key=True)
    at: datetime
    findings: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))


def examine(*, clock: Clock) -> Examination:
    """Look at everything. Asks providers and DNS, so no transaction is open meanwhile."""
    now = clock()
    accounts = [(name, _account(name)) for name in dict.fromkeys(settings().esp_names)]
    dkim = [host for _, account in accounts for host in account.dkim]
    return Examination(
        now,
        (
            *(Finding("machine", check) for check in examine_machine(clock=clock)),
            *(
                Finding("provider", check, name)
                for name, account in accounts
                for check in account.checks
            ),
            *_outside(dkim, now=now),
        ),
    )


def quick(kept: Examination | None, *, clock: Clock) -> Examination:
    """The machine as it is at this moment, and the rest as it was *kept*: nobody is asked."""
    machine = tuple(Finding("machine", check) for check in examine_machine(clock=clock))
    rest = tuple(one for one in kept.findings if one.part != "machine") if kept else ()
    return Examination(kept.at if kept else clock(), (*machine, *rest))


def keep(examination: Examination) -> None:
    """Keep it in place of the one before. What is unclear now stays red for a day if it was red."""
    with unit_of_work() as session:
        before = last(session)
        rows = [one.as_json() for one in _carried_over(before, examination).findings]
        dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
        said = {"at": examination.at, "findings": rows}
        session.execute(
            dialect.insert(Checkup)
            .values(id=1, **said)
            .on_conflict_do_update(index_elements=["id"], set_=said)
        )
    red = [one.key for one in examination.red]
    log.info("checkup.kept", red=len(red), unclear=len(examination.unclear), keys=red[:20])


def last(session: Session) -> Examination | None:
    """The examination that was kept last, None before the first."""
    kept = session.get(Checkup, 1, populate_existing=True)
    if kept is None:
        return None
    good = {"green": True, "red": False}
    return Examination(
        kept.at,
        tuple(
            Finding(
                row["part"],
                Check(row["check"], good.get(row["state"]), row["says"], row["fix"]),
                row["about"],
            )
            for row in kept.findings
        ),
    )


def look_and_keep(*, clock: Clock) -> Examination:
    """Examine everything and keep it, where there is a store of this version to keep it in."""
    examination = examine(clock=clock)
    if not _NO_STORE & {one.check.what for one in examination.red}:
        keep(examination)
    return examination


def is_due(*, now: datetime) -> bool:
    """Whether the last examination is older than settings allow."""
    every = settings().doctor.every
    if not every:
        return False
    with reading() as session:
        kept = last(session)
    return kept is None or now - kept.at >= timedelta(seconds=every)


def _account(name: str) -> Account:
    known = settings()
    wanted = Wanted(
        domain=known.sender_domain,
        webhook=f"{known.web_url}/webhooks/{name}",
        tracking=any(known.tracked_by("provider")),
    )
    try:
        esp = provider(name)
    except BadSettings as error:
        fix = f"The page docs/providers/{name}.md says what it needs."
        return Account((Check("settings", good=False, says=str(error), fix=fix),))
    if not isinstance(esp, Examined):
        return Account(())
    return esp.examine(wanted)


def _outside(dkim: Sequence[str], *, now: datetime) -> Iterator[Finding]:
    """DNS and the public address: on the embedded default only where a resolver is named."""
    known = settings()
    if known.is_embedded and not known.doctor.resolver:
        yield Finding(
            "domain",
            Check(
                "DNS",
                good=None,
                says="Not looked at: the sandbox delivers to nobody, and needs no records.",
                fix="In production it is; here, `NEWSLETTER_DOCTOR_RESOLVER` makes it so.",
            ),
        )
        return
    try:
        names = resolver()
    except Silence as silence:
        fix = "Give this machine a name server, or set `NEWSLETTER_DOCTOR_RESOLVER`."
        yield Finding("domain", Check("DNS", good=None, says=str(silence), fix=fix))
        return
    selectors = [word.strip() for word in known.doctor.selectors.split(",") if word.strip()]
    for check in examine_domain(
        names, known.sender_domain, dkim=dkim, selectors=selectors, providers=known.esp_names
    ):
        yield Finding("domain", check)
    expiry = timedelta(seconds=known.doctor.expiry)
    for check in examine_address(names, known.web_url, expiry=expiry, now=now):
        yield Finding("one-click", check)


def _carried_over(before: Examination | None, now: Examination) -> Examination:
    """A name server that is silent for a moment must not end an alarm, and begin it anew after."""
    if before is None or now.at - before.at > _BELIEVED_FOR:
        return now
    was_red = {one.key: one for one in before.red if one.part != "machine"}
    return Examination(
        now.at,
        tuple(was_red.get(one.key, one) if one.check.good is None else one for one in now.findings),
    )
