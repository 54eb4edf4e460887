"""The bench of pull mode measures what it says: it fails where a change did not arrive whole."""

from pathlib import Path

from local.bench.material import make_material
from local.bench.pulling import measure_pulling


def test_every_figure_is_taken(tmp_path: Path) -> None:
    single, packed, grown = measure_pulling(make_material(tmp_path), quick=True)

    assert [figure.unit for figure in (single, packed, grown)] == ["%", "%", "MiB"]
    assert 0 < single.value < 1
    assert 0 < packed.value < 1
    assert grown.met
