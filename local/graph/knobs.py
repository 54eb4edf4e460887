"""What can be turned while the simulator runs: every departure from Graph's usual behaviour, one knob each.

Shares are between 0 and 1 and are rolled with dice of their own, so that a seed repeats them. Simulated seconds pass on the
simulator's clock. Not here: what a knob does, see whoever reads it.
"""

import types
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

LARGEST = 1_000_000_000
"""No knob means anything beyond; times would end after the calendar does."""


def _knob(default: Any, says: str, *, share: bool = False) -> Any:
    return field(default=default, metadata={"says": says, "share": share})


@dataclass(slots=True, kw_only=True)
class Knobs:
    """Every knob with its default: Graph as it behaves on a good day."""

    # subscriptions
    handshake: Literal["once", "twice", "skip"] = _knob("once", "how often each URL is asked to echo a token")
    handshake_delay: float = _knob(0.0, "simulated seconds before a handshake is sent")
    handshake_token: Literal["graph", "unicode", "html", "long"] = _knob("graph", "what the token looks like")
    handshake_failures: float = _knob(0.0, "handshakes that fail although nobody was asked", share=True)
    handshake_on_renewal: bool = _knob(default=False, says="PATCH and reauthorize shake hands too (seen in the field)")
    duplicate_subscriptions: Literal["refuse", "accept"] = _knob("refuse", "409 for a combination that exists, or 201")
    unsupported_resources: Literal["refuse", "accept"] = _knob("refuse", "400 for what has no notifications, or 201")
    refusal_code: Literal["usual", "InvalidRequest", "ValidationError", "ExtensionError"] = _knob(
        "usual", "the code of refused subscriptions; the last one is a workload's, with its words"
    )
    quota_held_seconds: float = _knob(0.0, "simulated seconds for which a freed quota stays used")
    orphan_seconds: float = _knob(0.0, "simulated seconds for which a deleted subscription goes on delivering")
    deletes_canceled: float = _knob(0.0, "deletions answered 503, done or not", share=True)
    empty_pages: bool = _knob(default=False, says="lists answer an empty page with a nextLink first")
    subscription_page: int = _knob(100, "subscriptions on a page of the list")
    throttling: bool = _knob(default=True, says="Graph's request limits apply: 429 with Retry-After")
    refuse_share: float = _knob(0.0, "requests answered 503 with Retry-After", share=True)
    # delivery
    batch_max: int = _knob(100, "notifications in one body")
    batch_seconds: float = _knob(0.0, "simulated seconds for which notifications for one URL are gathered")
    duplicates: float = _knob(0.0, "notifications told again in a later body", share=True)
    echoes: float = _knob(0.0, "what is new in Outlook comes as updated too, an event's edit thrice", share=True)
    disorder: float = _knob(0.0, "bodies whose notifications are shuffled", share=True)
    delayed: float = _knob(0.0, "notifications that come late", share=True)
    delay_seconds: float = _knob(60.0, "simulated seconds by which late ones are late, at most")
    latency: bool = _knob(default=False, says="notifications are as late as Graph's table says of their resource")
    bulk_limit: int = _knob(1_000_000, "moves of a mailbox's mails in a minute; what exceeds them is only `missed`")
    lost: float = _knob(0.0, "notifications that Graph loses; Outlook's are followed by `missed`", share=True)
    casing: float = _knob(0.05, "notifications in rarer spellings: Created, EncryptedContent", share=True)
    offsets: float = _knob(0.1, "notifications whose times have an offset other than Z", share=True)
    unknown: float = _knob(0.0, "notifications with unknown members: extra fields, an unknown changeType", share=True)
    identified: float = _knob(0.0, "notifications that have an id of their own", share=True)
    states: bool = _knob(default=True, says="slow and drop states for receivers that answer late")
    states_per: Literal["host", "url"] = _knob("host", "whose states they are: an older page says the host's")
    # resource data
    issuers: Literal["v1", "v2", "mixed"] = _knob("mixed", "the version of validation tokens")
    validation_tokens: Literal["right", "missing", "wrong"] = _knob("right", "what travels with resource data")
    stale_certificates: float = _knob(0.0, "items encrypted to the certificate before the current one", share=True)
    strange_certificate_ids: float = _knob(0.0, "items that name a certificate nobody knows", share=True)
    # lifecycle
    lifecycle_form: Literal["real", "documented"] = _knob(
        "real", "organizationId as Graph sends, or tenantId as it says"
    )
    lifecycle_schedule: bool = _knob(
        default=True, says="reauthorizationRequired comes by itself as tokens and lives end"
    )
    access_token_minutes: float = _knob(60.0, "simulated minutes for which a subscription stays authorized")
    # reading
    delta_lag_seconds: float = _knob(0.0, "simulated seconds by which delta trails behind")
    delta_duplicates: float = _knob(0.0, "delta items that appear on two pages", share=True)
    delta_token_days: float = _knob(7.0, "simulated days for which a delta link is good")
    content_page: int = _knob(50, "items on a page when the caller does not say")

    def turn(self, wanted: Mapping[str, Any]) -> None:
        """Set some knobs. Raises ValueError, and sets none, if a name or a value makes no sense."""
        hints = get_type_hints(type(self))
        known = {each.name: each for each in fields(self)}
        strange = sorted(set(wanted) - set(known))
        if strange:
            raise ValueError(f"unknown: {', '.join(strange)}")
        for name, value in wanted.items():
            _check(name, value, hints[name], share=known[name].metadata["share"])
        for name, value in wanted.items():
            setattr(self, name, value)

    def printed(self) -> dict[str, Any]:
        """Return every knob as it stands."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @classmethod
    def described(cls) -> list[dict[str, Any]]:
        """Return name, default, choices and meaning of every knob, for people and pages."""
        hints = get_type_hints(cls)
        return [
            {
                "name": each.name,
                "default": each.default,
                "choices": list(get_args(hints[each.name])) or hints[each.name].__name__,
                "says": each.metadata["says"],
            }
            for each in fields(cls)
        ]


def _check(name: str, value: Any, kind: Any, *, share: bool) -> None:
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise ValueError(f"{name} must be one of {', '.join(get_args(kind))}")
    elif kind is bool:
        if not isinstance(value, bool):
            raise ValueError(f"{name} must be true or false")
    else:
        _check_number(name, value, kind, share=share)


def _check_number(name: str, value: Any, kind: type[int] | type[float] | types.UnionType, *, share: bool) -> None:
    whole = kind is int
    fits = isinstance(value, int) if whole else isinstance(value, int | float)
    least, most = int(whole), 1 if share else LARGEST
    # false for what is not a number, too
    if isinstance(value, bool) or not fits or not least <= value <= most:
        kind_of = "a whole number " if whole else "" if share else "a number "
        raise ValueError(f"{name} must be {kind_of}between {least} and {most}")
