"""Tokens at rest: what is sealed opens for its owner alone, with a key that we have, and with nothing changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.token_sealing import NONCE_BYTES, Unreadable, seal, unseal

KEY, BEFORE = b"k" * 32, b"b" * 32
OWNER = "tenant/user"
NONCE = b"n" * NONCE_BYTES
keys = st.binary(min_size=32, max_size=32)


@given(st.text(st.characters(exclude_categories=["Cs"])), keys, st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES))
def test_what_is_sealed_opens_for_its_owner(text: str, key: bytes, nonce: bytes) -> None:
    opened = unseal(seal(text, key=key, owner=OWNER, nonce=nonce), keys=[key, BEFORE], owner=OWNER)

    assert (opened.text, opened.aged) == (text, False)


def test_what_the_key_before_has_sealed_opens_and_wants_to_be_sealed_anew() -> None:
    opened = unseal(seal("token", key=BEFORE, owner=OWNER, nonce=NONCE), keys=[KEY, BEFORE], owner=OWNER)

    assert (opened.text, opened.aged) == ("token", True)


def test_nothing_of_the_text_is_in_what_is_sealed() -> None:
    assert b"canary" not in seal("canary" * 100, key=KEY, owner=OWNER, nonce=NONCE)


@pytest.mark.parametrize("keys", [[], [BEFORE], [BEFORE, b"x" * 32]])
def test_another_key_does_not_open_it(keys: list[bytes]) -> None:
    with pytest.raises(Unreadable, match="TOKEN_CACHE_KEY"):
        unseal(seal("token", key=KEY, owner=OWNER, nonce=NONCE), keys=keys, owner=OWNER)


@pytest.mark.parametrize("owner", ["tenant/other", "other/user", "tenant", ""])
def test_a_row_that_was_copied_to_somebody_else_does_not_open_there(owner: str) -> None:
    with pytest.raises(Unreadable):
        unseal(seal("token", key=KEY, owner=OWNER, nonce=NONCE), keys=[KEY], owner=owner)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_one_changed_byte_spoils_it(place: int, change: int) -> None:
    sealed = bytearray(seal("a token", key=KEY, owner=OWNER, nonce=NONCE))
    sealed[place % len(sealed)] ^= change

    with pytest.raises(Unreadable):
        unseal(bytes(sealed), keys=[KEY], owner=OWNER)


@given(st.binary(max_size=200))
def test_any_bytes_open_or_are_unreadable(sealed: bytes) -> None:
    with pytest.raises(Unreadable):
        unseal(sealed, keys=[KEY, BEFORE], owner=OWNER)


def test_neither_texts_nor_keys_show_in_what_is_printed() -> None:
    assert "canary" not in repr(unseal(seal("canary", key=KEY, owner=OWNER, nonce=NONCE), keys=[KEY], owner=OWNER))
