"""ports.KeptDeclaration, on the memory twin and on blob storage."""

import pytest

from shared.adapters.kept_declaration import DeclarationBlob
from shared.adapters.memory_subscriptions import MemoryKeptDeclaration
from shared.ports import KeptDeclaration
from tests.contracts.twins import BOTH


@pytest.fixture(params=BOTH)
def kept(request: pytest.FixtureRequest) -> KeptDeclaration:
    return MemoryKeptDeclaration() if request.param == "memory" else DeclarationBlob(request.getfixturevalue("storage"))


async def test_the_last_text_that_was_written_is_read(kept: KeptDeclaration) -> None:
    for text in (b'{"subscriptions": []}', b"\xef\xbb\xbf{}", b"{}" * 500_000):
        await kept.write(text)
        assert await kept.read() == text
