"""Schedules as small readable files: how they are first installed."""

import tomllib
from datetime import datetime, time
from pathlib import Path
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from sqlmodel import Session, select

from digests.schedule import WEEKDAYS, Approval, Schedule


class BadSchedule(Exception):
    """A schedule file cannot be read; the message names the file and says what to write."""


class ScheduleFile(BaseModel):
    """What a file may say; durations in minutes."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,59}$")]
    weekday: str | None = None
    at: time = time(9, 0)
    zone: str = "UTC"
    approval: Approval = Approval.editor
    draft_before: Annotated[int, Field(ge=0, le=7 * 24 * 60)] = 24 * 60
    late_for: Annotated[int, Field(ge=1, le=7 * 24 * 60)] = 12 * 60
    local_time: bool = False
    at_most: Annotated[int, Field(ge=1, le=50)] = 10

    @field_validator("weekday")
    @classmethod
    def _is_a_weekday(cls, value: str | None) -> str | None:
        if value is not None and value.lower() not in WEEKDAYS:
            raise ValueError(f"write one of {', '.join(WEEKDAYS)}")
        return value

    @field_validator("zone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(
                f"{value!r} is no time zone; write one such as Europe/Berlin"
            ) from None
        return value

    @classmethod
    def read(cls, path: Path) -> Self:
        """The schedule in *path*; raises BadSchedule."""
        try:
            return cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadSchedule(f"{path.name} is not TOML: {error}.") from None
        except ValidationError as error:
            first = error.errors()[0]
            said = str(first["msg"]).removeprefix("Value error, ")
            where = ".".join(str(part) for part in first["loc"])
            raise BadSchedule(f"{path.name}, {where}: {said}.") from None


def install(session: Session, folder: Path, *, now: datetime) -> list[str]:
    """Take in the schedules of *folder* that the database does not know by name; returns those names."""
    known = set(session.exec(select(Schedule.name)))
    fresh = [
        said
        for path in sorted(folder.glob("*.toml"))
        if (said := ScheduleFile.read(path)).name not in known
    ]
    for said in fresh:
        session.add(
            Schedule(
                **said.model_dump(exclude={"weekday"}),
                weekday=WEEKDAYS.index(said.weekday.lower()) if said.weekday else None,
                installed_at=now,
            )
        )
    session.flush()
    return [said.name for said in fresh]
