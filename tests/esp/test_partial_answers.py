"""Answers that name single copies, in each provider's own words."""

from typing import Any

import httpx
import pytest

from newsletter.esp import Accepted, Copy, NotTaken, Outcome, Unknown
from tests.esp.mailings import a_mailing, answering, recording
from tests.esp.providers import MAKES


def sent(name: str, status: int, body: Any, *, copies: Any = 3, **headers: str) -> Outcome:
    esp = MAKES[name](transport=answering(httpx.Response(status, json=body, headers=headers)))
    return esp.send(esp.encode(a_mailing(copies)))


def sg(field: str | None, message: str = "Does not contain a valid address.") -> dict[str, Any]:
    return {"message": message, "field": field, "help": "http://sendgrid.com/docs"}


def test_sendgrid_names_the_personalizations_that_spoil_a_call() -> None:
    errors = [sg("personalizations.2.to.0.email"), sg("personalizations[0].to")]

    outcome = sent("sendgrid", 400, {"errors": errors})

    assert isinstance(outcome, NotTaken)
    assert not outcome.final
    assert dict(outcome.refused) == {
        2: "Does not contain a valid address.",
        0: "Does not contain a valid address.",
    }


@pytest.mark.parametrize(
    "errors",
    [
        [sg("personalizations.1.to.0.email"), sg("subject", "The subject is required.")],
        [sg("personalizations.0.headers", "bad header")],
        [sg("personalizations", "Each unique email address should appear only once")],
        [sg("personalizations.7.to.0.email")],
        [sg(None, "bad request")],
    ],
)
def test_sendgrid_waits_for_an_operator_when_more_than_recipients_is_wrong(
    errors: list[dict[str, Any]],
) -> None:
    outcome = sent("sendgrid", 400, {"errors": errors})

    assert isinstance(outcome, NotTaken)
    assert (outcome.final, outcome.refused) == (True, {})


@pytest.mark.parametrize("status", [200, 201, 204])
def test_sendgrid_accepts_by_202_alone(status: int) -> None:
    assert isinstance(sent("sendgrid", status, {}), Unknown)
    assert sent("sendgrid", 202, {}) == Accepted()


def test_resend_takes_the_good_ones_and_names_the_others() -> None:
    body = {
        "data": [{"id": "re-0"}, {"id": "re-2"}],
        "errors": [{"index": 1, "message": "Invalid `to` field: reader1@example.com"}],
    }

    outcome = sent("resend", 200, body)

    refused = {1: "Invalid `to` field: [address]"}
    assert outcome == Accepted(message_ids=("re-0", "", "re-2"), refused=refused)


@pytest.mark.parametrize(
    "body",
    [
        {"data": [{"id": "re-0"}]},
        {"data": [{"id": "1"}, {"id": "2"}, {"id": "3"}], "errors": [{"index": 0, "message": "x"}]},
        {"data": None},
        [],
    ],
)
def test_resends_answer_must_account_for_every_copy(body: Any) -> None:
    assert isinstance(sent("resend", 200, body), Unknown)


def test_resend_knowing_the_key_from_other_bytes_proves_the_earlier_attempt() -> None:
    body = {"statusCode": 409, "name": "invalid_idempotent_request", "message": "different payload"}

    outcome = sent("resend", 409, body)

    assert isinstance(outcome, Accepted)
    assert outcome.message_ids == ()
    assert outcome.reason == "Resend had this key before, for an earlier attempt at the batch"


@pytest.mark.parametrize(
    "words", ["Invalid `from` field.", "The example.com domain is not verified. Please, add it."]
)
def test_no_reader_is_refused_for_a_sender_that_resend_does_not_take(words: str) -> None:
    errors = [{"index": at, "message": words} for at in range(3)]

    outcome = sent("resend", 200, {"data": [], "errors": errors})

    assert isinstance(outcome, NotTaken)
    assert (outcome.final, outcome.of_call, outcome.refused) == (True, False, {})


