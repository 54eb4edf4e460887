"""What it means when there is no token: whose fault it is and what to do, in words without anything secret.

https://learn.microsoft.com/entra/identity-platform/reference-error-codes (2026-02)
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from shared.errors import SignInError, UserSignedOut

_REFUSED: Final = 401
_UNAVAILABLE: Final = 503
_CODE = re.compile(r"AADSTS(\d{4,8})")
_WORD = re.compile(r"[a-z_]{1,40}")
_TRACE = re.compile(r"[0-9a-fA-F-]{36}")
_HTTP_ERROR = re.compile(r"HTTP Error: (5\d\d)$")
_PASSING = re.compile(r"Token request error: \([a-z_]*\) (?:429|5\d\d)\b")
_LATER: Final = frozenset({"temporarily_unavailable", "server_error"})

_NO_TRUST: Final = (
    "the app registration does not trust this managed identity: give it a federated credential whose subject is the identity's "
    "object id and whose issuer is the tenant's"
)
_NOT_TAKEN_IN: Final = (
    "the tenant does not know the app: GRAPH_CLIENT_ID is another's, or no administrator of that tenant has taken it in"
)
_NO_TENANT: Final = "there is no such tenant in this cloud: look at GRAPH_TENANT_ID, the entry's tenant and GRAPH_CLOUD"
_NO_CERTIFICATE: Final = "the certificate in GRAPH_CLIENT_CERTIFICATE_PATH is none of the app registration's, or has expired: upload its public part there"

HINTS: Final[Mapping[int, str]] = {
    7000215: "the client secret is wrong: GRAPH_CLIENT_SECRET needs the secret's value, not its id",
    7000222: "the client secret has expired: make another in the app registration and give it to GRAPH_CLIENT_SECRET",
    7000216: "the app registration has neither that secret nor that certificate: look at GRAPH_CREDENTIAL",
    700027: _NO_CERTIFICATE,
    700016: _NOT_TAKEN_IN,
    7000229: _NOT_TAKEN_IN,
    650052: _NOT_TAKEN_IN,
    7000112: "the app is disabled in that tenant: its administrator can enable it",
    90002: _NO_TENANT,
    900023: _NO_TENANT,
    500011: "Graph is unknown there under this name: GRAPH_CLOUD is another than the tenant's",
    70021: _NO_TRUST,
    700211: _NO_TRUST,
    700212: _NO_TRUST,
    700213: _NO_TRUST,
    53003: "a Conditional Access policy of the tenant forbids it: its administrator has to let this workload in",
}
"""By the number of the authority's refusal; what has none here is for the page above."""

_GONE: Final = "signed out everywhere, password changed, or account disabled: connect again"
PEOPLE: Final[Mapping[int, str]] = {
    65001: "nobody has allowed this app to read and send mail yet: an administrator of the tenant can, for everybody",
    65004: "they have declined to allow it",
    50076: "the tenant wants a second factor: sign in again and connect",
    50079: "the tenant wants a second factor: sign in again and connect",
    50158: "the tenant wants more than a password: sign in again and connect",
    53003: "a Conditional Access policy of the tenant forbids it",
    50034: "there is no such account any more",
    50057: "the account is disabled",
    50173: _GONE,
    70043: _GONE,
    70008: "nobody was here for too long: connect again",
    700082: "nobody was here for too long: connect again",
    700081: "nobody was here for too long: connect again",
    500131: "the token that was shown is not for the app that GRAPH_CLIENT_ID names: the page and the API are one registration",
    500133: "the token that was shown has expired: sign in again and connect",
}
"""Why we may not act for somebody: by number, in words that they are shown themselves."""

_THEIRS: Final = frozenset({"invalid_grant", "interaction_required", "consent_required", "login_required"})
"""Refusals that only the person, or who administers their tenant, can lift.
https://www.rfc-editor.org/rfc/rfc6749#section-5.2, https://openid.net/specs/openid-connect-core-1_0.html#AuthError"""


