"""The reports: what became of each edition with its readers, to look at, to print and to take along."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from newsletter.editions import production
from newsletter.feedback import reporting
from newsletter.feedback.reporting import Report
from newsletter.spreadsheets import defused
from newsletter.web.doors import Reading
from newsletter.web.office.staff import Figures, staff_page
from newsletter.web.pages import LOOK

router = APIRouter()

_SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class Bar:
    """One edition in a drawing: what is certain, and what is possible, in percent of the longest bar."""

    issue: str
    certain: float
    possible: float
    label: str
    words: str


@router.api_route("/reports", methods=LOOK)
def overview(who: Figures, session: Reading) -> Response:
    """The last editions beside each other."""
    shown = reporting.reports(session, None, count=_SHOWN)
    return staff_page(
        "reports.html",
        who=who,
        reports=shown,
        opens=_bars(shown, "opened"),
        clicks=_bars(shown, "clicked"),
        audiences=_growth(shown),
        readers=reporting.on_the_list(session),
    )


@router.api_route("/reports.json", methods=LOOK)
def as_json(_who: Figures, session: Reading) -> Response:
    """The same for a program."""
    return JSONResponse([one.as_json() for one in reporting.reports(session, None, count=_SHOWN)])


@router.api_route("/reports.csv", methods=LOOK)
def as_csv(_who: Figures, session: Reading) -> Response:
    """The same for a spreadsheet; nothing in it is a formula."""
    return Response(
        written(reporting.reports(session, None, count=_SHOWN)),
        media_type="text/csv",
        headers={"content-disposition": 'attachment; filename="reports.csv"'},
    )


@router.api_route("/reports/{issue}", methods=LOOK)
def one(who: Figures, issue: str, session: Reading) -> Response:
    """One edition, and which comparisons were read."""
    digest = production.by_issue(session, issue)
    if digest.started_at is None:
        raise HTTPException(
            404, f"{digest.issue} has not been sent, so there is nothing to report."
        )
    [report, *before] = reporting.reports(session, digest, count=6)
    return staff_page("report.html", who=who, report=report, before=before)


def written(shown: Sequence[Report]) -> str:
    """*shown* as CSV, the latest first."""
    sheet = io.StringIO()
    rows = csv.writer(sheet)
    rows.writerow(
        [
            *("digest", "subject", "sent_at", "audience", "accepted", "refused", "excluded"),
            *("delivered", "opened_certain", "opened_possible", "clicked_certain"),
            *("clicked_possible", "unsubscribed", "bounced", "complained", "read"),
        ]
    )
    for report in shown:
        week, known = report.week, report.figures
        rows.writerow(
            [
                *(week.issue, defused(week.subject), week.sent_at.isoformat(), week.audience),
                *(week.accepted, week.refused, week.excluded, known.delivered),
                *(known.opened.certain, known.opened.possible),
                *(known.clicked.certain, known.clicked.possible),
                *(known.unsubscribed, known.bounced, known.complained),
                defused("; ".join(f"{address} {people}" for address, people in known.read)),
            ]
        )
    return sheet.getvalue()


def _bars(shown: Sequence[Report], name: str) -> list[Bar]:
    """The latest first; the longest is the best of them, so that a small share can be seen."""
    known = [(one, getattr(one.figures, name)) for one in shown]
    shares = [(one.share(found.certain), one.share(found.possible)) for one, found in known]
    words = [f"{certain:.1f} to {possible:.1f}%" for certain, possible in shares]
    return _drawn(shown, shares, [_span(*share) for share in shares], words)


def _growth(shown: Sequence[Report]) -> list[Bar]:
    """How many readers each edition was for."""
    sizes = [one.week.audience for one in shown]
    words = [f"{size:,}" for size in sizes]
    return _drawn(shown, [(size, size) for size in sizes], words, words)


def _drawn(
    shown: Sequence[Report],
    values: Sequence[tuple[float, float]],
    labels: Sequence[str],
    words: Sequence[str],
) -> list[Bar]:
    longest = max((high for _, high in values), default=0.0) or 1.0
    return [
        Bar(
            issue=one.week.issue,
            certain=round(100 * low / longest, 1),
            possible=round(100 * high / longest, 1),
            label=label,
            words=said,
        )
        for one, (low, high), label, said in zip(shown, values, labels, words, strict=True)
    ]


def _span(certain: float, possible: float) -> str:
    """Short enough to stand beside a bar."""
    low, high = f"{certain:.0f}", f"{possible:.0f}"
    return f"{high}%" if low == high else f"{low}–{high}%"  # noqa: RUF001 - as it is printed
