"""What a command refuses with: one sentence on standard error, exit status 1."""

from typing import Final
from zoneinfo import ZoneInfoNotFoundError

from psycopg.errors import InsufficientPrivilege, UndefinedColumn, UndefinedTable
from sqlalchemy.exc import DatabaseError, InterfaceError, OperationalError, ProgrammingError

from digests.lifecycle import DigestError
from digests.schedules.schedule_terms import BadSchedule
from newsletter.accounts.errors import AccountError
from newsletter.database import LOCKED
from newsletter.esp import EspError
from newsletter.keeping import KeepingError
from newsletter.launch import LaunchError
from newsletter.rotation import SecretsError
from newsletter.settings import SettingsError
from subscribers.addresses import BadAddress
from subscribers.importing.records import FileRefused
from subscribers.subscription import SubscriberError

#: What a person can put right.
REFUSALS: Final = (
    AccountError,
    DigestError,
    BadSchedule,
    EspError,
    KeepingError,
    LaunchError,
    SecretsError,
    SettingsError,
    BadAddress,
    FileRefused,
    SubscriberError,
)


def in_a_sentence(error: Exception) -> str | None:
    """The sentence for whoever typed the command; None for what is our own mistake."""
    if isinstance(error, REFUSALS):
        return str(error)
    if isinstance(error, ZoneInfoNotFoundError):
        return f"{error.args[0]}: bring this machine's zone data up to date, or set another zone."
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}."
    return _of_the_database(error)


def _of_the_database(error: Exception) -> str | None:
    if isinstance(error, ProgrammingError) and isinstance(
        error.orig, UndefinedTable | UndefinedColumn
    ):
        return "the database does not have the tables of this version; run `newsletter migrate`."
    if isinstance(error, ProgrammingError) and isinstance(error.orig, InsufficientPrivilege):
        return f"the database's role may not do this: {error.orig.diag.message_primary}."
    if isinstance(error, OperationalError) and getattr(error.orig, "sqlstate", "") == LOCKED:
        return (
            "a long transaction holds what this would change, so nothing was changed. Try again when "
            "it is over; `SELECT pid, state, xact_start, query FROM pg_stat_activity` shows whose it is."
        )
    # A file that is damaged, or none of SQLite's, is a plain DatabaseError; its kinds are our mistakes.
    if isinstance(error, OperationalError | InterfaceError) or type(error) is DatabaseError:
        said = str(error.orig).strip().splitlines()[0]
        return f"the database cannot be used: {said}."
    return None