def read_no(what: str, answer: Mapping[str, Any]) -> SignInError:
    """Read the authority's refusal. Its text is not repeated: only its number, and what we know about that."""
    found = _CODE.search(str(answer.get("error_description") or ""))
    listed = answer.get("error_codes")
    number = listed[0] if isinstance(listed, list) and listed and type(listed[0]) is int else None
    if number is None and found:
        number = int(found[1])
    error = str(answer.get("error") or "")
    error = error if _WORD.fullmatch(error) else "no error code"
    trace = str(answer.get("trace_id") or "")
    if error in _LATER:
        message = "the authority cannot answer now; it is asked again"
    else:
        hint = HINTS.get(number or 0, "the authority's page of error codes says more")
        message = f"AADSTS{number}: {hint}" if number else hint
    return SignInError(
        what,
        status=_UNAVAILABLE if error in _LATER else _REFUSED,
        code=error,
        message=message,
        request_id=trace if _TRACE.fullmatch(trace) else "",
    )


def read_no_to_person(answer: Mapping[str, Any]) -> SignInError:
    """Read the authority's refusal of a token with which we would act for somebody."""
    refused = read_no("token of a person", answer)
    if refused.code not in _THEIRS:
        return refused
    number = re.match(r"AADSTS(\d+)", refused.message)
    why = PEOPLE.get(int(number[1]) if number else 0, "the authority wants them to sign in again")
    return UserSignedOut(why, code=refused.code, request_id=refused.request_id)


def unanswered(what: str, authority: str, problem: Exception) -> SignInError:
    """Say that the authority cannot be asked. ValueError is what msal makes of an answer that is none of an authority's."""
    found = _HTTP_ERROR.search(str(problem))
    hint = f"{authority} is away, or something stands between: nothing is wrong here, it is asked again"
    if isinstance(problem, ValueError):
        hint = f"{authority} answers as no authority does: look at GRAPH_TENANT_ID, GRAPH_CLOUD and GRAPH_AUTHORITY"
    return SignInError(what, status=int(found[1]) if found else 0, code=type(problem).__name__, message=hint)


def read_no_identity(problem: Exception) -> SignInError:
    """Read what azure-identity says where the managed identity gives no token. It has one exception for nearly everything."""
    from azure.core.exceptions import HttpResponseError  # noqa: PLC0415 - with the SDK that raised it

    away = not isinstance(problem, HttpResponseError) or _PASSING.search(str(problem)) is not None
    hint = (
        "its endpoint on this machine does not answer as it should: nothing is wrong here, it is asked again"
        if away
        else "this app has no managed identity, or not the one that AZURE_CLIENT_ID names: assign it, or choose another GRAPH_CREDENTIAL"
    )
    status = 0 if away else _REFUSED
    return SignInError("token of the managed identity", status=status, code=type(problem).__name__, message=hint)


def read_pem(what: str, path: str, *, now: float) -> str:
    """Read the app's own certificate and key. Raises SignInError for one that no authority would take."""
    from cryptography import x509  # noqa: PLC0415 - with the SDK that wants it, on first use
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    def refuse(problem: str) -> SignInError:
        return SignInError(
            what, status=_REFUSED, code="our certificate", message=f"GRAPH_CLIENT_CERTIFICATE_PATH {path}: {problem}"
        )

    try:
        pem = Path(path).read_bytes()
    except OSError as problem:
        raise refuse(f"it cannot be read ({type(problem).__name__})") from problem
    try:
        certificate = x509.load_pem_x509_certificates(pem)[0]
    except ValueError as problem:
        raise refuse("there is no certificate in it") from problem
    try:
        load_pem_private_key(pem, None)
    except (ValueError, TypeError) as problem:
        raise refuse("there is no private key in it that can be read without a password") from problem
    if certificate.not_valid_after_utc <= datetime.fromtimestamp(now, UTC):
        ended = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
        raise refuse(
            f"the certificate expired on {ended}: make another, upload its public part to the app registration, put it there"
        )
    return pem.decode("ascii", "replace")
