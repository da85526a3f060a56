"""Schedules as small readable files: how they are first installed, and how they are written back."""

import json
import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from sqlmodel import Session, col, select

from digests.schedules.schedule import Holiday, Schedule
from digests.schedules.schedule_terms import BadSchedule, Terms, add

#: Beside the schedules' own files: dates and what they are called.
HOLIDAYS: Final = "holidays.toml"


def read(path: Path) -> Terms:
    """The schedule in *path*; raises BadSchedule, which names the file."""
    return Terms.read(_toml(path), where=path.name)


def install(session: Session, folder: Path, *, now: datetime) -> list[str]:
    """Take in the schedules of *folder* that the database does not know by name; returns those names.

    Holidays are taken in by a database that has none.
    """
    known = set(session.exec(select(Schedule.name)))
    paths = [path for path in sorted(folder.glob("*.toml")) if path.name != HOLIDAYS]
    fresh = [said for path in paths if (said := read(path)).name not in known]
    for said in fresh:
        add(session, said, now=now)
    if (listed := folder / HOLIDAYS).exists() and not session.exec(select(Holiday.id)).first():
        for day, name in read_holidays(listed):
            session.add(Holiday(on_date=day, name=name))
    session.flush()
    return [said.name for said in fresh]


def read_holidays(path: Path) -> list[tuple[date, str]]:
    """The dates in *path* and their names, lines such as ``2026-12-25 = "Christmas Day"``."""
    found: list[tuple[date, str]] = []
    for key, said in _toml(path).items():
        try:
            day = date.fromisoformat(key)
        except ValueError:
            raise BadSchedule(f"{path.name}, {key}: write a date such as 2026-12-25.") from None
        names = said if isinstance(said, list) else [said]
        if not all(isinstance(name, str) and 0 < len(name) <= 100 for name in names):  # noqa: PLR2004 - the column's length
            raise BadSchedule(f"{path.name}, {key}: name the day in up to 100 characters.")
        found += [(day, name) for name in names]
    return found


def export(session: Session, folder: Path) -> list[Path]:
    """Write every schedule as it stands to ``{folder}/{name}.toml``, and the holidays beside them.

    What is written installs to the same rows. Comments of an older file are lost.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = [
        _replace(folder / f"{schedule.name}.toml", as_toml(schedule))
        for schedule in session.exec(select(Schedule).order_by(col(Schedule.name)))
    ]
    holidays: dict[date, list[str]] = {}
    for holiday in session.exec(select(Holiday).order_by(col(Holiday.on_date), col(Holiday.name))):
        holidays.setdefault(holiday.on_date, []).append(holiday.name)
    if holidays:
        lines = [f"{day} = {_value(names)}\n" for day, names in holidays.items()]
        written.append(_replace(folder / HOLIDAYS, "".join(lines)))
    return written


def as_toml(schedule: Schedule) -> str:
    """*schedule* as a file that installs to the same row; parts that say nothing are left out."""
    said = Terms.of(schedule).model_dump()
    if schedule.cron is not None:
        del said["at"]  # the line names it
    lines = [f"{name} = {_value(value)}\n" for name, value in said.items() if value is not None]
    return "".join(lines)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSchedule(f"{path.name} is not TOML: {error}.") from None


def _value(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case datetime() | date():
            return value.isoformat()
        case list():
            return f"[{', '.join(map(_value, value))}]"
    if hasattr(value, "isoformat"):  # a time of day
        return str(value.isoformat())
    return json.dumps(str(value), ensure_ascii=False)  # a basic string of TOML's


def _replace(path: Path, content: str) -> Path:
    draft = path.with_suffix(".toml.new")
    draft.write_text(content, encoding="utf-8")
    return draft.replace(path)
