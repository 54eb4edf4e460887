"""clientState: it names its subscription, fits, and cannot be made without the key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.graph.client_state import (
    LONGEST_CLIENT_STATE,
    NAME,
    ClientState,
    Delivery,
    mint_client_state,
    read_client_state,
)
from tests import strategies
from tests.builders import CLIENT_STATE_KEY, GENERATION, OTHER_TENANT, TENANT, client_state
from tests.builders import NAME as SUBSCRIPTION

KEYS = (CLIENT_STATE_KEY,)


@given(
    st.binary(min_size=32, max_size=64),
    st.from_regex(NAME, fullmatch=True),
    st.integers(0, 999_999_999),
    st.uuids().map(str),
    st.sampled_from(["webhook", "eventhub"]),
)
def test_what_is_minted_is_short_enough_and_read_again(
    key: bytes, name: str, generation: int, tenant_id: str, delivery: Delivery
) -> None:
    state = mint_client_state(key, tenant_id=tenant_id, delivery=delivery, name=name, generation=generation)

    assert len(state) <= LONGEST_CLIENT_STATE
    assert read_client_state(state, [key], tenant_id=tenant_id.upper(), delivery=delivery) == ClientState(
        name=name, generation=generation
    )


@given(strategies.SURROGATES_INCLUDED | strategies.JSON_VALUES, strategies.SURROGATES_INCLUDED)
def test_anything_else_is_not_ours(text: object, tenant_id: str) -> None:
    assert read_client_state(text, KEYS, tenant_id=tenant_id, delivery="webhook") is None


@pytest.mark.parametrize(
    ("tenant_id", "delivery", "keys"),
    [
        (OTHER_TENANT, "webhook", KEYS),
        (TENANT, "eventhub", KEYS),
        (TENANT, "webhook", ()),
        (TENANT, "webhook", (b"another key of thirty-two bytes!",)),
    ],
)
def test_it_opens_nothing_for_another_tenant_delivery_or_key(
    tenant_id: str, delivery: Delivery, keys: tuple[bytes, ...]
) -> None:
    assert read_client_state(client_state(), keys, tenant_id=tenant_id, delivery=delivery) is None


@pytest.mark.parametrize("position", [0, 1])
def test_any_of_the_keys_opens_it(position: int) -> None:
    keys = [b"another key of thirty-two bytes!"] * 2
    keys[position] = CLIENT_STATE_KEY

    assert read_client_state(client_state(), keys, tenant_id=TENANT, delivery="webhook") == ClientState(
        name=SUBSCRIPTION, generation=GENERATION
    )


@pytest.mark.parametrize(
    ("name", "generation"), [("", 1), ("Upper", 1), ("a.b", 1), ("a" * 41, 1), ("a", -1), ("a", 10**9), ("a\n", 1)]
)
def test_what_could_not_be_read_is_not_minted(name: str, generation: int) -> None:
    with pytest.raises(ValueError, match="not a subscription's name and generation"):
        client_state(name=name, generation=generation)
