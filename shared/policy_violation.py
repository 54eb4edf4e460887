"""What Teams is told about a message that violates a policy: whether anything has to be said, and the words. Pure.

https://learn.microsoft.com/graph/api/resources/chatmessagepolicyviolation, .../chatmessage-update (read 2026-11). A service may change
nothing of a message but this. It wants ChannelMessage.UpdatePolicyViolation.All for channels, Chat.UpdatePolicyViolation.All for
chats, and a licence with the service plan Microsoft Communications DLP; the ``model`` argument of older pages is ignored since
2025-08-25. It works in the global cloud only, and only for who sent the message in our own tenant.

What is said makes Graph send another *updated*. It ends there, for three reasons each of which would do: the verdict that we gave is
kept with the findings, the message itself has it, and what is unchanged is not said again.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

from shared.dlp_options import ACTIONS, ViolationPolicy
from shared.findings import MessageState, gravest

_NONE: Final = "none"
_OF_THE_SENDER: Final = frozenset({"override", "reportfalsepositive"})
_VERDICT: Final = "allowFalsePositiveOverride"
"""The sender may say that it was none, which the message then shows; nothing more without us."""


def wanted_action(state: MessageState, policy: ViolationPolicy) -> str:
    """Say what is to be done with a message as it is now."""
    worst = gravest([each.severity for each in state.findings if state.status(each) == "open"])
    return policy.actions[worst] if worst else _NONE


def what_to_do(state: MessageState, wanted: str, content: Mapping[str, Any]) -> Literal["say", "note", "nothing"]:
    """Tell whether Teams has to be told; or only that it is so already has to be noted, after a crash in between.

    What the sender decided stays, and what another service did is never made milder.
    """
    stated = content.get("policyViolation")
    violation: Mapping[str, Any] = stated if isinstance(stated, dict) else {}
    if wanted == (state.verdict or _NONE) or str(violation.get("userAction")).lower() in _OF_THE_SENDER:
        return "nothing"
    known = _action(violation)
    if known == wanted:
        return "note"
    is_milder = ACTIONS.index(wanted) < ACTIONS.index(known)
    return "nothing" if is_milder and not state.verdict else "say"


def write_violation(state: MessageState, wanted: str, policy: ViolationPolicy) -> dict[str, Any]:
    """Write the body of the PATCH. It names rules, and nothing of the message."""
    if wanted == _NONE:
        return {"policyViolation": {"dlpAction": _NONE, "verdictDetails": _NONE}}
    rules = sorted({each.rule for each in state.findings if state.status(each) == "open"})
    tip: dict[str, Any] = {"generalText": policy.text, "matchedConditionDescriptions": rules}
    if policy.url:
        tip["complianceUrl"] = policy.url
    return {"policyViolation": {"dlpAction": wanted, "verdictDetails": _VERDICT, "policyTip": tip}}


def _action(violation: Mapping[str, Any]) -> str:
    """Read what is being done with a message: the gravest of several, which Graph separates by commas."""
    words = {word.strip().lower() for word in str(violation.get("dlpAction") or _NONE).split(",")}
    return max((each for each in ACTIONS if each.lower() in words), key=ACTIONS.index, default=_NONE)
