"""After the code is deployed: wakes the app, has it subscribe, and waits until every declared subscription lives.

Asks the app itself, over https, with the master key that `az` gives and that goes nowhere else.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from scripts.provisioning.az import Az, SetupProblem
from scripts.provisioning.reporting import Outcome, Step, made, unchanged
from scripts.provisioning.signing_in import PAGE
from scripts.provisioning.values import Values, chosen, need

KEYS: Final = "the role Website Contributor on the app (to read its keys)"
ANYBODY: Final = "to reach the app"
_TIMEOUT: Final = 60.0
_OK: Final = 200
_DENIED: Final = frozenset({401, 403})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the app answered; status 0 if it could not be reached, and why."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""


class Ask(Protocol):
    """Asks the app once."""

    def __call__(self, method: str, url: str, *, key: str = "") -> Answer:
        """Ask; never raises for an answer of any status, or for none."""
        ...


def ask_over_http(method: str, url: str, *, key: str = "") -> Answer:
    """Ask over http or https."""
    data = b"{}" if method == "POST" else None
    headers = {"Content-Type": "application/json"} | ({"x-functions-key": key} if key else {})
    request = urllib.request.Request(url, data=data, method=method, headers=headers)  # noqa: S310 - PUBLIC_BASE_URL, by the templates
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310 - as above
            return Answer(status=answer.status, body=_read(answer.read()))
    except urllib.error.HTTPError as refusal:
        with refusal:
            return Answer(status=refusal.code, body=_read(refusal.read()), why=str(refusal.reason))
    except (OSError, ValueError) as problem:
        return Answer(status=0, why=str(problem))


@dataclass(slots=True, kw_only=True)
class Live:
    """The steps with a running app."""

    az: Az
    values: Values
    ask: Ask = ask_over_http
    expected: frozenset[str] = frozenset()
    """Entries of subscriptions.json that must have a subscription."""
    _key: str = field(default="", repr=False)

    def steps(self) -> Sequence[Step]:
        """List them in order."""
        return (
            Step(name="health", needs=ANYBODY, take=self.health),
            Step(name="subscriptions", needs=KEYS, take=self.subscriptions),
        )

    def health(self) -> Outcome:
        """Ask until every part of the app runs: the first answer starts it, which takes some seconds."""
        answer = self._until(
            lambda: self.ask("GET", f"{self._base}/health"), lambda each: each.body.get("status") == "ok"
        )
        if answer.body.get("status") == "ok":
            return unchanged(f"every part runs: {', '.join(answer.body.get('parts', ()))}")
        if answer.body.get("problems"):
            raise SetupProblem(f"the app runs and lacks something: {json.dumps(answer.body['problems'])}")
        why = f"{answer.status} {answer.why}".strip() if answer.status else answer.why
        raise SetupProblem(
            f"the app does not answer at {self._base}/health ({why}). Was its code deployed (azd deploy)? The log: az webapp log tail, or "
            "Application Insights > Failures"
        )

    def subscriptions(self) -> Outcome:
        """Have the app's own timer subscribe now, and wait until every subscription has an id at Graph."""
        first = self._until(self._status, lambda each: each.status == _OK)
        if first.status != _OK:
            raise SetupProblem(f"{self._host}/api/status answers {first.status} {first.why}".rstrip())
        if self._is_live(first):
            return unchanged(f"{_count(first.body)} live")
        if self.az.dry:
            return made(self.az.dry, "what is declared and does not live yet")
        answer = self.ask("POST", f"{self._host}/admin/functions/renewal", key=self._master_key())
        if answer.status not in range(200, 300):
            raise SetupProblem(f"the timer could not be started by hand: {answer.status} {answer.why}".rstrip())
        last = self._until(self._status, self._is_live)
        if not self._is_live(last):
            raise SetupProblem(_what_is_missing(last.body, self.expected))
        return made(self.az.dry, f"{_count(last.body)} live")

    def where_to_look(self) -> Sequence[str]:
        """Say what can be seen where."""
        app, group = need(self.values, "FUNCTION_APP_NAME"), need(self.values, "AZURE_RESOURCE_GROUP")
        page = (f"the page             {self._base}{PAGE}",) if chosen(self.values, "EARSHOT_SIGNALR") else ()
        return (
            *page,
            f"is it well           {self._base}/health",
            f"each subscription    {self._host}/api/status     (x-functions-key: az functionapp keys list --name {app} --resource-group {group})",
            f"what was heard       {self._host}/api/manage/feeds      (the same key)",
            f"logs, alerts         portal > {group} > Application Insights, and the workbook beside it",
            "change what is heard subscriptions.json, then azd deploy; a new resource may need a permission: azd provision first",
        )

    @property
    def _base(self) -> str:
        return need(self.values, "PUBLIC_BASE_URL").rstrip("/")

    @property
    def _host(self) -> str:
        """The app itself: a gateway lets Graph's two routes through, and not what needs a key."""
        host = self.values.get("FUNCTION_APP_HOST_NAME")
        return f"https://{host}" if host else self._base.removesuffix("/api")

    def _master_key(self) -> str:
        if not self._key:
            app, group = need(self.values, "FUNCTION_APP_NAME"), need(self.values, "AZURE_RESOURCE_GROUP")
            self._key = str(
                self.az.look("functionapp", "keys", "list", "--name", app, "--resource-group", group)["masterKey"]
            )
        return self._key

    def _status(self) -> Answer:
        """Ask how the subscriptions are; an app that is still starting may answer anything."""
        answer = self.ask("GET", f"{self._host}/api/status", key=self._master_key())
        if answer.status in _DENIED:
            raise SetupProblem(
                f"{self._host}/api/status turns the app's own key away ({answer.status}): is something in front of the app? "
                "With a gateway, your address has to be among allowedIpAddresses"
            )
        return answer

    def _is_live(self, answer: Answer) -> bool:
        """Tell whether every entry that is expected has rows, and every row an id and no problem."""
        rows = _rows(answer.body)
        entries = {row["name"].partition("~")[0] for row in rows}
        well = all(row["subscriptionId"] and not row["problem"] for row in rows)
        return answer.status == _OK and self.expected <= entries and well

    def _until(self, look: Callable[[], Answer], good: Callable[[Answer], bool]) -> Answer:
        waited = 0.0
        while not good(answer := look()) and waited < self.az.patience:
            self.az.sleep(self.az.pause)
            waited += self.az.pause
        return answer


def _rows(status: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    rows: Sequence[Mapping[str, Any]] = status.get("subscriptions", ())
    return rows


def _count(status: Mapping[str, Any]) -> str:
    found = status.get("subscriptionCount", len(_rows(status)))
    return f"{found} subscription{'' if found == 1 else 's'}"


def _what_is_missing(status: Mapping[str, Any], expected: frozenset[str]) -> str:
    rows = _rows(status)
    wrong = [
        f"{row['name']}: {row['problem'] or 'not made yet'}"
        for row in rows
        if not row["subscriptionId"] or row["problem"]
    ]
    absent = sorted(expected - {row["name"].partition("~")[0] for row in rows})
    problems = [str(each) for each in (status.get("declaration") or {}).get("problems", ())]
    told = "\n".join([*problems, *wrong, *(f"{name}: not begun yet" for name in absent)])
    return f"not every subscription lives yet:\n{told}"


def _read(data: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}
