"""ports.Payloads, on the memory twin and on blob storage."""

import pytest

from shared.adapters.memory import MemoryPayloads
from shared.adapters.payload_blobs import PayloadBlobs
from shared.ports import Payloads
from tests.contracts.twins import BOTH


@pytest.fixture(params=BOTH)
def payloads(request: pytest.FixtureRequest) -> Payloads:
    return MemoryPayloads() if request.param == "memory" else PayloadBlobs(request.getfixturevalue("storage"))


@pytest.mark.parametrize("data", [b"", b"{}", b"\x00\xff" * 500_000], ids=["empty", "small", "1 MB"])
async def test_a_payload_reads_as_it_was_put(payloads: Payloads, unique: str, data: bytes) -> None:
    await payloads.put(f"live/{unique}.json", data)
    assert await payloads.get(f"live/{unique}.json") == data


async def test_putting_it_again_changes_nothing(payloads: Payloads, unique: str) -> None:
    for _ in range(2):
        await payloads.put(f"live/{unique}.json", b"{}")
    assert await payloads.get(f"live/{unique}.json") == b"{}"


async def test_what_is_gone_is_none(payloads: Payloads, unique: str) -> None:
    assert await payloads.get(f"live/{unique}.json") is None


@pytest.mark.parametrize("name", ["", "live", "elsewhere/a.json", "../secrets", "/live/a.json"])
async def test_names_of_others_are_never_looked_up(payloads: Payloads, name: str) -> None:
    assert await payloads.get(name) is None
    assert await payloads.bury(name) == name


async def test_burying_copies_to_where_nothing_ages_out(payloads: Payloads, unique: str) -> None:
    await payloads.put(f"live/2026-01-01/{unique}.json", b"{}")
    for _ in range(2):
        assert await payloads.bury(f"live/2026-01-01/{unique}.json") == f"dead/2026-01-01/{unique}.json"
    assert await payloads.get(f"dead/2026-01-01/{unique}.json") == b"{}"
    assert await payloads.get(f"live/2026-01-01/{unique}.json") == b"{}"


async def test_what_is_buried_or_gone_keeps_its_name(payloads: Payloads, unique: str) -> None:
    await payloads.put(f"dead/{unique}.json", b"{}")
    assert await payloads.bury(f"dead/{unique}.json") == f"dead/{unique}.json"
    assert await payloads.bury(f"live/{unique}.json") == f"live/{unique}.json"
