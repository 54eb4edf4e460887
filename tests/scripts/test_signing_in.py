"""What people need to sign in, set up in Entra: made once, beside what somebody else has there, and no more than the app uses."""

import inspect
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from local.az.applications import change_application, new_application
from local.az.refusals import Refusal
from local.az.tenant import GRAPH_APP_ID, IDENTITY
from scripts.provisioning.signing_in import FOR_MAIL, SCOPE, SCOPE_ID, TO_SIGN_IN
from shared import mail_requests
from shared.mail_requests import Reply
from tests.builders import NOW
from tests.scripts.deploying import TEAMS, Deployment

PAGE = "https://func-earshot-x.azurewebsites.net/api/app"
STEPS = ["API", "page", "page may call the API", "permissions for people", "consent for people"]
SIGN_IN = {"openid", "profile", "offline_access"}
MAIL = {"Mail.Read", "Mail.ReadWrite", "Mail.Send"}
THEIR_SCOPE = {
    "id": "0f4b0000-0000-4000-8000-000000000f4b",
    "value": "Orders.Read",
    "type": "Admin",
    "isEnabled": True,
    "adminConsentDisplayName": "Read orders",
    "adminConsentDescription": "Reads orders.",
    "userConsentDisplayName": "Read orders",
    "userConsentDescription": "Reads orders.",
}


@pytest.fixture
def live(deployment: Deployment) -> Deployment:
    deployment.azd(EARSHOT_SIGNALR="true")
    return deployment


@pytest.fixture
def mail(deployment: Deployment) -> Deployment:
    deployment.azd(EARSHOT_SIGNALR="true", EARSHOT_MAIL="true")
    return deployment


def registration(deployment: Deployment) -> dict[str, Any]:
    [found] = deployment.state["applications"]
    return dict(found)


def consents(deployment: Deployment) -> list[set[str]]:
    return [set(each["scope"].split()) for each in deployment.state["oauth2PermissionGrants"]]


def named(deployment: Deployment) -> set[str]:
    names = {each["id"]: each["value"] for each in deployment.state["servicePrincipals"][0]["oauth2PermissionScopes"]}
    [entry] = [
        each for each in registration(deployment)["requiredResourceAccess"] if each["resourceAppId"] == GRAPH_APP_ID
    ]
    return {names[each["id"]] for each in entry["resourceAccess"] if each["type"] == "Scope"}


def granted(deployment: Deployment) -> dict[str, str]:
    """Give what the app itself may do, and the principal that may."""
    names = {each["id"]: each["value"] for each in deployment.state["servicePrincipals"][0]["appRoles"]}
    return {names[each["appRoleId"]]: each["principalId"] for each in deployment.state["appRoleAssignments"]}


def test_page_and_api_are_one_registration(live: Deployment) -> None:
    live.up()

    found = registration(live)
    client, api = found["appId"], found["api"]
    [scope] = api["oauth2PermissionScopes"]
    assert found["identifierUris"] == [f"api://{client}"]
    assert (scope["value"], scope["isEnabled"], scope["type"]) == ("access_as_user", True, "User")
    assert api["requestedAccessTokenVersion"] == 2
    assert api["preAuthorizedApplications"] == [{"appId": client, "delegatedPermissionIds": [scope["id"]]}]
    assert found["spa"] == {"redirectUris": [PAGE]}
    assert found["signInAudience"] == "AzureADMyOrg"
    assert [live.became[each] for each in STEPS] == ["created"] * 5


def test_without_mail_the_app_may_do_nothing_for_people_but_sign_them_in(live: Deployment) -> None:
    live.up()

    assert named(live) == SIGN_IN
    assert consents(live) == [SIGN_IN]


