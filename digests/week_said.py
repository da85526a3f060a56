"""What readers made of a week, as values: the community's verdicts beside the panel's."""

from pydantic import BaseModel, ConfigDict

from digests.facts import Verdict


class ToolSaid(BaseModel):
    """A tool as the panel and as the readers see it. Percent ship; *votes* are at least so many."""

    model_config = ConfigDict(frozen=True)

    name: str
    slug: str
    panel: float | None
    panel_verdict: Verdict | None
    community: int
    votes: int

    @property
    def community_verdict(self) -> Verdict:
        """The word for what readers say, as a panel would have it."""
        return majority(self.community)

    @property
    def gap(self) -> int:
        """Percentage points between the two; 0 where the panel's share is not known."""
        return 0 if self.panel is None else round(abs(self.panel - self.community))


def majority(percent: int) -> Verdict:
    """What so many percent who ship come to."""
    half = 50
    if percent == half:
        return Verdict.mixed
    return Verdict.ship if percent > half else Verdict.skip


class WeekSaid(BaseModel):
    """The week's community verdicts, and the comparison on which panel and readers differ most."""

    model_config = ConfigDict(frozen=True)

    tools: tuple[ToolSaid, ...] = ()
    widest: ToolSaid | None = None
    widest_title: str = ""
    widest_slug: str = ""
