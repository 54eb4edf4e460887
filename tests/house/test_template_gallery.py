"""What the gallery of azd templates asks for (https://github.com/Azure/awesome-azd), as far as it does not depend on who publishes this."""

import json
import uuid
from typing import Any

from tests.house.shipping import ROOT

ENTRY: dict[str, Any] = json.loads((ROOT / ".github/azd-template.json").read_bytes())
OF_THE_PUBLISHER = {"author", "authorUrl", "source"}

# tags that the gallery knows, of those that we could have (website/src/data/tags.tsx, 2026-08)
KNOWN = {"new", "community", "bicep", "python", "functions", "blobstorage", "keyvault", "monitor", "signalR"}


def test_it_has_all_that_is_required() -> None:
    required = {"title", "description", "preview", "authorUrl", "author", "source", "tags", "id"}

    assert required - set(ENTRY) == OF_THE_PUBLISHER
    assert all(ENTRY[name] for name in required - OF_THE_PUBLISHER)
    assert uuid.UUID(ENTRY["id"]).version == 4


def test_it_names_who_wrote_it_and_in_what() -> None:
    assert {"community", "bicep"} <= set(ENTRY["tags"])
    assert {*ENTRY["tags"], *ENTRY["languages"], *ENTRY["azureServices"]} <= KNOWN


def test_its_picture_is_the_architecture() -> None:
    assert (ROOT / ENTRY["preview"]).is_file()
    assert ENTRY["preview"].removeprefix("docs/") in (ROOT / "docs/deploy.md").read_text("utf-8")


def test_the_template_is_where_the_gallery_looks() -> None:
    azure = (ROOT / "azure.yaml").read_text("utf-8")

    assert "metadata:\n  template: earshot@" in azure
    assert f"provider: {ENTRY['infrastructure']}" in azure  # found by itself only in a folder `infra`