def test_with_mail_it_may_read_and_send_for_whoever_connects_and_nobody_is_asked(mail: Deployment) -> None:
    mail.up()

    [grant] = mail.state["oauth2PermissionGrants"]
    [principal] = [each for each in mail.state["servicePrincipals"] if each["appId"] == registration(mail)["appId"]]
    assert named(mail) == SIGN_IN | MAIL
    assert consents(mail) == [SIGN_IN | MAIL]
    assert (grant["consentType"], grant["clientId"]) == ("AllPrincipals", principal["id"])
    assert "Mail.ReadWrite" not in granted(mail)


def test_mail_without_a_page_is_for_a_client_of_ones_own(deployment: Deployment) -> None:
    """The app serves its page where there is SignalR; the API is there for both."""
    deployment.azd(EARSHOT_MAIL="true")

    deployment.up()

    found = registration(deployment)
    assert found["identifierUris"] == [f"api://{found['appId']}"]
    assert found["spa"] == {"redirectUris": []}
    assert found["api"]["preAuthorizedApplications"] == []
    assert consents(deployment) == [SIGN_IN | MAIL]
    assert "ChannelMember.Read.All" not in granted(deployment)


def test_nothing_of_this_is_made_where_nobody_signs_in(deployment: Deployment) -> None:
    deployment.up()

    found = registration(deployment)
    assert (found["identifierUris"], found["spa"], found["api"]) == ([], {"redirectUris": []}, new_application()["api"])
    assert deployment.state["oauth2PermissionGrants"] == []
    assert set(granted(deployment)) == {"Channel.ReadBasic.All", "ChannelMessage.Read.All", "Team.ReadBasic.All"}
    assert deployment.became["people who sign in"] == "skipped"


def test_who_is_in_a_channel_may_be_asked_where_feeds_are_shown(live: Deployment) -> None:
    live.up()
    assert "ChannelMember.Read.All" in granted(live)

    live.declare(TEAMS | {"handlers": ["forward"]})
    assert live.after() == 0
    assert "left as it is: ChannelMember.Read.All" in live.last


def test_a_dry_run_says_what_it_would_do_and_does_nothing(mail: Deployment) -> None:
    assert mail.before() == 0
    mail.provision()
    before = mail.kept

    assert mail.after("--dry-run") == 0

    assert mail.kept == before
    assert [mail.became[each] for each in STEPS] == ["would create"] * 5
    for each in (*TO_SIGN_IN, *FOR_MAIL):
        assert f"{each.permission}, {each.purpose}: {each.page}" in mail.last


def test_what_somebody_else_has_in_the_registration_stays(mail: Deployment) -> None:
    theirs = {
        **new_application(),
        "id": "a" * 8,
        "appId": "5d2a7c1e-3b4f-4e6a-9c8d-0f1e2d3c4b5a",
        "uniqueName": None,
        "identifierUris": ["api://contoso.com/orders"],
        "api": {
            "acceptMappedClaims": True,
            "knownClientApplications": [IDENTITY],
            "requestedAccessTokenVersion": None,
            "oauth2PermissionScopes": [THEIR_SCOPE],
            "preAuthorizedApplications": [{"appId": IDENTITY, "delegatedPermissionIds": [THEIR_SCOPE["id"]]}],
        },
        "requiredResourceAccess": [
            {"resourceAppId": IDENTITY, "resourceAccess": [{"id": IDENTITY, "type": "Scope"}]},
            {"resourceAppId": GRAPH_APP_ID, "resourceAccess": [{"id": IDENTITY, "type": "Role"}]},
        ],
    }
    mail.change(applications=[theirs])
    mail.azd(GRAPH_CLIENT_ID=str(theirs["appId"]))

    mail.up()

    found = registration(mail)
    assert found["identifierUris"] == ["api://contoso.com/orders", f"api://{theirs['appId']}"]
    assert [each["value"] for each in found["api"]["oauth2PermissionScopes"]] == ["Orders.Read", SCOPE]
    assert found["api"]["acceptMappedClaims"] is True
    assert found["api"]["knownClientApplications"] == [IDENTITY]
    assert found["api"]["requestedAccessTokenVersion"] is None  # their API would get tokens of another shape
    assert [each["appId"] for each in found["api"]["preAuthorizedApplications"]] == [IDENTITY, theirs["appId"]]
    assert {each["resourceAppId"] for each in found["requiredResourceAccess"]} == {IDENTITY, GRAPH_APP_ID}
    of_graph = next(
        each["resourceAccess"] for each in found["requiredResourceAccess"] if each["resourceAppId"] == GRAPH_APP_ID
    )
    assert {"id": IDENTITY, "type": "Role"} in of_graph
    assert len(of_graph) == 1 + len(SIGN_IN | MAIL)


