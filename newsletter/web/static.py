"""The style sheet, the script and the mark: the only files that browsers may keep."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from newsletter.web.pages import LOOK, STATIC

_FOR_EVER: Final = "public, max-age=31536000, immutable"
_FOR_A_DAY: Final = "public, max-age=86400"
#: A mail in the browser stands in a sandbox and is nobody's site; it still wants its icon.
_ANYBODY: Final = "cross-origin"

router = APIRouter()


class Kept(StaticFiles):
    """Static files; one that is asked for with its content's hash may be kept for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file at *path*, 404 without one."""
        found = await super().get_response(path, scope)
        hashed = scope["query_string"].startswith(b"v=")
        found.headers["cache-control"] = _FOR_EVER if hashed else _FOR_A_DAY
        found.headers["cross-origin-resource-policy"] = _ANYBODY
        return found


router.mount("/static", Kept(directory=STATIC), name="static")


@router.api_route("/favicon.ico", methods=LOOK)
async def icon() -> FileResponse:
    """The mark, for browsers that ask without being told of it (the mail in the browser, say)."""
    return FileResponse(
        STATIC / "mark.svg",
        media_type="image/svg+xml",
        headers={"cache-control": _FOR_A_DAY, "cross-origin-resource-policy": _ANYBODY},
    )


@router.api_route("/robots.txt", methods=LOOK)
async def robots() -> PlainTextResponse:
    """Personal links are nobody's to index, though only their readers know them."""
    closed = "".join(f"Disallow: /{part}/\n" for part in ("u", "p", "v", "o", "webhooks", "api"))
    return PlainTextResponse(f"User-agent: *\n{closed}", headers={"cache-control": _FOR_A_DAY})
