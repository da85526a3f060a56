"""A bad day comes as ordered: at the wire, reproducibly, and until it is called off."""

import threading
from typing import Any

import httpx
import pytest

from newsletter.sandbox.config import Keys
from newsletter.sandbox.faults import FaultKind, FaultPlan, FaultRule, Faults
from tests.sandbox.calls import a_mail, a_person, an_email
from tests.sandbox.conftest import Sandboxes, WaitUntil


def order(http: httpx.Client, *rules: dict[str, Any], **rest: Any) -> None:
    http.put("/sandbox/faults", json={"rules": list(rules), **rest}).raise_for_status()


def send(http: httpx.Client, keys: Keys, *people: dict[str, Any]) -> httpx.Response:
    mine = {"authorization": f"Bearer {keys.sendgrid_api_key}"}
    return http.post("/v3/mail/send", json=a_mail(*people), headers=mine)


def total(http: httpx.Client) -> int:
    return int(http.get("/sandbox/counts.json").json()["messages"])


@pytest.mark.parametrize(
    ("kind", "status", "taken"),
    [("too_many", 429, 0), ("error", 500, 0), ("unavailable", 503, 0), ("error_after", 500, 1)],
)
def test_a_refusal_takes_nothing_and_a_late_error_takes_all(
    running: Sandboxes, keys: Keys, kind: str, status: int, taken: int
) -> None:
    http = running()
    order(http, {"kind": kind, "retry_after": 7})

    answer = send(http, keys)

    assert answer.status_code == status
    assert answer.json()["errors"]
    assert answer.headers.get("retry-after") == ("7" if status in {429, 503} else None)
    assert total(http) == taken


@pytest.mark.parametrize(("kind", "taken"), [("reset", 0), ("lose_answer", 1), ("stall", 0)])
def test_a_cut_connection_leaves_the_caller_without_an_answer(
    running: Sandboxes, keys: Keys, kind: str, taken: int
) -> None:
    http = running()
    order(http, {"kind": kind, "seconds": 0.05})

    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError, httpx.WriteError)):
        send(http, keys)

    order(http)
    assert total(http) == taken


def test_a_slow_answer_comes_after_the_mail_was_taken(running: Sandboxes, keys: Keys) -> None:
    http = running()
    order(http, {"kind": "slow", "seconds": 2})
    mine = {"authorization": f"Bearer {keys.sendgrid_api_key}"}

    with pytest.raises(httpx.ReadTimeout):
        http.post("/v3/mail/send", json=a_mail(), headers=mine, timeout=0.3)

    assert total(http) == 1


def test_a_key_in_flight_is_a_conflict(
    running: Sandboxes, keys: Keys, wait_until: WaitUntil
) -> None:
    http = running()
    order(http, {"kind": "slow", "seconds": 1.5, "times": 1})
    mine = {"authorization": f"Bearer {keys.resend_api_key}", "idempotency-key": "k"}
    answers: list[httpx.Response] = []
    first = threading.Thread(
        target=lambda: answers.append(http.post("/emails/batch", json=[an_email()], headers=mine))
    )
    first.start()
    wait_until(lambda: total(http) == 1)

    during = http.post("/emails/batch", json=[an_email()], headers=mine)
    first.join()
    after = http.post("/emails/batch", json=[an_email()], headers=mine)

    assert (during.status_code, during.json()["name"]) == (409, "concurrent_idempotent_requests")
    assert after.json() == answers[0].json()
    assert total(http) == 1


def test_calls_are_struck_by_number_by_turn_and_a_few_times_only(
    running: Sandboxes, keys: Keys
) -> None:
    http = running()
    order(
        http,
        {"kind": "error", "calls": [2]},
        {"kind": "unavailable", "every": 4},
        {"kind": "too_many", "calls": [5, 6, 7], "times": 2},
    )

    statuses = [send(http, keys).status_code for _ in range(8)]

    assert statuses == [202, 500, 202, 503, 429, 429, 202, 503]
    assert http.get("/sandbox/faults").json()["strikes"] == [1, 2, 2]


def test_an_address_decides_whom_a_fault_meets(running: Sandboxes, keys: Keys) -> None:
    http = running()
    order(
        http,
        {"kind": "refuse", "address": "*@closed.example"},
        {"kind": "unavailable", "address": "*@slow.example"},
    )

    closed = send(http, keys, a_person(1), a_person(2, to=[{"email": "a@closed.example"}]))
    slow = send(http, keys, a_person(1), a_person(2, to=[{"email": "a@slow.example"}]))

    assert closed.json()["errors"][0]["field"] == "personalizations.1.to.0.email"
    assert slow.status_code == 503
    assert send(http, keys, a_person(1)).status_code == 202


def test_one_provider_can_fail_while_another_works(running: Sandboxes, keys: Keys) -> None:
    http = running()
    order(http, {"kind": "error", "dialect": "resend"})
    mine = {"authorization": f"Bearer {keys.resend_api_key}"}

    assert http.post("/emails", json=an_email(), headers=mine).status_code == 500
    assert send(http, keys).status_code == 202


def test_searches_fail_only_when_searches_are_meant(running: Sandboxes, keys: Keys) -> None:
    http = running()
    order(http, {"kind": "too_many", "on": "search"})
    mine = {"authorization": f"Bearer {keys.sendgrid_api_key}"}

    assert send(http, keys).status_code == 202
    assert http.post("/v3/logs", json={"query": ""}, headers=mine).status_code == 429


def test_the_same_seed_gives_the_same_day() -> None:
    plan = FaultPlan(seed=11, rules=(FaultRule(kind=FaultKind.error, rate=0.3),))

    def day() -> list[int]:
        faults = Faults(plan)
        return [n for n in range(1, 200) if faults.on_arrival("sendgrid", n)]

    assert day() == day()
    assert 30 < len(day()) < 90
    other = Faults(plan.model_copy(update={"seed": 12}))
    assert day() != [n for n in range(1, 200) if other.on_arrival("sendgrid", n)]


def test_an_ordered_day_outlives_a_restart_until_it_is_called_off(
    running: Sandboxes, keys: Keys
) -> None:
    first = running()
    order(first, {"kind": "error"})
    running.stop(first)

    second = running()

    assert send(second, keys).status_code == 500
    assert second.delete("/sandbox/faults").json()["rules"] == []
    assert send(second, keys).status_code == 202


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "meteor"},
        {"kind": "error", "rate": 2},
        {"kind": "reset", "address": "*@a.example"},
        {"kind": "error", "on": "search", "address": "*"},
        {"kind": "error", "percent": 5},
    ],
)
def test_what_cannot_be_ordered_is_refused(running: Sandboxes, rule: dict[str, Any]) -> None:
    http = running()

    assert http.put("/sandbox/faults", json={"rules": [rule]}).status_code == 422
    assert http.get("/sandbox/faults").json()["rules"] == []
