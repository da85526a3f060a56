"""What Prometheus reads: for whoever has a token, well-formed, and true."""

import json
import re
from datetime import datetime, timedelta

import yaml
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from newsletter import pulse
from newsletter.accounts import tokens
from newsletter.accounts.models import Role
from newsletter.database import unit_of_work
from newsletter.pulse import Part
from tests.support.editions import a_sending_digest, readers
from tests.support.processes import ROOT
from tests.web.scene import on_both
from tests.web.staffing import an_account

Samples = dict[tuple[str, tuple[str, ...]], float]


def scraped(web: TestClient, *, now: datetime) -> Samples:
    with unit_of_work() as session:
        account = an_account(session, roles={Role.reader}, name="Prometheus", now=now)
        token = tokens.make(session, account, "prometheus", good_for=None, by="Ada", now=now)
    answer = web.get("/metrics", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_a_stranger_reads_nothing(web: TestClient) -> None:
    answer = web.get("/metrics")

    assert answer.status_code == 401
    assert "newsletter_" not in answer.text


@on_both
def test_a_send_its_workers_and_what_is_wrong_are_numbers(web: TestClient, now: datetime) -> None:
    with unit_of_work() as session:
        readers(session, 30, now=now)
        a_sending_digest(session, now=now - timedelta(hours=1), batch_size=10)
        pulse.sign(session, Part.worker, "alpha:1", began_at=now, lag=0.25, now=now)
        gone = now - timedelta(minutes=10)
        pulse.sign(session, Part.beat, "alpha:2", began_at=gone, now=gone)

    found = scraped(web, now=now)

    assert found["newsletter_copies", ("2026-W48", "planned")] == 30
    assert found["newsletter_digest_status", ("2026-W48", "sending")] == 1
    assert found["newsletter_processes", ("worker",)] == 1
    assert found["newsletter_processes", ("beat",)] == 0
    assert found["newsletter_seen_seconds", ("beat",)] >= 600
    assert found["newsletter_tick_lag_seconds", ()] == 0.25
    assert found["newsletter_alert", ("beat.gone", "trouble")] == 1
    assert found["newsletter_alert", ("stalled:2026-W48", "trouble")] == 1
    assert found["newsletter_halted", ()] == 0


def _families() -> set[str]:
    source = (ROOT / "newsletter/web/metrics.py").read_text()
    return {f"newsletter_{name}" for name in re.findall(r'(?:_family|_one)\(\s*"(\w+)"', source)}


def test_the_dashboard_and_the_rules_name_only_figures_that_exist_and_leave_none_out() -> None:
    dashboard = json.loads((ROOT / "docs/deploy/grafana.json").read_text())
    rules = yaml.safe_load((ROOT / "docs/deploy/alerts.yaml").read_text())
    drawn = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    told = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]

    named = set(re.findall(r"newsletter_\w+", " ".join([*drawn, *told])))

    assert named - _families() == set()
    assert _families() - set(re.findall(r"newsletter_\w+", " ".join(drawn))) == set()


def test_every_alert_has_its_line_in_the_documentation() -> None:
    source = (ROOT / "newsletter/watching/conditions.py").read_text()
    keys = set(re.findall(r'Condition\(\s*f?"([\w.{}]+)', source))
    documented = (ROOT / "docs/alerts.md").read_text()

    assert len(keys) > 8
    for key in keys:
        for part in ("beat", "worker"):
            assert f"`{key.replace('{what}', part)}" in documented, key