def test_a_scope_that_is_there_keeps_its_id_and_its_words(live: Deployment) -> None:
    live.up()
    api = registration(live)["api"]
    other = {**api["oauth2PermissionScopes"][0], "id": IDENTITY, "userConsentDisplayName": "Ours"}
    disabled = {"oauth2PermissionScopes": [other | {"isEnabled": False}], "preAuthorizedApplications": []}
    live.change(applications=[registration(live) | {"api": api | disabled}])

    assert live.after() == 0

    assert live.became["API"] == "changed"
    assert registration(live)["api"]["oauth2PermissionScopes"] == [other]
    assert registration(live)["api"]["preAuthorizedApplications"][0]["delegatedPermissionIds"] == [IDENTITY]


def test_the_page_is_opened_elsewhere_only_if_somebody_asked_for_it(live: Deployment) -> None:
    live.azd(EARSHOT_PAGE_ORIGINS="http://localhost:7071,https://hear.contoso.com")
    live.up()
    local = "http://localhost:7071/api/app"
    assert registration(live)["spa"]["redirectUris"] == [PAGE, local, "https://hear.contoso.com/api/app"]

    live.azd(EARSHOT_PAGE_ORIGINS="https://hear.contoso.com")
    assert live.after() == 0
    assert live.became["page"] == "attention"
    assert f"left, and named by nobody: {local}. Whoever comes to own such a name" in live.last


@pytest.mark.parametrize(
    "origin",
    [
        "http://contoso.com",
        "https://contoso.com/page",
        "contoso.com",
        "http://127.0.0.1:7071",
        "http://localhost:7071/",
    ],
)
def test_an_origin_that_entra_would_not_take_is_refused_in_words(live: Deployment, origin: str) -> None:
    live.azd(EARSHOT_PAGE_ORIGINS=origin)
    assert live.before() == 0
    live.provision()

    assert live.after() == 1

    assert f"EARSHOT_PAGE_ORIGINS has {origin!r}" in live.last


def test_people_sign_in_to_a_registration_also_where_the_identity_asks_graph(live: Deployment) -> None:
    live.azd(GRAPH_CREDENTIAL="managed-identity")

    live.up()

    client = registration(live)["appId"]
    assert live.state["azd"]["GRAPH_CLIENT_ID"] == client
    assert registration(live)["spa"]["redirectUris"] == [PAGE]
    assert registration(live)["federatedIdentityCredentials"] == []
    assert set(granted(live).values()) == {IDENTITY}
    [grant] = live.state["oauth2PermissionGrants"]
    [principal] = [each for each in live.state["servicePrincipals"] if each["appId"] == client]
    assert grant["clientId"] == principal["id"]


def test_mail_and_a_managed_identity_that_asks_graph_exclude_each_other(mail: Deployment) -> None:
    mail.azd(GRAPH_CREDENTIAL="managed-identity")

    assert mail.before() == 1

    assert "azd env set GRAPH_CREDENTIAL federated" in mail.last


