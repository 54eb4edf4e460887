"""How much the Graph simulator can do: notifications written, encrypted and delivered a second, and subscriptions held.

Each figure is taken in a process of its own, which prints it; the receiver is another, so that the simulator has one core.
"""

import argparse
import asyncio
import base64
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from local.bench.figures import Figure
from local.graph.knobs import Knobs
from local.graph.simulator import Simulator
from local.graph.subscribing.rules import read_request
from local.graph.subscribing.store import Owner
from local.graph.tenant.people import Plan
from local.keys.material import make_certificate
from local.worker313.environment import ROOT

_RATES = {"basic": 1_000, "rich": 300}
_NOTIFICATIONS, _QUICK_NOTIFICATIONS = {"basic": 20_000, "rich": 8_000}, {"basic": 2_000, "rich": 600}
_SUBSCRIPTIONS, _QUICK_SUBSCRIPTIONS = 50_000, 5_000
_STARTS, _QUICK_STARTS = 7, 3
_MIB = 1024


def measure_simulator(*, quick: bool = False) -> list[Figure]:
    """Take the figures. Raises CalledProcessError for a process that fails."""
    figures = []
    for kind, target in _RATES.items():
        wanted = (_QUICK_NOTIFICATIONS if quick else _NOTIFICATIONS)[kind]
        seen = _ask("deliver", kind, wanted)
        note = f"{seen['delivered']:.0f} in {seen['seconds']:.1f} s, of which {seen['cpu']:.1f} s of CPU; none repeated"
        figures.append(
            Figure(
                name=f"simulator: {kind} notifications delivered, one core",
                value=seen["delivered"] / max(seen["seconds"], seen["cpu"]),
                unit="/s",
                target=target,
                at_least=True,
                note=note,
            )
        )
    held = _QUICK_SUBSCRIPTIONS if quick else _SUBSCRIPTIONS
    seen = _ask("hold", "basic", held)
    whole = seen["before"] + (seen["mib"] - seen["before"]) * _SUBSCRIPTIONS / held
    note = f"{seen['before']:.0f} MiB of it without any subscription"
    name = "simulator: 50,000 subscriptions held"
    figures.append(Figure(name=name, value=whole, unit="MiB", target=500, note=note))
    return [*figures, _measure_start(_QUICK_STARTS if quick else _STARTS)]


def _measure_start(times: int) -> Figure:
    """Start the simulator as a person would, until it says that it is ready; the median."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        command = [sys.executable, "-m", "local", "graph", "--port", "0", "--tls-port", "0"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None, "it was asked for"  # noqa: S101 - a slip of ours
            process.stdout.readline()
            seconds.append(time.perf_counter() - began)
            process.terminate()
    note = f"median of {times}, from the command to the line that says ready; slowest {max(seconds):.2f} s"
    return Figure(name="simulator: start", value=statistics.median(seconds), unit="s", target=1, note=note)


def _ask(what: str, kind: str, count: int) -> dict[str, float]:
    command = [sys.executable, "-m", "local.bench.simulated_load", what, kind, str(count)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


async def _deliver(kind: str, count: int) -> dict[str, float]:
    async with _receiver() as url, Simulator(knobs=Knobs(throttling=False)) as graph:
        _subscribe(graph, url, rich=kind == "rich")
        began, cpu = time.perf_counter(), time.process_time()
        # as fast as it can: the pace is never waited for
        graph.chatter.start(Plan(rate=count * 1_000, seconds=1 / 1_000, mail=0, delete=0.05, duplicates=0, forged=0))
        tally = graph.chatter.tally
        while tally.running or tally.pending:  # noqa: ASYNC110 - it watches a counter, which nobody announces
            await asyncio.sleep(0.01)
        if tally.acknowledged != count or set(tally.statuses) != {"202"}:
            raise RuntimeError(f"{count} wanted, {tally.acknowledged} acknowledged: {dict(tally.statuses)}")
        seconds = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
        return {"delivered": tally.acknowledged} | seconds


async def _hold(count: int) -> dict[str, float]:
    async with Simulator(knobs=Knobs(handshake="skip", throttling=False)) as graph:
        before = _resident()
        now = graph.clock.now()
        body = _body("http://127.0.0.1:9/api", "", now + timedelta(hours=12)) | _key(now)
        for number in range(count):
            person = f"{number:08d}-0000-4000-8000-00000000a5e2"
            named = {"resource": f"users/{person}/messages?$select=subject", "clientState": f"1.held.1.{person}"}
            _add(graph, body | named)
        graph.keeper.watch_all(graph.subscriptions.live(now=now))
        return {"before": before, "mib": _resident()}


def _subscribe(graph: Simulator, url: str, *, rich: bool) -> None:
    now = graph.clock.now()
    body = _body(url, "teams/getAllMessages", now + timedelta(hours=12))
    _add(graph, body | (_key(now) if rich else {}))


def _add(graph: Simulator, body: dict[str, object]) -> None:
    now = graph.clock.now()
    asked = read_request(body, now=now)
    reach = (graph.tenant_id, asked.match.path, frozenset(graph.world.names.canonical_ids(asked.match).items()))
    owner = Owner(app_id="bench", tenant_id=graph.tenant_id, creator_id="bench")
    graph.subscriptions.add(asked, reach, owner, now=now)


def _body(url: str, path: str, expires: datetime) -> dict[str, object]:
    return {
        "changeType": "created,updated,deleted",
        "notificationUrl": f"{url}/notifications",
        "lifecycleNotificationUrl": f"{url}/lifecycle",
        "resource": path,
        "expirationDateTime": expires.isoformat(),
        "clientState": "bench",
    }


def _key(now: datetime) -> dict[str, object]:
    der = x509.load_pem_x509_certificate(make_certificate(now=now)).public_bytes(serialization.Encoding.DER)
    return {
        "includeResourceData": True,
        "encryptionCertificate": base64.b64encode(der).decode(),
        "encryptionCertificateId": "bench",
    }


def _resident() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MIB


@asynccontextmanager
async def _receiver() -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "local.bench.receiver", cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None, "it was asked for"  # noqa: S101 - a slip of ours
    try:
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}/api"
    finally:
        process.terminate()
        await process.wait()


def _run(arguments: argparse.Namespace) -> dict[str, float]:
    return asyncio.run(
        _hold(arguments.count) if arguments.what == "hold" else _deliver(arguments.kind, arguments.count)
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("deliver", "hold"))
    parser.add_argument("kind", choices=tuple(_RATES))
    parser.add_argument("count", type=int)
    print(json.dumps(_run(parser.parse_args())))
