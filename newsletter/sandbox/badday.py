"""The page on which an operator orders a bad day, and calls it off."""

from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ValidationError

from newsletter.sandbox.events import FATES
from newsletter.sandbox.faults import FaultKind, FaultPlan, FaultRule, Unruliness
from newsletter.sandbox.inbox import Pages
from newsletter.sandbox.sandbox import Sandbox

WORDS: Final = {
    FaultKind.too_many: "answer 429, too many requests",
    FaultKind.error: "answer 500, having taken nothing",
    FaultKind.unavailable: "answer 503, having taken nothing",
    FaultKind.reset: "reset the connection before reading",
    FaultKind.stall: "stall, then drop the connection",
    FaultKind.slow: "take it, but answer slowly",
    FaultKind.lose_answer: "take it, then drop the connection",
    FaultKind.error_after: "take it, but answer 500",
    FaultKind.refuse: "refuse single addresses",
}

#: A day on which a little of everything goes wrong.
ROUGH: Final = FaultPlan(
    seed=1,
    rules=(
        FaultRule(kind=FaultKind.too_many, rate=0.05),
        FaultRule(kind=FaultKind.error, rate=0.02),
        FaultRule(kind=FaultKind.unavailable, rate=0.02),
        FaultRule(kind=FaultKind.reset, rate=0.03),
        FaultRule(kind=FaultKind.lose_answer, rate=0.03),
        FaultRule(kind=FaultKind.error_after, rate=0.02),
        FaultRule(kind=FaultKind.slow, rate=0.02, seconds=2),
        FaultRule(kind=FaultKind.refuse, rate=0.005),
    ),
    webhooks=Unruliness(late=0.1, late_seconds=5, twice=0.1, shuffle_seconds=2),
)


def bad_day(sandbox: Sandbox, pages: Pages) -> APIRouter:  # noqa: C901 - one small function for each form
    """The routes under ``/faults``."""
    router = APIRouter(include_in_schema=False)

    @router.get("/faults")
    def ordered(request: Request) -> HTMLResponse:
        """What is ordered, how often it has struck, and a form for more."""
        return _page(request, {}, None)

    @router.post("/faults/rules")
    async def add(request: Request) -> Response:
        """Add one rule; what cannot be is said beside the form."""
        form = {name: str(value).strip() for name, value in (await request.form()).items()}
        given: dict[str, object] = {name: value for name, value in form.items() if value}
        if "percent" in given:
            given["rate"] = _share(str(given.pop("percent")))
        if "calls" in given:
            given["calls"] = form["calls"].replace(",", " ").split()
        try:
            rule = FaultRule.model_validate(given)
        except ValidationError as error:
            return _page(request, form, _first_sentence(error))
        plan = sandbox.faults.plan
        sandbox.order(plan.model_copy(update={"rules": (*plan.rules, rule)}))
        return pages.go("/faults", f"Ordered: {WORDS[rule.kind]}.")

    @router.post("/faults/rules/{index}/removal")
    def remove(index: int) -> RedirectResponse:
        """Call one rule off."""
        plan = sandbox.faults.plan
        left = tuple(rule for at, rule in enumerate(plan.rules) if at != index)
        sandbox.order(plan.model_copy(update={"rules": left}))
        return pages.go("/faults", "Called off.")

    @router.post("/faults/webhooks")
    async def unruly(request: Request) -> Response:
        """How webhooks misbehave from now on."""
        form = {name: str(value).strip() or "0" for name, value in (await request.form()).items()}
        shares = {name: _share(form.get(name, "0")) for name in ("late", "twice", "lost")}
        rest = {name: form.get(name, "0") for name in ("late_seconds", "shuffle_seconds")}
        try:
            webhooks = Unruliness.model_validate({**shares, **rest})
        except ValidationError as error:
            return _page(request, {}, _first_sentence(error))
        sandbox.order(sandbox.faults.plan.model_copy(update={"webhooks": webhooks}))
        return pages.go("/faults", "The webhooks will behave like that from now on.")

    @router.post("/faults/day")
    def day(which: Annotated[str, Form()]) -> RedirectResponse:
        """A whole plan at once: ``rough`` or ``quiet``."""
        sandbox.order(ROUGH if which == "rough" else FaultPlan())
        return pages.go(
            "/faults", "A rough day it is." if which == "rough" else "A quiet day again."
        )

    @router.post("/webhooks/hurry")
    def hurry() -> RedirectResponse:
        """Send everything that waits now."""
        sandbox.courier.hurry()
        return pages.go("/faults", "Everything that was waiting is on its way.")

    def _page(request: Request, form: dict[str, str], error: str | None) -> HTMLResponse:
        plan = sandbox.faults.plan
        page = pages.show(
            "faults.html",
            request,
            plan=plan,
            ordered=list(zip(plan.rules, sandbox.faults.strikes, strict=False)),
            words=WORDS,
            fates=FATES,
            dialects=list(sandbox.dialects),
            form=form,
            error=error,
        )
        page.status_code = 422 if error else 200
        return page

    return router


def _share(percent: str) -> str:
    """A percentage as a share; what is no number is left for the model to refuse."""
    try:
        return str(float(percent) / 100)
    except ValueError:
        return percent


def _first_sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    where = " ".join(str(part) for part in first["loc"]).replace("_", " ")
    said = str(first["msg"]).removeprefix("Value error, ")
    return f"{where}: {said}." if where else f"{said[0].upper()}{said[1:]}."