def test_mail_may_be_left_to_each_persons_own_consent(mail: Deployment) -> None:
    mail.azd(EARSHOT_MAIL_CONSENT="person")

    mail.up()

    assert consents(mail) == [SIGN_IN]
    assert named(mail) == SIGN_IN | MAIL
    [link] = re.findall(r"https://login\.microsoftonline\.com/\S+/authorize\?\S+", mail.last)
    asked = parse_qs(urlsplit(link).query)
    assert asked["client_id"] == [registration(mail)["appId"]]
    assert asked["redirect_uri"] == [PAGE]
    assert set(asked["scope"][0].split()) == {
        *(f"https://graph.microsoft.com/{each}" for each in MAIL), "offline_access"
    }  # fmt: skip
    assert mail.after() == 0
    assert mail.became["consent for people"] == "attention"


def test_a_slip_in_who_is_to_consent_consents_for_nobody(mail: Deployment) -> None:
    mail.azd(EARSHOT_MAIL_CONSENT="persons")
    assert mail.before() == 0
    mail.provision()

    assert mail.after() == 1

    assert consents(mail) == []
    assert "takes administrator or person" in mail.last


def test_a_consent_that_is_there_is_widened_and_never_narrowed(live: Deployment) -> None:
    live.up()
    alone = {
        **live.state["oauth2PermissionGrants"][0],
        "id": IDENTITY,
        "consentType": "Principal",
        "scope": "Mail.Read",
    }
    [grant] = live.state["oauth2PermissionGrants"]
    live.change(oauth2PermissionGrants=[alone, grant | {"scope": "User.Read openid"}])
    live.azd(EARSHOT_MAIL="true", TOKEN_CACHE_KEY_SECRET="token-cache-key")

    assert live.after() == 0
    assert consents(live) == [{"Mail.Read"}, SIGN_IN | MAIL | {"User.Read"}]
    assert live.became["consent for people"] == "changed"

    live.azd(EARSHOT_MAIL="false")
    assert live.after() == 0
    assert consents(live) == [{"Mail.Read"}, SIGN_IN | MAIL | {"User.Read"}]
    assert "granted and not needed, left as it is: User.Read, Mail.Read, Mail.ReadWrite, Mail.Send" in live.last