@pytest.mark.parametrize("name", ["concurrent_idempotent_requests", "something_new", ""])
def test_resend_at_work_on_the_same_key_leaves_it_open(name: str) -> None:
    assert isinstance(sent("resend", 409, {"name": name}), Unknown)


@pytest.mark.parametrize("name", ["daily_quota_exceeded", "monthly_quota_exceeded"])
def test_resends_quotas_are_not_hammered(name: str) -> None:
    outcome = sent("resend", 429, {"name": name, "message": "You have reached your quota"})

    assert isinstance(outcome, NotTaken)
    assert outcome.final
    assert outcome.retry_after is None


def test_mailgun_names_the_wait_in_its_words() -> None:
    words = "Too many messages sent, try again after Fri, 27 Nov 2026 09:05:00 GMT"

    outcome = sent("mailgun", 429, {"message": words}, date="Fri, 27 Nov 2026 09:00:00 GMT")

    assert isinstance(outcome, NotTaken)
    assert (outcome.retry_after, outcome.final) == (300.0, False)


def test_mailgun_refuses_the_recipients_it_names() -> None:
    outcome = sent("mailgun", 400, {"message": "'to' parameter is not valid: Reader1@example.com."})

    assert isinstance(outcome, NotTaken)
    assert not outcome.final
    assert dict(outcome.refused) == {1: "'to' parameter is not valid: [address]"}


@pytest.mark.parametrize(
    ("name", "body"),
    [
        (
            "mailgun",
            {"message": "'to' parameter is not a valid address. please check documentation"},
        ),
        ("brevo", {"code": "invalid_parameter", "message": "email is not valid in to"}),
    ],
)
def test_when_an_address_is_bad_and_none_is_named_the_odd_ones_go(
    name: str, body: dict[str, str]
) -> None:
    copies = [
        Copy("d-0", "reader0@example.com", ("t", "e")),
        Copy("d-1", "reader@localhost", ("t", "e")),
        Copy("d-2", "jörg@example.com", ("t", "e")),
    ]

    some = sent(name, 400, body, copies=copies)
    none = sent(name, 400, body, copies=copies[:1])

    assert isinstance(some, NotTaken)
    assert (sorted(some.refused), some.final) == ([1, 2], False)
    assert isinstance(none, NotTaken)
    assert (none.refused, none.final) == ({}, True)


def test_mailguns_greeting_is_no_acceptance() -> None:
    esp = MAKES["mailgun"](transport=answering(httpx.Response(200, text="Mailgun Magnificent API")))

    outcome = esp.send(esp.encode(a_mailing()))

    assert isinstance(outcome, NotTaken)
    assert outcome.final
    assert isinstance(sent("mailgun", 200, {"message": "Hello"}), Unknown)


def pm(code: int, message: str = "OK") -> dict[str, Any]:
    taken = {"To": "x", "SubmittedAt": "2026-11-27T09:00:00Z", "MessageID": "pm"}
    return {"ErrorCode": code, "Message": message} | (taken if code == 0 else {})


def test_postmark_answers_for_each_copy() -> None:
    inactive = pm(406, "Inactive recipient: reader1@example.com")

    outcome = sent("postmark", 200, [pm(0), inactive, pm(429, "Slow down")])

    assert outcome == Accepted(
        message_ids=("pm", "", ""),
        refused={1: "Inactive recipient: [address]"},
        again=frozenset({2}),
    )


@pytest.mark.parametrize(
    ("entries", "final"),
    [
        ([pm(405, "Not allowed to send"), pm(406, "Inactive"), pm(405)], True),
        (
            [
                pm(300, "Invalid 'From' address"),
                pm(300, "Invalid 'From' address"),
                pm(300, "'From'"),
            ],
            True,
        ),
        ([pm(429, "Slow down"), pm(429), pm(406, "Inactive")], False),
    ],
)
def test_postmark_taking_no_copy_took_nothing(entries: list[Any], final: bool) -> None:
    outcome = sent("postmark", 200, entries)

    assert isinstance(outcome, NotTaken)
    assert outcome.final is final


