"""How long the compare pages, the feeds and the API take with 100,000 comparisons in the store.

Three are real pages; the others are rows in their image: 120,000 tools in 40
categories, one of them in a thousand comparisons, readers' figures on every third.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import text
from starlette.testclient import TestClient

from digests.facts import ComparisonFacts
from digests.store import intake
from newsletter import database
from newsletter.clock import utc_now
from newsletter.web.app import create_app
from tests.benchmarks.installation import installation
from tests.benchmarks.pages import LIMIT
from tests.benchmarks.table import Figure
from tests.support.servers import Postgres
from tests.web.scene import DATA

Say = Callable[[str], None]

NOW: Final = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
COMPARISONS: Final = 100_000
_TIMES: Final = 25
_REAL: Final = "smolvlm2-vs-mistral-3-small"

PAGES: Final = (
    ("the index", "/compare"),
    ("the index, most divided", "/compare?sort=divided"),
    ("the index, panel against readers", "/compare?sort=gap"),
    ("the index, a category", "/compare?category=Category+7"),
    ("the index, words that fit one", "/compare?q=tool+99+77777"),
    ("the index, words that fit none", "/compare?q=nothing+like+it"),
    ("the index, from the middle", "/compare?after=2024-11-01T00:00:00%2B00:00~50000"),
    ("a comparison", f"/compare/{_REAL}"),
    ("a comparison's picture", f"/compare/{_REAL}.png"),
    ("a tool", "/tools/smolvlm2"),
    ("a tool in a thousand comparisons", "/tools/tool-1"),
    ("the feed", "/compare.atom"),
    ("the feed of a category", "/compare.json?category=Category+7"),
    ("the API, comparisons", "/api/comparisons?limit=100"),
    ("the API, one in full", f"/api/comparisons/{_REAL}"),
    ("the API, tools", "/api/tools?limit=100&after=tool-5"),
    ("the API, categories", "/api/categories"),
)

_FILL: Final = (
    (
        "INSERT INTO tool (slug, name, category, tagline, panel_verdict, ship_percent, ships, skips,"
        " details, changed_at) SELECT 'tool-' || n, 'Tool ' || n, 'Category ' || n % 40,"
        " 'What tool ' || n || ' is for', 'ship', 75, 3, 1, '[]', :now"
        " FROM generate_series(1, :tools) n"
    ),
    (
        "INSERT INTO comparison (slug, title, left_tool_id, right_tool_id, stated, revision,"
        " fingerprint, first_taken_in_at)"
        " SELECT l.slug || '-vs-' || r.slug, l.name || ' vs ' || r.name, l.id, r.id, '{}', 1, '',"
        " CAST(:now AS timestamptz) - n * interval '10 minutes'"
        " FROM generate_series(1, :n) n"
        " JOIN tool l ON l.slug = 'tool-' || CASE WHEN n % 100 = 0 THEN 1 ELSE n END"
        " JOIN tool r ON r.slug = 'tool-' || n + 10000"
    ),
    (
        "INSERT INTO listing (comparison_id, slug, title, summary, left_tool_id, right_tool_id, category,"
        " other_category, searched, sides, left_panel, right_panel, left_shown, right_shown, divided,"
        " gap, revision, listed_at)"
        " SELECT c.id, c.slug, c.title, 'Which of the two to take.', l.id, r.id, l.category,"
        " NULLIF(r.category, l.category), lower(c.title || ' ' || l.category || ' ' || r.category),"
        " json_build_array(json_build_object('slug', l.slug, 'name', l.name, 'verdict', 'ship',"
        "  'percent', 75, 'pips', json_build_array('ship', 'ship', 'ship', 'skip'), 'entry', 'Free'),"
        "  json_build_object('slug', r.slug, 'name', r.name, 'verdict', 'skip', 'percent', 25,"
        "  'pips', json_build_array('ship', 'skip', 'skip', 'skip'), 'entry', '$9')),"
        " 75, 25, CASE WHEN c.id % 3 = 0 THEN 40 END, NULL, c.id % 2000,"
        " CASE WHEN c.id % 3 = 0 THEN c.id % 90 END, 1, c.first_taken_in_at"
        " FROM comparison c JOIN tool l ON l.id = c.left_tool_id JOIN tool r ON r.id = c.right_tool_id"
        " WHERE c.fingerprint = ''"
    ),
)


def part(folder: Path, _sizes: Sequence[int], say: Say) -> list[Figure]:
    """Every page of PAGES, asked one after another; the limit holds for the slowest but one."""
    with (
        Postgres(folder, settings={"shared_buffers": "512MB"}) as postgres,
        installation(folder / "var", postgres.url, api_per_minute="1000000"),
    ):
        _fill(say)
        app = create_app()
        app.dependency_overrides[utc_now] = lambda: NOW
        with TestClient(app) as client:
            return [_figure(client, *page) for page in PAGES]


def _fill(say: Say) -> None:
    began = time.monotonic()
    database.migrate(database.engine())
    with database.unit_of_work() as session:
        for path in sorted(DATA.glob("*.json")):
            facts = ComparisonFacts.model_validate_json(path.read_bytes())
            intake.take_in(session, facts, source=path.name, now=NOW)
        for statement in _FILL:
            session.execute(
                text(statement), {"now": NOW, "n": COMPARISONS, "tools": COMPARISONS + 20_000}
            )
    with database.engine().connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))
    say(f"{COMPARISONS:,} comparisons after {time.monotonic() - began:.0f} s")


def _figure(client: TestClient, name: str, address: str) -> Figure:
    took: list[float] = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        answer = client.get(address)
        took.append((time.perf_counter() - began) * 1000)
        if answer.status_code != 200:
            raise RuntimeError(f"{address} answers {answer.status_code}, not 200")
    return Figure(name, sorted(took)[-2], "ms", LIMIT, at_most=True)
