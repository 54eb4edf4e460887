"""Encrypted content opens only if every part is genuine, and says nothing about which part is not."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import DecryptionError, GraphProtocolError
from shared.graph.encrypted_content import (
    EncryptedContent,
    EncryptionKey,
    decrypt,
    read_encrypted_content,
    read_encryption_key,
)
from tests import builders, strategies
from tests.builders import certificate, encrypt, encryption_key, message_content, seal

PLAIN = message_content()
SEALED = encrypt(json.dumps(PLAIN).encode(), certificate())
KEY = encryption_key()


def opened(sealed: dict[str, Any], key: EncryptionKey = KEY) -> dict[str, Any]:
    content = read_encrypted_content({"encryptedContent": sealed})
    assert content is not None
    return decrypt(content, key)


def test_what_graph_encrypted_is_opened() -> None:
    assert opened(SEALED) == PLAIN


@given(st.dictionaries(st.text(), strategies.JSON_VALUES, max_size=3), st.integers(0, 40))
def test_content_of_any_length_is_opened(content: dict[str, Any], more: int) -> None:
    plain = content | {"padding": "é" * more}

    assert opened(encrypt(json.dumps(plain).encode(), certificate())) == plain


def test_a_known_answer_of_openssl_is_opened() -> None:
    pem = (builders.PAYLOADS / "test-vector.pem").read_bytes()
    sealed = json.loads((builders.PAYLOADS / "encrypted_content.json").read_bytes())
    plain = json.loads((builders.PAYLOADS / "encrypted_content.plaintext.json").read_bytes())

    assert opened(sealed, read_encryption_key(pem, certificate_id="test-vector")) == plain


@pytest.mark.parametrize("spelled", [str.lower, str.upper, str.title])
def test_names_are_read_in_any_case(spelled: Callable[[str], str]) -> None:
    sealed = {spelled(name): value for name, value in SEALED.items()}
    content = read_encrypted_content({spelled("encryptedContent"): sealed})

    assert content is not None
    assert decrypt(content, KEY) == PLAIN


def _flipped(text: str, at: int) -> str:
    raw = bytearray(base64.b64decode(text))
    raw[at] ^= 1
    return base64.b64encode(bytes(raw)).decode()


def _sealed_badly(padded: bytes) -> dict[str, Any]:
    return seal(padded, certificate())


SHA256_OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)

SPOILED: dict[str, dict[str, Any]] = {
    "ciphertext, first byte": SEALED | {"data": _flipped(SEALED["data"], 0)},
    "ciphertext, last byte": SEALED | {"data": _flipped(SEALED["data"], -1)},
    "ciphertext cut short": SEALED | {"data": base64.b64encode(base64.b64decode(SEALED["data"])[:-16]).decode()},
    "ciphertext of odd length": SEALED | {"data": base64.b64encode(base64.b64decode(SEALED["data"])[:-1]).decode()},
    "ciphertext not base64": SEALED | {"data": "%%%"},
    "ciphertext not ASCII": SEALED | {"data": "é" * 8},
    "ciphertext half a surrogate": SEALED | {"data": "\ud800"},
    "signature": SEALED | {"dataSignature": _flipped(SEALED["dataSignature"], 0)},
    "signature cut short": SEALED | {"dataSignature": base64.b64encode(b"x" * 31).decode()},
    "signature not base64": SEALED | {"dataSignature": "not base64"},
    "key": SEALED | {"dataKey": _flipped(SEALED["dataKey"], 100)},
    "key not base64": SEALED | {"dataKey": "?"},
    "key of another length": SEALED | {"dataKey": base64.b64encode(b"x" * 100).decode()},
    "key of another item": SEALED | {"dataKey": encrypt(b"{}", certificate())["dataKey"]},
    "key for another certificate": SEALED | {"dataKey": encrypt(b"{}", certificate("other"))["dataKey"]},
    "thumbprint of another certificate": SEALED
    | {"encryptionCertificateThumbprint": encrypt(b"{}", certificate("other"))["encryptionCertificateThumbprint"]},
    "thumbprint half a surrogate": SEALED | {"encryptionCertificateThumbprint": "\ud800"},
    "OAEP with SHA-256": encrypt(json.dumps(PLAIN).encode(), certificate(), oaep=SHA256_OAEP),
    "padding of zero, rightly signed": _sealed_badly(b"{}" + b"\x00" * 14),
    "padding too long, rightly signed": _sealed_badly(b"{}" + b"\x11" * 14),
    "padding uneven, rightly signed": _sealed_badly(b"{}" + b"\x01" * 12 + b"\x02\x03"),
    "plaintext no JSON": encrypt(b"\xff", certificate()),
    "plaintext no object": encrypt(b"[]", certificate()),
    "plaintext nested too deep": encrypt(b"[" * 100_000, certificate()),
    "plaintext empty": encrypt(b"", certificate()),
}


@pytest.mark.parametrize("sealed", SPOILED.values(), ids=SPOILED.keys())
def test_every_failure_has_the_same_words(sealed: dict[str, Any]) -> None:
    with pytest.raises(DecryptionError) as problem:
        opened(sealed)

    assert str(problem.value) == str(DecryptionError())


def test_the_signature_is_checked_before_anything_is_decrypted() -> None:
    """A bad signature over a bad padding and one over a good padding take the same way out: no padding oracle."""
    traces = []
    for padded in (b"{}" + b"\x0e" * 14, b"{}" + b"\x00" * 14):
        with pytest.raises(DecryptionError) as problem:
            opened(seal(padded, certificate()) | {"dataSignature": SEALED["dataSignature"]})
        traces.append([frame.lineno for frame in problem.traceback[1:]])
        assert problem.traceback[-1].name == "decrypt"
    assert traces[0] == traces[1]


def test_without_a_thumbprint_the_certificate_id_is_enough() -> None:
    sealed = {name: value for name, value in SEALED.items() if name != "encryptionCertificateThumbprint"}

    assert opened(sealed) == PLAIN


def test_a_thumbprint_has_no_case() -> None:
    name = "encryptionCertificateThumbprint"

    assert opened(SEALED | {name: SEALED[name].lower()}) == PLAIN


@pytest.mark.parametrize("missing", ["data", "dataKey", "dataSignature", "encryptionCertificateId"])
@pytest.mark.parametrize("instead", [None, "", 1, []])
def test_content_that_is_not_whole_is_refused(missing: str, instead: object) -> None:
    with pytest.raises(GraphProtocolError):
        read_encrypted_content({"encryptedContent": SEALED | {missing: instead}})


@pytest.mark.parametrize("raw", [[], "text", 1, False])
def test_content_that_is_no_object_is_refused(raw: object) -> None:
    with pytest.raises(GraphProtocolError):
        read_encrypted_content({"encryptedContent": raw})


@pytest.mark.parametrize("item", [{}, {"encryptedContent": None}])
def test_a_basic_item_has_no_encrypted_content(item: dict[str, Any]) -> None:
    assert read_encrypted_content(item) is None


@given(strategies.STRANGE_ITEMS)
def test_any_item_has_content_none_or_an_error(item: Any) -> None:
    if not isinstance(item, dict):
        return
    try:
        assert isinstance(read_encrypted_content(item), EncryptedContent | None)
    except GraphProtocolError:
        return


@given(st.fixed_dictionaries({name: st.text() | strategies.SURROGATES_INCLUDED for name in SEALED}))
def test_content_of_any_text_never_raises_anything_else(texts: dict[str, str]) -> None:
    with pytest.raises(GraphProtocolError):
        opened(texts)


def test_a_key_knows_its_thumbprint_and_its_certificate() -> None:
    der = certificate().public_bytes(serialization.Encoding.DER)

    assert KEY.thumbprint == SEALED["encryptionCertificateThumbprint"]
    assert base64.b64decode(KEY.certificate) == der
    assert KEY.not_before < builders.NOW.timestamp() < KEY.not_after


def test_a_key_of_no_use_to_graph_is_refused() -> None:
    short, curve = builders.rsa_key("short", 1024), ec.generate_private_key(ec.SECP256R1())
    for private in (short, curve):
        public = builders.self_signed(private).public_bytes(serialization.Encoding.PEM)
        with pytest.raises(ValueError, match="RSA key of 2048 to 4096 bits"):
            read_encryption_key(builders.pem_of(private) + public, certificate_id="x")


def test_a_key_beside_another_keys_certificate_is_refused() -> None:
    pem = builders.pem_of(builders.rsa_key("other")) + certificate().public_bytes(serialization.Encoding.PEM)
    with pytest.raises(ValueError, match="does not belong"):
        read_encryption_key(pem, certificate_id="x")


@pytest.mark.parametrize("part", ["key", "certificate", "neither"])
def test_half_a_file_is_refused(part: str) -> None:
    pem = {
        "key": builders.pem_of(builders.rsa_key("encryption")),
        "certificate": certificate().public_bytes(serialization.Encoding.PEM),
        "neither": b"",
    }[part]
    with pytest.raises(ValueError, match=r".+"):
        read_encryption_key(pem, certificate_id="x")


def test_nothing_secret_is_printed() -> None:
    content = read_encrypted_content({"encryptedContent": SEALED})

    assert SEALED["data"] not in repr(content)
    assert "unwrap" not in repr(KEY)
