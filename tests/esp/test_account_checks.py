"""What each provider's account is examined for, asked over real HTTP of the sandbox."""

from typing import Any, Final

import pytest

from newsletter.esp.checks import Account, Check, Examined, Wanted
from newsletter.sandbox.config import DIALECTS
from tests.esp.sandboxes import Sandbox, a_free_port

everywhere = pytest.mark.parametrize("name", DIALECTS)

#: What a right account of each provider is found well in; what nobody can tell stands below.
_WELL: Final = {
    "sendgrid": {
        *("credentials", "domain", "tracking", "webhook", "webhook events", "webhook signature"),
    },
    "resend": {"credentials", "domain", "tracking", "webhook", "webhook events"},
    "mailgun": {
        *("credentials", "domain", "domain records", "tracking", "webhook", "webhook events"),
    },
    "postmark": {
        *("credentials", "tracking", "stream", "unsubscribe", "webhook", "webhook events"),
        "webhook password",
    },
    "ses": {
        *("credentials", "domain", "tracking", "configuration set", "webhook", "webhook events"),
    },
    "brevo": {"credentials", "domain", "webhook", "webhook events"},
}
_UNCLEAR: Final = {"brevo": {"tracking"}}

#: The standing that is ordered, and the check that shows it, by provider where they differ.
_FAULTS: Final[list[tuple[dict[str, object], dict[str, str]]]] = [
    (
        {"may_send": False},
        dict.fromkeys(("sendgrid", "ses"), "credentials")
        | {"mailgun": "domain", "postmark": "stream"},
    ),
    (
        {"domain": "unverified"},
        dict.fromkeys(("sendgrid", "resend", "mailgun", "ses", "brevo"), "domain"),
    ),
    (
        {"domain": "absent"},
        dict.fromkeys(("sendgrid", "resend", "mailgun", "ses", "brevo"), "domain")
        | {"postmark": "stream"},
    ),
    (
        {"webhook": "absent"},
        dict.fromkeys(("sendgrid", "resend", "mailgun", "postmark", "brevo"), "webhook")
        | {"ses": "configuration set"},
    ),
    (
        {"webhook": "off"},
        dict.fromkeys(("sendgrid", "resend", "mailgun", "ses", "brevo"), "webhook")
        | {"postmark": "webhook events"},
    ),
    ({"webhook": "deaf"}, dict.fromkeys(DIALECTS, "webhook events")),
    (
        {"webhook": "unproven"},
        {"sendgrid": "webhook signature", "postmark": "webhook password", "ses": "webhook"},
    ),
    (
        {"tracking": True},
        dict.fromkeys(("resend", "mailgun", "postmark", "ses"), "tracking"),
    ),
]
CASES: Final = [
    pytest.param(name, standing, what, id=f"{name}-{'-'.join(map(str, standing.items()))}")
    for standing, shown in _FAULTS
    for name, what in shown.items()
]


def look(sandbox: Sandbox, name: str, *, tracking: bool = False, **more: Any) -> Account:
    esp = sandbox.adapter(name, **more)
    assert isinstance(esp, Examined)
    webhook = sandbox.hook.replace("{provider}", name)
    return esp.examine(Wanted("shiporskip.example", webhook, tracking))


def with_state(account: Account, good: bool | None) -> dict[str, Check]:
    return {check.what: check for check in account.checks if check.good is good}


def configured(name: str) -> dict[str, Any]:
    return {"configuration_set": "newsletter"} if name == "ses" else {}


@everywhere
def test_an_account_that_is_as_it_should_be_is_found_so(name: str, sandbox: Sandbox) -> None:
    account = look(sandbox, name, **configured(name))

    assert with_state(account, False) == {}
    assert set(with_state(account, True)) == _WELL[name]
    assert set(with_state(account, None)) == _UNCLEAR.get(name, set())
    assert all("._domainkey." in host for host in account.dkim)
    assert bool(account.dkim) == (name != "postmark")


