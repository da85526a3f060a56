"""What a run has shown, as a table for people and as JSON."""

from dataclasses import asdict, dataclass, field
from typing import Any

from tests.chaos.steps import STEPS
from tests.chaos.verdict import Verdict, as_json


@dataclass(slots=True)
class Report:
    """One edition through one provider."""

    provider: str
    seed: int
    recipients: int
    asked: int  # kills
    kills: dict[str, int]  # by kind
    steps: dict[str, int]  # by step
    troubles: dict[str, int]
    left: int  # readers who left by one click meanwhile
    verdict: Verdict
    stuck: list[dict[str, Any]] = field(default_factory=list)
    fell: list[str] = field(default_factory=list)  # processes that ended by themselves
    failed_starts: int = 0
    deaf: int = 0
    did_not_stop: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def is_clean(self) -> bool:
        """Whether every promise held."""
        return self.verdict.is_clean and not (self.stuck or self.fell or self.did_not_stop)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        plain = asdict(self) | {"clean": self.is_clean, "verdict": as_json(self.verdict)}
        plain["seconds"] = round(self.seconds, 1)
        plain["killed"] = sum(self.kills.values())
        return plain


def table(reports: list[Report]) -> str:
    """Every run as a block of lines, and one line that says it all."""
    blocks = [_block(report) for report in reports]
    good = all(report.is_clean for report in reports)
    kills = sum(sum(report.kills.values()) for report in reports)
    duplicates = sum(report.verdict.duplicates for report in reports)
    unexplained = sum(report.verdict.missing + report.verdict.unbooked for report in reports)
    total = f"{kills} kills, {duplicates} duplicates, {unexplained} unexplained: "
    return "\n\n".join([*blocks, total + ("every promise held." if good else "NOT ALL HELD.")])


def _block(report: Report) -> str:
    found = report.verdict
    rows: list[tuple[str, object]] = [
        ("kills", f"{sum(report.kills.values())} of {report.asked} asked for"),
        *((f"  {kind}", count) for kind, count in report.kills.items()),
        *((f"    {words}", report.steps[s]) for s, words in STEPS.items() if s in report.steps),
        *((trouble, count) for trouble, count in report.troubles.items()),
        ("recipients", report.recipients),
        ("  of them in the audience when it was planned", found.audience),
        ("  accepted", found.accepted),
        ("  rejected", found.rejected),
        ("  excluded", found.excluded),
        *(
            (f"    {reason}", count)
            for fate in ("rejected", "excluded")
            for reason, count in found.reasons.get(fate, {}).items()
        ),
        ("left by one click meanwhile", report.left),
        ("copies once uncertain, settled by", sum(found.proofs.values())),
        *((f"  {proof}", count) for proof, count in found.proofs.items()),
        ("provider's events recorded", found.events),
        ("duplicates", found.duplicates),
        ("missing without a reason", found.missing),
        ("copies the books do not know", found.unbooked),
        ("rejected or excluded without a reason", found.without_reason),
        ("mailed after they had left", found.after_leaving),
        ("sent to another address", found.misdirected),
        ("the books close", "yes" if found.closes else "NO"),
        ("processes that ended by themselves", len(report.fell)),
        ("processes that gave up while starting", report.failed_starts),
        ("workers that had gone deaf, and started anew", report.deaf),
        ("seconds", f"{report.seconds:.1f}"),
    ]
    width = max(len(name) for name, _ in rows) + 2
    head = f"{report.provider}, seed {report.seed}"
    lines = [head, "-" * len(head), *(f"{name:<{width}}{value:>12}" for name, value in rows)]
    lines += [f"WRONG: {what}" for what in found.wrong]
    lines += [f"STUCK: {batch}" for batch in report.stuck]
    lines += [f"FELL: {what}" for what in report.fell]
    lines += [f"DID NOT STOP: {name}" for name in report.did_not_stop]
    return "\n".join(lines)
