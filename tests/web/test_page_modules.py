"""The page's modules that need no browser, under Node: order, resuming, the queue of actions, words for times."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js on the PATH")


@pytest.mark.parametrize("file", sorted(HERE.glob("*.test.mjs")), ids=lambda file: file.name.removesuffix(".test.mjs"))
def test_a_module_does_what_its_tests_say(file: Path) -> None:
    done = _run("node", "--test", "--test-reporter=tap", str(file))

    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.findall(r"^# pass (\d+)$", done.stdout, re.MULTILINE)[0]) > 0


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def test_the_types_in_the_comments_are_true() -> None:
    done = _run("node", "local/node_modules/typescript/bin/tsc", "-p", str(HERE / "tsconfig.json"))

    assert done.returncode == 0, done.stdout + done.stderr