def test_somebody_who_consents_at_the_same_time_is_no_failure(
    live: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert live.before() == 0
    live.provision()
    answer = live.stand_in.run

    def meanwhile(words: list[str]) -> Any:
        if words[2:4] == ["--method", "post"] and words[5].endswith("/oauth2PermissionGrants"):
            body = json.loads(Path(words[words.index("--body") + 1].removeprefix("@")).read_text("utf-8"))
            theirs = {"id": IDENTITY, **body, "scope": "openid User.Read"}
            live.change(oauth2PermissionGrants=[theirs])
        return answer(words)

    monkeypatch.setattr(live, "_az", meanwhile)

    assert live.after() == 0

    assert consents(live) == [SIGN_IN | {"User.Read"}]


def test_a_scope_that_was_just_made_is_waited_for(live: Deployment) -> None:
    assert live.before() == 0
    live.provision()
    late = [Refusal("Bad Request(… has a Permission Id that cannot be found in the AppPermissions sets.)")] * 2

    def refuse() -> None:
        if late and registration(live)["spa"]["redirectUris"]:  # what comes next is who may call
            raise late.pop()

    live.stand_in.before_change = refuse

    assert live.after() == 0

    assert live.waits == 2
    assert registration(live)["api"]["preAuthorizedApplications"]


def test_nothing_is_asked_of_entra_where_an_administrator_sees_to_it(mail: Deployment) -> None:
    mail.up()
    mail.azd(EARSHOT_ENTRA="by-hand")

    assert mail.after() == 0

    assert mail.became["Entra"] == "skipped"
    assert not set(STEPS) & set(mail.became)


def test_whoever_deployed_is_told_where_the_page_is(live: Deployment) -> None:
    live.up()

    assert live.deployed() == 0

    assert PAGE in live.last


READ, WRITE, SEND = {"Mail.ReadBasic", "Mail.Read", "Mail.ReadWrite"}, {"Mail.ReadWrite"}, {"Mail.Send"}
OPENED_BY = {
    r"GET /me/mailFolders(/\w+)?\?.+": READ,
    r"GET /me/mailFolders/\w+/messages(/delta)?\?.+": READ,
    r"GET /me/messages/\w+\?.*body.*": {"Mail.Read", "Mail.ReadWrite"},
    r"GET /me/messages/\w+\?\$select=id,isDraft": READ,
    r"(PATCH|DELETE) /me/messages/\w+": WRITE,
    r"POST /me/messages/\w+/(move|createReply|createReplyAll)": WRITE,
    r"POST /me/messages/\w+/send": SEND,
    r"POST /subscriptions": {"Mail.ReadBasic", "Mail.Read"},
}
"""What Graph's page of each operation names for people with an account of an organisation: any of these is enough. Read apart from ours.
https://learn.microsoft.com/graph/api/resources/message (2026-09), for subscriptions
https://learn.microsoft.com/graph/api/subscription-post-subscriptions (2026-09)"""

NEEDED = {"message": "AAA", "draft": "AAA", "role": "inbox", "query": {}, "now": NOW, "reply": Reply(comment="Hello")}
BODIES = {"ask_move": b'{"folder": "archive"}', "ask_mark": b"{}"}


def everything_that_is_asked_for_people() -> list[str]:
    asked = ["POST /subscriptions"]
    for name, ask in inspect.getmembers(mail_requests, inspect.isfunction):
        if name.startswith("ask_"):
            given = {**NEEDED, "body": BODIES.get(name)}
            request = ask(**{each: given[each] for each in inspect.signature(ask).parameters})
            asked.append(f"{request.method} {request.path}")
    return asked


def test_the_permissions_for_mail_are_enough_for_all_that_the_app_does_and_none_is_spare() -> None:
    ours = {each.permission for each in FOR_MAIL}
    enough = []
    for asked in everything_that_is_asked_for_people():
        [named] = [permissions for pattern, permissions in OPENED_BY.items() if re.fullmatch(pattern, asked)]
        enough.append(named & ours)

    assert len(enough) > 10
    assert all(enough)
    assert all({each} in enough for each in ours)


BAD: list[dict[str, Any]] = [
    {"identifierUris": ["api://somebody-else"]},
    {"spa": {"redirectUris": ["http://contoso.com/api/app"]}},
    {"spa": {"redirectUris": [PAGE, PAGE]}},
    {"api": {"preAuthorizedApplications": [{"appId": IDENTITY, "delegatedPermissionIds": [SCOPE_ID]}]}},
    {"api": {"oauth2PermissionScopes": [THEIR_SCOPE | {"value": ""}]}},
    {"api": {"oauth2PermissionScopes": [THEIR_SCOPE, THEIR_SCOPE | {"id": IDENTITY}]}},
    {"passwordCredentials": []},
]


@pytest.mark.parametrize("body", BAD, ids=range(len(BAD)))
def test_the_stand_in_refuses_what_entra_refuses(body: dict[str, Any]) -> None:
    application = {**new_application(), "appId": IDENTITY}

    with pytest.raises(Refusal):
        change_application(application, body)


def test_the_stand_in_changes_no_scope_that_is_enabled_and_loses_what_is_not_sent_again() -> None:
    application = {**new_application(), "appId": IDENTITY}
    change_application(
        application, {"api": {"requestedAccessTokenVersion": 2, "oauth2PermissionScopes": [THEIR_SCOPE]}}
    )

    with pytest.raises(Refusal, match="unless disabled first"):
        change_application(application, {"api": {"oauth2PermissionScopes": [THEIR_SCOPE | {"type": "User"}]}})
    change_application(application, {"api": {"oauth2PermissionScopes": [THEIR_SCOPE]}})

    assert application["api"]["requestedAccessTokenVersion"] is None
