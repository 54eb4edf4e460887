"""What the bench of live messages measures is what it says: everybody hears, over real sockets, what was sent once."""

from pathlib import Path

from local.bench.live import measure_live


def test_everybody_is_told_and_each_figure_is_of_this_machine(tmp_path: Path) -> None:
    spread, wait, cpu = measure_live(tmp_path, quick=True)

    assert "50 connected clients" in spread.name
    assert 0 < spread.value < 30
    assert 0 < cpu.value <= wait.value * 3, "a send is mostly waiting, or a little more than the median of it"
    assert 0 < wait.value < 1_000