@pytest.mark.parametrize(("name", "standing", "what"), CASES)
def test_each_fault_is_found_with_its_fix(
    name: str, standing: dict[str, object], what: str, sandbox: Sandbox
) -> None:
    sandbox.stand(**standing)

    wrong = with_state(look(sandbox, name, **configured(name)), False)

    assert what in wrong
    for check in wrong.values():
        assert check.says.endswith(".")
        assert check.fix.endswith((".", ": a request cannot."))


@everywhere
def test_foreign_credentials_end_the_examination(name: str, sandbox: Sandbox) -> None:
    account = look(sandbox, name, api_key="not-the-key", **configured(name))

    (check,) = account.checks
    assert check.what == "credentials"
    assert check.good is False
    assert "not-the-key" not in check.says + check.fix


@everywhere
def test_a_provider_that_is_away_is_wrong_once_and_not_ten_times(
    name: str, sandbox: Sandbox
) -> None:
    account = look(sandbox, name, base_url=f"http://127.0.0.1:{a_free_port()}", timeout=2.0)

    assert [(check.what, check.good) for check in account.checks] == [("credentials", False)]


@everywhere
def test_a_provider_that_stumbles_is_unclear_and_not_wrong(name: str, sandbox: Sandbox) -> None:
    sandbox.order("error", on="search")

    account = look(sandbox, name, **configured(name))

    assert with_state(account, False) == {}
    assert "credentials" in with_state(account, None)


def test_a_key_of_resends_that_may_only_send_is_good_enough_for_that(sandbox: Sandbox) -> None:
    sandbox.stand(may_send=False)

    account = look(sandbox, "resend")

    assert "credentials" in with_state(account, True)
    assert "dashboard" in with_state(account, None)["domain"].fix


def test_another_verification_key_than_ours_is_noticed(sandbox: Sandbox) -> None:
    other = (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3"
        "GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
    )

    wrong = with_state(look(sandbox, "sendgrid", webhook_key=other), False)

    assert "another key" in wrong["webhook signature"].says


@pytest.mark.parametrize("name", ["sendgrid", "mailgun", "postmark"])
def test_where_a_request_can_switch_tracking_on_the_account_need_not(
    name: str, sandbox: Sandbox
) -> None:
    account = look(sandbox, name, tracking=True, **configured(name))

    assert "on as it is wanted" in with_state(account, True)["tracking"].says


@pytest.mark.parametrize("name", ["resend", "ses"])
def test_where_the_providers_own_opens_are_wanted_they_must_be_on(
    name: str, sandbox: Sandbox
) -> None:
    off = look(sandbox, name, tracking=True, **configured(name))
    sandbox.stand(tracking=True)
    on = look(sandbox, name, tracking=True, **configured(name))

    assert "tracking" in with_state(off, False)
    assert with_state(on, False) == {}


def test_what_brevo_does_not_tell_is_to_be_looked_up_for_what_is_wanted(sandbox: Sandbox) -> None:
    fixes = [
        with_state(look(sandbox, "brevo", tracking=wanted), None)["tracking"].fix
        for wanted in (False, True)
    ]

    assert ["that it does not" in fix for fix in fixes] == [True, False]


def test_ses_without_a_configuration_set_would_tell_us_nothing(sandbox: Sandbox) -> None:
    wrong = with_state(look(sandbox, "ses"), False)

    assert "NEWSLETTER_SES_CONFIGURATION_SET" in wrong["configuration set"].fix


def test_postmarks_and_resends_webhooks_stand_at_the_same_path_and_are_told_apart(
    sandbox: Sandbox,
) -> None:
    hooks = {
        name: sandbox.http.get("/webhooks", headers=headers).json()
        for name, headers in (
            ("postmark", {"x-postmark-server-token": sandbox.keys.postmark_server_token}),
            ("resend", {"authorization": f"Bearer {sandbox.keys.resend_api_key}"}),
        )
    }

    assert "Webhooks" in hooks["postmark"]
    assert hooks["resend"]["object"] == "list"