def test_a_call_of_refused_copies_only_is_settled() -> None:
    outcome = sent("postmark", 200, [pm(406, "Inactive"), pm(300, "Invalid 'To' address"), pm(406)])

    assert isinstance(outcome, Accepted)
    assert sorted(outcome.refused) == [0, 1, 2]
    assert outcome.again == frozenset()


@pytest.mark.parametrize("body", [[], [pm(0)], {"ErrorCode": 0}, [pm(0)] * 4])
def test_postmarks_answer_must_be_one_for_each_copy(body: Any) -> None:
    assert isinstance(sent("postmark", 200, body), Unknown)


def ses(*statuses: str) -> dict[str, Any]:
    return {
        "BulkEmailEntryResults": [
            {"Status": s} | ({"MessageId": "m"} if s == "SUCCESS" else {"Error": "why"})
            for s in statuses
        ]
    }


def test_ses_answers_for_each_copy() -> None:
    statuses = ("SUCCESS", "INVALID_PARAMETER", "TRANSIENT_FAILURE", "ACCOUNT_THROTTLED", "FAILED")

    outcome = sent("ses", 200, ses(*statuses), copies=5)

    assert outcome == Accepted(
        message_ids=("m", "", "", "", ""),
        refused={1: "INVALID_PARAMETER: why"},
        again=frozenset({2, 3, 4}),
    )


@pytest.mark.parametrize(
    ("status", "final"),
    [
        ("ACCOUNT_THROTTLED", False),
        ("TRANSIENT_FAILURE", False),
        ("ACCOUNT_DAILY_QUOTA_EXCEEDED", True),
        ("ACCOUNT_SUSPENDED", True),
        ("MAIL_FROM_DOMAIN_NOT_VERIFIED", True),
        ("CONFIGURATION_SET_NOT_FOUND", True),
        ("SOMETHING_NEW", True),
    ],
)
def test_ses_taking_no_copy_took_nothing(status: str, final: bool) -> None:
    outcome = sent("ses", 200, ses(status, status, status))

    assert isinstance(outcome, NotTaken)
    assert outcome.final is final
    assert outcome.reason == f"SES took no copy: {status}: why"


def test_a_copy_that_ses_holds_back_for_the_operator_is_tried_alone() -> None:
    outcome = sent("ses", 200, ses("SUCCESS", "SUCCESS", "ACCOUNT_DAILY_QUOTA_EXCEEDED"))

    assert isinstance(outcome, Accepted)
    assert outcome.again == frozenset({2})


@pytest.mark.parametrize(
    ("status", "kind", "final"),
    [
        (429, "TooManyRequestsException", False),
        (400, "com.amazonaws#ThrottlingException:http://internal", False),
        (400, "SendingPausedException", True),
        (400, "LimitExceededException", True),
        (404, "NotFoundException", True),
        (403, "SignatureDoesNotMatch", True),
    ],
)
def test_ses_names_its_errors_in_a_header_or_the_body(status: int, kind: str, final: bool) -> None:
    by_header = sent("ses", status, {"message": "why"}, **{"x-amzn-errortype": kind})
    by_body = sent("ses", status, {"__type": kind, "Message": "why"})

    for outcome in (by_header, by_body):
        assert isinstance(outcome, NotTaken)
        assert outcome.final is final
        assert kind.rpartition("#")[2].partition(":")[0] in outcome.reason


