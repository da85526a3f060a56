"""Whether this process can do its work, for whoever restarts, routes or watches it."""

from functools import lru_cache
from pathlib import Path

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from fastapi import APIRouter
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import JSONResponse, Response

from newsletter import database
from newsletter.web.pages import LOOK

router = APIRouter()


@router.api_route("/health", methods=LOOK)
def health() -> Response:
    """200 when every part answers, else 503 and a sentence for each part that does not."""
    parts = checked_parts()
    well = all(said == "ok" for said in parts.values())
    return JSONResponse(
        {"status": "ok" if well else "failing", "parts": parts}, 200 if well else 503
    )


@router.api_route("/ready", methods=LOOK)
def ready() -> Response:
    """The same question, for a proxy that only needs to know where to send people."""
    well = all(said == "ok" for said in checked_parts().values())
    return JSONResponse({"ready": well}, 200 if well else 503)


def checked_parts() -> dict[str, str]:
    """Each part with ``ok`` or what is wrong with it, in a sentence without addresses or secrets."""
    try:
        with database.reading() as session:
            session.connection().execute(text("SELECT 1"))
            stands_at = set(MigrationContext.configure(session.connection()).get_current_heads())
    except (SQLAlchemyError, OSError):
        return {"database": "The database does not answer.", "migrations": "They cannot be read."}
    if stands_at == _newest():
        return {"database": "ok", "migrations": "ok"}
    return {
        "database": "ok",
        "migrations": "The tables are not those of this version; run `newsletter migrate`.",
    }


@lru_cache
def _newest() -> set[str]:
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
    return set(ScriptDirectory.from_config(config).get_heads())
