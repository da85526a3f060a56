"""The figures for Prometheus: what the console shows, as numbers, for whoever draws and alerts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fastapi import APIRouter
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.responses import Response

from newsletter import overview
from newsletter.database import reading
from newsletter.overview import Overview
from newsletter.settings import settings
from newsletter.watching.conditions import Condition, conditions
from newsletter.watching.looking import seen
from newsletter.web.doors import Now
from newsletter.web.office.staff import Figures
from newsletter.web.pages import LOOK

router = APIRouter()


@router.api_route("/metrics", methods=LOOK)
def metrics(_who: Figures, now: Now) -> Response:
    """Every figure at this moment; read from the store, so that any web process gives the same."""
    known = overview.look(now=now)
    with reading() as session:
        wrong = conditions(seen(session, known), settings().alerts)
    registry = CollectorRegistry()
    registry.register(_Gauges(known, wrong))
    return Response(generate_latest(registry), headers={"content-type": CONTENT_TYPE_LATEST})


@dataclass(frozen=True, eq=False)
class _Gauges(Collector):
    """One look as gauges. All are gauges: each is read anew, and none counts up in a process."""

    known: Overview
    wrong: list[Condition]

    def collect(self) -> Iterable[Metric]:
        """Every family, also those without a sample: a chart of nothing is no error."""
        yield _one(
            "halted", "1 while everything is stopped by hand.", float(self.known.halt is not None)
        )
        yield from self._sends()
        yield from self._processes()
        yield from self._providers()
        letters = _family("letters", "Service mail that is not settled.", "status")
        for status, count in self.known.letters.items():
            letters.add_metric([status], count)
        yield letters
        alerts = _family("alert", "1 for each thing that is wrong now.", "alert", "severity")
        for one in self.wrong:
            alerts.add_metric([one.key, str(one.severity)], 1)
        yield alerts

    def _sends(self) -> Iterator[Metric]:
        copies = _family("copies", "Copies of an edition in flight.", "digest", "fate")
        rate = _family("copies_per_second", "Accepted lately.", "digest", "provider")
        left = _family("seconds_left", "Until the rest is out, at this speed.", "digest")
        status = _family("digest_status", "1 for the status it is in.", "digest", "status")
        doubt = _family("uncertain_seconds", "Age of the oldest uncertain batch.", "digest")
        for send in self.known.sends:
            status.add_metric([send.issue, str(send.status)], 1)
            for fate in ("accepted", "rejected", "excluded", "uncertain", "planned", "in_hands"):
                copies.add_metric([send.issue, fate], getattr(send, fate))
            for provider, speed in send.speeds.items():
                rate.add_metric([send.issue, provider], speed)
            if send.done_in is not None:
                left.add_metric([send.issue], send.done_in.total_seconds())
            if posted := [one.posted_at for one in send.doubts if one.posted_at]:
                doubt.add_metric([send.issue], (self.known.at - min(posted)).total_seconds())
        yield from (copies, rate, left, status, doubt)

    def _processes(self) -> Iterator[Metric]:
        alive = _family("processes", "Beats and workers that gave a sign lately.", "part")
        ago = _family("seen_seconds", "Since the last sign of any of them.", "part")
        for life in (self.known.beats, self.known.workers):
            alive.add_metric([str(life.part)], len(life.alive))
            if life.last_seen_at is not None:
                ago.add_metric(
                    [str(life.part)], (self.known.at - life.last_seen_at).total_seconds()
                )
        yield from (alive, ago)
        lag = _family(
            "tick_lag_seconds", "From beat's tick to the worker that hears it, the worst."
        )
        if self.known.workers.lag is not None:
            lag.add_metric([], self.known.workers.lag)
        yield lag
        nudges = _family("nudges", "Messages in the broker that no worker has taken.")
        if self.known.waiting is not None:
            nudges.add_metric([], self.known.waiting)
        yield nudges
        yield _one(
            "broker_answers",
            "0 while the broker does not answer.",
            float(self.known.waiting is not None),
        )

    def _providers(self) -> Iterator[Metric]:
        failures = _family("provider_failures", "Failed calls in a row.", "provider")
        resting = _family("provider_resting", "1 while it is left alone.", "provider")
        for one in (*self.known.resting, *self.known.failing):
            failures.add_metric([one.provider], one.failures)
            resting.add_metric([one.provider], float(one in self.known.resting))
        yield from (failures, resting)


def _family(name: str, said: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"newsletter_{name}", said, labels=labels)


def _one(name: str, said: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"newsletter_{name}", said, value=value)