@pytest.mark.parametrize(
    ("name", "status", "body"),
    [
        ("ses", 400, {"__type": "AccountSuspendedException"}),
        ("ses", 400, {"__type": "SendingPausedException"}),
        ("ses", 400, {"__type": "LimitExceededException"}),
        ("ses", 400, {"__type": "MailFromDomainNotVerifiedException"}),
        ("ses", 400, {"__type": "MessageRejected", "message": "Email address is not verified."}),
        ("postmark", 422, {"ErrorCode": 405, "Message": "Not allowed to send."}),
        ("postmark", 422, {"ErrorCode": 412, "Message": "Account is pending."}),
        ("postmark", 422, {"ErrorCode": 300, "Message": "Invalid 'From' address."}),
        ("mailgun", 400, {"message": "Domain mg.example.com is not allowed to send: disabled"}),
        ("brevo", 400, {"code": "not_enough_credits", "message": "no credits"}),
        ("brevo", 400, {"code": "account_under_validation", "message": "wait"}),
    ],
)
def test_an_account_that_may_not_send_is_not_taken_for_a_bad_call(
    name: str, status: int, body: Any
) -> None:
    """Such a call would be parted until single readers are refused, one after the other."""
    outcome = sent(name, status, body)

    assert isinstance(outcome, NotTaken)
    assert (outcome.final, outcome.of_call, outcome.refused) == (True, False, {})


@pytest.mark.parametrize(
    ("name", "status", "body"),
    [
        ("ses", 400, {"__type": "BadRequestException"}),
        ("postmark", 422, {"ErrorCode": 402, "Message": "Invalid JSON."}),
        ("mailgun", 400, {"message": "to parameter is missing"}),
        ("brevo", 400, {"code": "invalid_parameter", "message": "subject"}),
    ],
)
def test_a_call_that_is_refused_for_what_it_holds_may_be_parted(
    name: str, status: int, body: Any
) -> None:
    outcome = sent(name, status, body)

    assert isinstance(outcome, NotTaken)
    assert (outcome.final, outcome.of_call) == (True, True)


@pytest.mark.parametrize("status", [400, 409])
@pytest.mark.parametrize(
    ("reported", "kind"),
    [
        (httpx.Response(200, json={"events": [{"messageId": "<br-1>"}]}), Accepted),
        (httpx.Response(200, json={}), Unknown),
        (httpx.Response(500), Unknown),
    ],
)
def test_brevo_turning_a_known_key_away_is_proof_once_its_report_shows_the_batch(
    status: int, reported: httpx.Response, kind: type[Outcome]
) -> None:
    seen: list[httpx.Request] = []
    away = httpx.Response(status, json={"code": "duplicate_parameter", "message": "used before"})
    transport = recording(seen, lambda call: away if call.method == "POST" else reported)
    esp = MAKES["brevo"](transport=transport)

    outcome = esp.send(esp.encode(a_mailing()))

    assert isinstance(outcome, kind)
    assert dict(seen[1].url.params) == {"tags": '["b-0001"]', "limit": "1"}
    if isinstance(outcome, Accepted):
        assert outcome.reason == "Brevo had this key before: Brevo's report holds <br-1>"
        assert outcome.message_ids == ()


def test_brevo_at_work_on_the_same_key_leaves_it_open() -> None:
    assert isinstance(sent("brevo", 409, {"code": "conflict", "message": "in progress"}), Unknown)


def test_brevo_names_the_wait_in_its_own_header() -> None:
    soon, never = (
        sent("brevo", 429, {"code": "too_many_requests"}, **{"x-sib-ratelimit-reset": reset})
        for reset in ("12", "1796202000")
    )

    assert isinstance(soon, NotTaken)
    assert isinstance(never, NotTaken)
    assert (soon.retry_after, never.retry_after) == (12.0, None)


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ({"messageIds": ["a", "b", "c"]}, ("a", "b", "c")),
        ({"messageId": "a"}, ("a",)),
        ({}, ()),
        ("?", ()),
    ],
)
def test_brevos_201_is_acceptance_however_it_reads(body: Any, ids: tuple[str, ...]) -> None:
    assert sent("brevo", 201, body) == Accepted(message_ids=ids)
