"""The authorization matrix, over HTTP: which token is somebody's, and who may see which feed.

Operations are those of the app's own OpenAPI document, so that a route which is added is in the matrix.
"""

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization

from local.demo.stage import CLIENT_ID
from local.graph.identity.tokens import SigningKey
from scripts.smoke import FUNCTIONS_OF
from tests.scenarios.town import ABROAD, HOME, Town, found_town

pytestmark = [pytest.mark.scenario, pytest.mark.azurite, pytest.mark.asyncio(loop_scope="module")]

HOUR = 3600
Mint = Callable[[Town], Awaitable[str]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    functions = sorted(FUNCTIONS_OF["live"] | FUNCTIONS_OF["mail"])
    settings = {"TOKEN_CACHE_KEY": base64.b64encode(b"t" * 32).decode()}
    async with found_town(tmp_path_factory.mktemp("town"), functions=functions, settings=settings) as built:
        await built.remove(built.people[2], "channel")
        yield built


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def spoilt(**changes: Any) -> Mint:
    """A token of the authority's, with something about it that must not be so."""

    async def mint(town: Town) -> str:
        claims = {name: value(town) if callable(value) else value for name, value in changes.items()}
        return town.token(town.people[0], **claims)

    return mint


def forged(sign: Callable[[Town, dict[str, Any]], str]) -> Mint:
    """A token that says what a genuine one says, and was not signed by the authority."""

    async def mint(town: Town) -> str:
        return sign(town, town.claims(town.people[0]))

    return mint


def by_a_stranger(town: Town, claims: dict[str, Any]) -> str:
    return town.graph.authority.sign(claims, key=SigningKey.make())


def with_an_unknown_key(_: Town, claims: dict[str, Any]) -> str:
    stranger = SigningKey.make()
    return jwt.encode(claims, stranger.private, "RS256", headers={"kid": stranger.kid})


def without_a_signature(town: Town, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, "", "none", headers={"kid": town.graph.authority.keys[0].kid})


def with_the_public_key_as_secret(town: Town, claims: dict[str, Any]) -> str:
    key = town.graph.authority.keys[0]
    form, encoding = serialization.PublicFormat.SubjectPublicKeyInfo, serialization.Encoding.PEM
    pem = key.private.public_key().public_bytes(encoding, form)
    signed = f"{part({'alg': 'HS256', 'kid': key.kid, 'typ': 'JWT'})}.{part(claims)}"
    mac = hmac.digest(pem, signed.encode(), hashlib.sha256)
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def with_another_payload(town: Town, claims: dict[str, Any]) -> str:
    head, _, signature = town.graph.authority.sign(claims).split(".")
    return f"{head}.{part(claims | {'oid': town.people[1].id})}.{signature}"


async def of_an_app(town: Town) -> str:
    return await town.app_token()


async def of_graphs_change_tracking(town: Town) -> str:
    return town.graph.authority.validation_token("v2", app_id=CLIENT_ID, tenant_id=HOME)


async def for_signing_in(town: Town) -> str:
    person = town.people[0]
    claims = {"oid": person.id, "sub": person.id, "name": person.name}
    return town.graph.authority.id_token(app_id=CLIENT_ID, tenant_id=HOME, claims=claims)


async def signed_in(town: Town) -> str:
    return await town.sign_in(town.people[0])


async def signed_in_for_something_else(town: Town) -> str:
    return await town.sign_in(town.people[0], scope="something_else")


async def signed_in_abroad(town: Town) -> str:
    return await town.sign_in(town.graph.worlds[ABROAD].people[0], tenant_id=ABROAD)


LET_IN: dict[str, Mint] = {
    "signed in": signed_in,
    "version 1": spoilt(version="v1"),
    "version 2": spoilt(version="v2"),
    "version 2 for the API's URI": spoilt(aud=f"api://{CLIENT_ID}"),
    "several scopes": spoilt(scp="Mail.Read access_as_user openid"),
    "expired half a minute ago: clocks differ": spoilt(exp=lambda _: time.time() - 30),
}

TURNED_AWAY: dict[str, Mint] = {
    "expired": spoilt(exp=lambda _: time.time() - HOUR),
    "not yet valid": spoilt(nbf=lambda _: time.time() + HOUR),
    "of a foreign tenant": signed_in_abroad,
    "of a foreign tenant that says it is ours": spoilt(
        iss=lambda town: town.graph.authority.issuer("v2", ABROAD), tid=HOME
    ),
    "version 1 with the issuer of version 2": spoilt(
        version="v1", iss=lambda town: town.graph.authority.issuer("v2", HOME)
    ),
    "for Graph": spoilt(aud="https://graph.microsoft.com"),
    "for another app": spoilt(aud="api://somebody-elses"),
    "for nobody": spoilt(aud=None),
    "of an app alone": of_an_app,
    "of an app alone that has the scope": spoilt(idtyp="app"),
    "without a scope": spoilt(scp=None),
    "for another scope": signed_in_for_something_else,
    "of nobody": spoilt(oid=None),
    "for signing in, not for calling": for_signing_in,
    "of Graph's change tracking": of_graphs_change_tracking,
    "signed by a stranger": forged(by_a_stranger),
    "signed with a key that nobody publishes": forged(with_an_unknown_key),
    "not signed: alg none": forged(without_a_signature),
    "HS256 with the public key": forged(with_the_public_key_as_secret),
    "signed, and then changed": forged(with_another_payload),
}


async def operations(town: Town) -> list[tuple[str, str]]:
    """Read every operation that needs a token, with something in the place of its ids."""
    paths = (await town.ask("GET", "/openapi.json")).json["paths"]
    return [
        (method.upper(), re.sub(r"{\w+}", town.feeds["channel"], path))
        for path, operations in paths.items()
        for method, operation in operations.items()
        if operation.get("security") != []
    ]


@pytest.mark.parametrize("mint", LET_IN.values(), ids=LET_IN.keys())
async def test_a_token_that_is_in_order_is_somebodys(town: Town, mint: Mint) -> None:
    token = await mint(town)

    assert (await town.ask("GET", "/feeds", token)).status == 200
    assert (await town.ask("GET", f"/feeds/{town.feeds['mailbox']}", token)).status == 200
    assert (await town.ask("POST", "/negotiate", token, body={})).status == 200


@pytest.mark.parametrize("mint", TURNED_AWAY.values(), ids=TURNED_AWAY.keys())
async def test_any_other_is_turned_away_from_everything_and_told_no_reason(town: Town, mint: Mint) -> None:
    token = await mint(town)
    without = await town.ask("GET", "/feeds")
    found = await operations(town)
    replies = [await town.ask(method, path, token, body={}) for method, path in found]

    assert len(found) > 10
    assert {(reply.status, reply.body, reply.headers["WWW-Authenticate"]) for reply in replies} == {
        (401, without.body, "Bearer")
    }
    assert without.status == 401


@pytest.mark.parametrize("header", ["", "Bearer", "Basic YTpi", "Bearer a b", "bearer {0}, Bearer {0}", "{0}"])
async def test_a_header_that_is_not_one_bearer_token_is_turned_away(town: Town, header: str) -> None:
    written = header.format(town.token(town.people[0]))

    assert (await town.ask("GET", "/feeds", Authorization=written)).status == 401


async def test_headers_of_app_service_are_no_proof(town: Town) -> None:
    """Anybody can send them where App Service's own sign-in does not stand in front."""
    principal = {"X-MS-CLIENT-PRINCIPAL-ID": town.people[0].id, "X-MS-TOKEN-AAD-ACCESS-TOKEN": "x"}

    assert (await town.ask("GET", "/feeds", **principal)).status == 401


FEEDS_OF: dict[str, frozenset[str]] = {
    "who is in the team, in the chat, and owns the mailbox": frozenset({"channel", "chat", "mailbox", "folder"}),
    "who owns another mailbox, and is in the team": frozenset({"channel", "other mailbox"}),
    "who has left the team, and is still in the chat": frozenset({"chat"}),
    "who is in the team alone": frozenset({"channel"}),
}
"""The people by number, and what each may see. Of what nobody has a rule for, or is gone, nobody sees anything."""


@pytest.mark.parametrize(("number", "mine"), list(enumerate(FEEDS_OF.values())), ids=FEEDS_OF.keys())
async def test_people_see_what_is_theirs_and_nothing_else(town: Town, number: int, mine: frozenset[str]) -> None:
    token = await town.sign_in(town.people[number])
    listed = await town.ask("GET", "/feeds", token)
    pages = {name: await town.ask("GET", f"/feeds/{feed}", token) for name, feed in town.feeds.items()}
    nobodys = await town.ask("GET", f"/feeds/f{'a' * 24}", token)
    negotiated = await town.ask("POST", "/negotiate", token, body={"feeds": list(town.feeds.values())})

    assert {each["id"] for each in listed.json["feeds"]} == {town.feeds[name] for name in mine}
    assert {name for name, page in pages.items() if page.status == 200} == mine
    assert {page.status for name, page in pages.items() if name not in mine} == {404}
    assert {page.body for name, page in pages.items() if name not in mine} == {nobodys.body}
    assert set(negotiated.json["feeds"]) == {town.feeds[name] for name in mine}
    assert set(negotiated.json["refused"]) == {feed for name, feed in town.feeds.items() if name not in mine}


async def test_feeds_are_called_what_people_call_them(town: Town) -> None:
    """The list waits for Graph but a moment: on a slow machine the names are there when it is asked for again."""
    token, team = await town.sign_in(town.people[0]), town.place("channel").ids["team"]
    wanted = {
        "channel": ("General", town.graph.world.entities[f"teams/{team}"].content["displayName"]),
        "chat": (town.people[2].name, None),
        "mailbox": (town.people[0].name, None),
        "folder": ("Inbox", None),
    }
    named: dict[str, tuple[str, str]] = {}
    for _ in range(20):
        listed = await town.ask("GET", "/feeds", token)
        named = {each["id"]: (each["title"], each["team"]) for each in listed.json["feeds"]}
        if all(title for title, _ in named.values()):
            break

    assert named == {town.feeds[name]: called for name, called in wanted.items()}


async def test_who_asks_for_somebody_else_in_any_other_way_gets_their_own(town: Town) -> None:
    """Who calls is in the token, and nowhere else."""
    token, other = await town.sign_in(town.people[3]), town.people[0].id
    body = {"feeds": [town.feeds["mailbox"]], "userId": other, "user_id": other}
    negotiated = await town.ask(
        "POST", f"/negotiate?userId={other}", token, body=body, **{"x-ms-signalr-userid": other}
    )
    listed = await town.ask("GET", f"/feeds?user={other}", token, **{"X-MS-CLIENT-PRINCIPAL-ID": other})

    assert negotiated.json["feeds"] == []
    assert town.feeds["mailbox"] not in listed.body.decode()


async def test_a_page_is_read_with_conditions_and_compression_as_http_has_them(town: Town) -> None:
    token, path = await town.sign_in(town.people[0]), f"/feeds/{town.feeds['channel']}"
    plain = await town.ask("GET", path, token, **{"Accept-Encoding": "identity"})
    packed = await town.ask("GET", path, token, **{"Accept-Encoding": "gzip"})
    again = await town.ask("GET", path, token, **{"If-None-Match": plain.headers["ETag"]})

    assert (packed.json, packed.headers["Content-Encoding"]) == (plain.json, "gzip")
    assert int(packed.headers["Content-Length"]) < len(plain.body) / 2
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert (again.status, again.body) == (304, b"")
    assert [each["position"] for each in plain.json["changes"]] == [3, 2, 1]


MAIL_OPERATIONS = ("/mail/folders", "/mail/messages", "/mail/messages/m", "/mail/delta")


@pytest.mark.parametrize("path", MAIL_OPERATIONS)
async def test_no_way_of_asking_leads_to_somebody_elses_mailbox(town: Town, path: str) -> None:
    """Nobody has connected theirs, so whoever asks is told that of themselves, whomever they name."""
    token, other = await town.sign_in(town.people[3]), town.people[0]
    plain = await town.ask("GET", path, token)
    named = [
        await town.ask("GET", f"{path}?user={other.id}&userId={other.id}", token),
        await town.ask("GET", path, token, **{"X-MS-CLIENT-PRINCIPAL-ID": other.id, "X-AnchorMailbox": other.address}),
    ]

    assert plain.status >= 400
    assert {(reply.status, reply.body) for reply in named} == {(plain.status, plain.body)}


@pytest.mark.parametrize("token", [None, "garbage"])
async def test_what_is_for_everybody_needs_no_token_and_minds_none(town: Town, token: str | None) -> None:
    described = await town.ask("GET", "/openapi.json", token)

    assert (described.status, described.json["openapi"]) == (200, "3.1.0")
    assert set(described.json["paths"]) >= {"/feeds", "/feeds/{feed}", "/negotiate", "/openapi.json", "/mail/folders"}
    assert (await town.ask("GET", "/app", token)).status in {200, 301, 302, 307, 308}


async def test_no_token_and_nobodys_name_is_in_the_log(town: Town) -> None:
    token = await town.sign_in(town.people[0])
    await town.ask("GET", "/feeds", token)
    await town.ask("GET", "/feeds", token[:-4] + "AAAA")
    said = town.host.log.read_text(errors="replace")

    assert token not in said
    assert token.split(".")[2] not in said
    assert all(person.name not in said for person in town.people)
