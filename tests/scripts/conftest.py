from pathlib import Path

import pytest

from tests.scripts.deploying import Deployment


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path)
