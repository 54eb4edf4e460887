import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from ssl import create_default_context

import pytest

DEADLINE = 20


def test_the_simulator_runs_alone_says_when_it_is_ready_and_stops_when_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "local", "graph", "--state-dir", str(tmp_path), "--seed", "7", "--verbose"]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            ready = json.loads(process.stdout.readline())
            assert ready.keys() == {"ready", "http", "https", "ca"}
            assert Path(ready["ca"]) == tmp_path / "ca.pem"
            trust = create_default_context(cafile=ready["ca"])
            with urllib.request.urlopen(f"{ready['https']}/_sim/world", context=trust, timeout=DEADLINE) as answer:  # noqa: S310 - ours
                over_https = json.load(answer)
            with urllib.request.urlopen(f"{ready['http']}/_sim/world", timeout=DEADLINE) as answer:  # noqa: S310 - ours
                assert json.load(answer) == over_https
            url = f"{ready['http']}/_sim/deliver"
            body = json.dumps({"url": "http://127.0.0.1:9/x", "body": {}}).encode()
            with urllib.request.urlopen(url, body, timeout=DEADLINE) as answer:  # noqa: S310 - ours
                assert json.load(answer)["status"] == "unreachable"
            missing = f"{ready['http']}/v1.0/nothing"
            with pytest.raises(urllib.error.HTTPError, match="401") as refused:
                urllib.request.urlopen(missing, timeout=DEADLINE)  # noqa: S310 - ours
            refused.value.close()
        finally:
            process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0
    assert errors == "INFO refused path=/v1.0/nothing status=401 code=InvalidAuthenticationToken\n"
