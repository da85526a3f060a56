"""How a panel's word moved, as a small drawing: steps, for a verdict holds until the next one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from digests.facts import Verdict
from digests.store.history import ToolMove

WIDTH: Final = 640
HEIGHT: Final = 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 24


@dataclass(frozen=True, slots=True)
class Point:
    """Where the panel stood from one moment on, in the drawing's own units."""

    x: float
    y: float
    percent: float
    verdict: Verdict | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Plot:
    """The drawing: *path* is the line, *lines* the percents that are ruled, by height."""

    points: tuple[Point, ...]
    path: str
    lines: tuple[tuple[int, float], ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT


def plot(moves: Sequence[ToolMove], *, now: datetime) -> Plot | None:
    """*moves*, oldest first, up to *now*; None when there is no percentage that became another."""
    known = [move for move in moves if move.percent is not None]
    if len({move.percent for move in known}) < 2:  # noqa: PLR2004 - a line needs two ends
        return None
    began, ends = known[0].at, max(now, known[-1].at)
    whole = (ends - began).total_seconds() or 1
    points = tuple(
        Point(
            x=round(_LEFT + (WIDTH - _LEFT - _RIGHT) * (m.at - began).total_seconds() / whole, 1),
            y=_height(m.percent),
            percent=m.percent,
            verdict=m.verdict,
            at=m.at,
        )
        for m in known
        if m.percent is not None
    )
    steps = [f"M{points[0].x} {points[0].y}"]
    steps += [f"H{point.x}V{point.y}" for point in points[1:]]
    return Plot(
        points=points,
        path="".join([*steps, f"H{WIDTH - _RIGHT}"]),
        lines=tuple((percent, _height(percent)) for percent in (0, 50, 100)),
    )


def _height(percent: float) -> float:
    return round(_TOP + (HEIGHT - _TOP - _BOTTOM) * (1 - percent / 100), 1)
