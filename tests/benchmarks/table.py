"""A figure, its floor or ceiling, and the verdict."""

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """*limit* is a floor unless *at_most*; None measures without a verdict."""

    what: str
    value: float
    unit: str
    limit: float | None = None
    at_most: bool = False

    @property
    def holds(self) -> bool | None:
        if self.limit is None:
            return None
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    def as_json(self) -> dict[str, object]:
        return {
            "what": self.what,
            "value": round(self.value, 3),
            "unit": self.unit,
            "limit": self.limit,
            "limit_is": "ceiling" if self.at_most else "floor",
            "holds": self.holds,
        }


def show(figures: list[Figure]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("figure", "measured", "limit", ""):
        table.add_column(head, justify="left" if head in {"figure", ""} else "right")
    for one in figures:
        sign = "≤" if one.at_most else "≥"
        limit = f"{sign} {number(one.limit)}" if one.limit is not None else ""
        verdict = {None: "", True: "[green]holds", False: "[red]MISSED"}[one.holds]
        table.add_row(one.what, f"{number(one.value)} {one.unit}", limit, verdict)
    Console(width=120).print(table)


def number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}".rstrip("0").rstrip(".")
