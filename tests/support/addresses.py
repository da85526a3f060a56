"""Every address of the service, as docs/addresses.md has them: made of the routes themselves.

.venv/bin/python -m tests.support.addresses > docs/addresses.md
"""

from collections.abc import Iterator
from typing import Final

from fastapi.routing import APIRoute
from starlette.routing import Route

from newsletter.web.app import ROUTERS
from newsletter.web.mailed import pixel

_PACKAGE: Final = "newsletter.web."
_TITLES: Final = {
    "mailed": "Behind the links of a mail",
    "site": "For anybody",
    "desk": "The editors' desk",
    "office": "The staff's pages",
    "": "For programs",
}
_INTRODUCTION: Final = """\
# Every address

Made of the routes themselves (`python -m tests.support.addresses`); a test holds it to them. `HEAD` is
answered wherever `GET` is, and neither changes anything but what is observed of a reader. How the pages
behave is in [pages.md](pages.md), who may open the staff's in [accounts.md](accounts.md). Only what programs
may read is published as OpenAPI (`/api/openapi.json`): most addresses are personal.
"""


def as_markdown() -> str:
    """The page docs/addresses.md."""
    rows = list(_rows())
    parts = [_INTRODUCTION]
    for room, title in _TITLES.items():
        parts.append(f"## {title}\n\n| address | what it does | module |\n|---|---|---|")
        parts += [
            f"| `{verb} {path}` | {said} | `{module}` |"
            for verb, path, said, module in rows
            if _room(module) == room
        ]
        parts.append("")
    return "\n".join(parts)


def _rows() -> Iterator[tuple[str, str, str, str]]:
    """The verb, the path, the first line of what its function says of itself, and where it is."""
    seen = set[tuple[str, str]]()
    for route in (*(one for router in ROUTERS for one in router.routes), pixel.route):
        if not isinstance(route, (APIRoute, Route)):
            continue  # the folder of style sheets, scripts and pictures
        for verb in sorted((route.methods or set()) - {"HEAD"}):
            if (verb, route.path) not in seen:
                seen.add((verb, route.path))
                said = (route.endpoint.__doc__ or "").strip().partition("\n")[0]
                module = route.endpoint.__module__.removeprefix(_PACKAGE)
                yield verb, route.path, said.replace("``", "`"), module


def _room(module: str) -> str:
    first = module.partition(".")[0]
    return first if first in _TITLES else ""


if __name__ == "__main__":
    print(as_markdown(), end="")
