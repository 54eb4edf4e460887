"""What benchmarks feed the app is what the app accepts: every item of every body."""

import json
from datetime import UTC, datetime

import pytest

from local.bench.material import AUTHORITY, BODIES, RICH_BODY_BYTES, Material, make_material
from shared.composition import Composition
from shared.graph.signed_token import TrustedKeys, read_signing_keys
from shared.intake import judge
from shared.settings import Settings


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("material"))


@pytest.mark.parametrize(("name", "count"), [(name, count) for name, (count, _) in BODIES.items()])
def test_every_item_is_accepted(material: Material, name: str, count: int) -> None:
    composition = Composition(Settings.from_environ(material.settings(handlers=["feed"])))
    received = datetime.now(UTC)  # noqa: TID251 - tokens are minted for the present
    keys = read_signing_keys(json.loads((material.folder / "signing-keys.json").read_bytes()))
    issuers = {"2.0": f"{AUTHORITY}/{{tenantid}}/v2.0"}
    composition.tokens.judge.trust(TrustedKeys(by_kid=keys, issuers=issuers, fetched=received.timestamp()))
    body = (material.folder / f"{name}.json").read_bytes()
    verdict = judge(
        body, received=received, delivery_id="d", policy=composition.policy, tokens=composition.tokens.judge
    )
    assert (verdict.accepted, verdict.unchecked, verdict.refused) == (count, 0, {})


def test_sixty_rich_items_are_as_large_as_the_design_counts_them(material: Material) -> None:
    size = (material.folder / "rich-60.json").stat().st_size
    assert abs(size - RICH_BODY_BYTES) < RICH_BODY_BYTES / 20
