"""ports.ScopeStore and ports.GapStore on table ``subscriptions``: how far each listing was read, and what was missed.

A scope's key is a digest of its path, whose characters a key may not have; the path itself is a column. A link may be longer than
a column holds, and is spread over several. A row that somebody edited by hand is read as far as it can be: what is lost with a
link is found by a full round. One that names no path is of no use to anybody and goes, to be found again.
"""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from shared.adapters.storage import Storage
from shared.errors import GraphProtocolError
from shared.graph.timestamp import read_timestamp, write_timestamp
from shared.ports import CatchUpRun, GapReport, Scope
from shared.telemetry import log_line

if TYPE_CHECKING:
    from azure.data.tables.aio import TableClient

_LOGGER = logging.getLogger(__name__)
_TABLE: Final = "subscriptions"
_RUN: Final = "run"
_GAP: Final = "gap"
_COLUMN: Final = 30_000
"""Characters of a link in one column, which holds 32,768 UTF-16 units; links are ASCII, and 100,000 characters at most."""
MOST_GAPS: Final = 200
_FAR: Final = datetime(9999, 12, 31, tzinfo=UTC)

_SCOPE_TEXTS: Final = ("path", "root", "mark")
_SCOPE_TIMES: Final = ("began", "told", "since", "opened", "held_until")
_RUN_TIMES: Final = ("opened", "began", "since", "again_at")
_RUN_NUMBERS: Final = ("found", "dispatched", "unheard", "troubles")
_GAP_TIMES: Final = ("opened", "since", "until", "closed")
_GAP_NUMBERS: Final = ("scopes", "found", "dispatched")


class ScopeTable:
    """The partitions ``scope~<name>``."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def list(self, name: str) -> Sequence[Scope]:
        """Read the scopes of a subscription."""
        table = await self._storage.table(_TABLE)
        scopes: list[Scope] = []
        with self._storage.errors():
            rows = [row async for row in _partition(table, _of(name))]
            for row in rows:
                if row["RowKey"] == _RUN:
                    continue
                scope = _read_scope(name, row)
                if scope is not None:
                    scopes.append(scope)
                else:
                    await table.delete_entity(_of(name), row["RowKey"])
        return scopes

    async def save(self, scope: Scope) -> Scope | None:
        """Create or replace a scope."""
        etag = await self._write(_scope_entity(scope), scope.etag)
        return None if etag is None else replace(scope, etag=etag)

    async def remove(self, scope: Scope) -> None:
        """Delete a scope; one that is gone is as good."""
        table = await self._storage.table(_TABLE)
        with self._storage.errors():
            await table.delete_entity(_of(scope.name), _key(scope.path))

    async def read_run(self, name: str) -> CatchUpRun | None:
        """Read the catch-up that is under way. One that cannot be read goes: the next order begins another."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - heavy, on first use

        table = await self._storage.table(_TABLE)
        with self._storage.errors():
            try:
                row = await table.get_entity(_of(name), _RUN)
            except ResourceNotFoundError:
                return None
            run = _read_run(name, row)
            if run is None:
                await table.delete_entity(_of(name), _RUN)
            return run

    async def save_run(self, run: CatchUpRun) -> CatchUpRun | None:
        """Create or replace it."""
        etag = await self._write(_run_entity(run), run.etag)
        return None if etag is None else replace(run, etag=etag)

    async def end_run(self, run: CatchUpRun) -> bool:
        """Delete it if its etag still holds; one that is gone is as good."""
        from azure.core import MatchConditions  # noqa: PLC0415 - heavy, on first use
        from azure.core.exceptions import ResourceModifiedError  # noqa: PLC0415

        table = await self._storage.table(_TABLE)
        with self._storage.errors():
            try:
                await table.delete_entity(
                    _of(run.name), _RUN, etag=run.etag, match_condition=MatchConditions.IfNotModified
                )
            except ResourceModifiedError:
                return False
        return True

    async def forget(self, name: str) -> None:
        """Delete everything of a subscription."""
        table = await self._storage.table(_TABLE)
        with self._storage.errors():
            keys = [
                row["RowKey"]
                async for row in table.query_entities(
                    "PartitionKey eq @partition", parameters={"partition": _of(name)}, select=["RowKey"]
                )
            ]
            for key in keys:
                await table.delete_entity(_of(name), key)

    async def _write(self, entity: Mapping[str, Any], etag: str) -> str | None:
        from azure.core import MatchConditions  # noqa: PLC0415 - heavy, on first use
        from azure.core.exceptions import (  # noqa: PLC0415
            ResourceExistsError,
            ResourceModifiedError,
            ResourceNotFoundError,
        )

        table = await self._storage.table(_TABLE)
        with self._storage.errors():
            try:
                if not etag:
                    return str((await table.create_entity(entity))["etag"])
                guard = MatchConditions.IfNotModified
                answer = await table.update_entity(entity, mode="replace", etag=etag, match_condition=guard)
                return str(answer["etag"])
            except (ResourceExistsError, ResourceModifiedError, ResourceNotFoundError):
                return None


class GapTable:
    """The partition ``gap``: newest first, because its keys count backwards; the oldest go as new ones come."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def save(self, report: GapReport) -> None:
        """Write a report, and clear away what is older than a few hundred others."""
        from azure.data.tables import UpdateMode  # noqa: PLC0415 - heavy, on first use

        table = await self._storage.table(_TABLE)
        entity: dict[str, Any] = {
            "PartitionKey": _GAP,
            "RowKey": f"{_backwards(report.opened)}~{report.name}",
            "name": report.name,
            "reason": report.reason,
            "how": report.how,
            "problem": report.problem,
        }
        entity |= {name: getattr(report, name) for name in _GAP_NUMBERS}
        entity |= _written_times(report, _GAP_TIMES)
        with self._storage.errors():
            await table.upsert_entity(entity, mode=UpdateMode.REPLACE)
            if report.closed is None:  # as reports come one at a time, it is enough to look when one is opened
                keys = [
                    row["RowKey"]
                    async for row in table.query_entities(
                        "PartitionKey eq @partition", parameters={"partition": _GAP}, select=["RowKey"]
                    )
                ]
                for key in keys[MOST_GAPS:]:
                    await table.delete_entity(_GAP, key)

    async def latest(self, limit: int) -> Sequence[GapReport]:
        """Read the latest reports, the newest first."""
        table = await self._storage.table(_TABLE)
        reports: list[GapReport] = []
        with self._storage.errors():
            async for row in _partition(table, _GAP):
                report = _read_gap(row)
                if report is not None:
                    reports.append(report)
                if len(reports) == limit:
                    break
        return reports


def _of(name: str) -> str:
    return f"scope~{name}"


def _key(path: str) -> str:
    return hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def _backwards(moment: datetime) -> str:
    """Write a moment so that a later one comes first."""
    return f"{(_FAR - moment.astimezone(UTC)) // timedelta(microseconds=1):018d}"


def _partition(table: "TableClient", partition: str) -> Any:
    return table.query_entities("PartitionKey eq @partition", parameters={"partition": partition})


def _written_times(row: object, names: Sequence[str]) -> dict[str, str]:
    times: dict[str, datetime | None] = {name: getattr(row, name) for name in names}
    return {name: write_timestamp(moment) for name, moment in times.items() if moment}


def _scope_entity(scope: Scope) -> dict[str, Any]:
    entity: dict[str, Any] = {"PartitionKey": _of(scope.name), "RowKey": _key(scope.path)}
    entity |= {name: getattr(scope, name) for name in (*_SCOPE_TEXTS, "step", "midway", "anew")}
    entity["ids"] = json.dumps(dict(scope.ids))
    parts = [scope.link[start : start + _COLUMN] for start in range(0, len(scope.link), _COLUMN)]
    entity |= {f"link{number}": part for number, part in enumerate(parts)}
    return entity | {"links": len(parts)} | _written_times(scope, _SCOPE_TIMES)


def _run_entity(run: CatchUpRun) -> dict[str, Any]:
    entity: dict[str, Any] = {"PartitionKey": _of(run.name), "RowKey": _RUN}
    entity |= {name: getattr(run, name) for name in ("reason", "how", "repeated", *_RUN_NUMBERS)}
    return entity | _written_times(run, _RUN_TIMES)


class _Row:
    """One row, read as far as it can be; what cannot is named once."""

    def __init__(self, entity: Any) -> None:
        self._entity = entity
        self.wrong: list[str] = []

    def text(self, name: str) -> str:
        return str(self._typed(name, str, ""))

    def number(self, name: str) -> int:
        return int(self._typed(name, int, 0))

    def flag(self, name: str) -> bool:
        return bool(self._typed(name, bool, False))

    def time(self, name: str) -> datetime | None:
        try:
            return read_timestamp(self._entity[name]) if self._entity.get(name) else None
        except GraphProtocolError:
            self.wrong.append(name)
            return None

    def ids(self) -> Mapping[str, str]:
        try:
            ids = json.loads(self.text("ids") or "{}")
        except (ValueError, RecursionError):
            ids = None
        if not isinstance(ids, dict) or not all(isinstance(value, str) for value in ids.values()):
            self.wrong.append("ids")
            return {}
        return ids

    def link(self) -> str:
        count = self.number("links")
        parts = [self.text(f"link{number}") for number in range(min(max(count, 0), 10))]
        if not all(parts):
            self.wrong.append("link")
            return ""
        return "".join(parts)

    def report(self) -> None:
        if self.wrong:
            fields = {
                "partition": self._entity["PartitionKey"],
                "row": self._entity["RowKey"],
                "columns": ",".join(sorted(set(self.wrong))),
            }
            log_line(_LOGGER, logging.ERROR, "a row of table subscriptions cannot be read as it stands", fields)

    def _typed(self, name: str, kind: type, default: Any) -> Any:
        value = self._entity.get(name, default)
        if type(value) is not kind:
            self.wrong.append(name)
            return default
        return value


def _read_scope(name: str, entity: Any) -> Scope | None:
    row = _Row(entity)
    texts = {each: row.text(each) for each in _SCOPE_TEXTS}
    times = {each: row.time(each) for each in _SCOPE_TIMES}
    step, midway, anew = row.number("step"), row.flag("midway"), row.flag("anew")
    ids, link = row.ids(), row.link()
    if entity["RowKey"] != _key(texts["path"]) or "ids" in row.wrong or "step" in row.wrong or step < 0:
        row.wrong.append("path")
        row.report()
        return None
    row.report()
    return Scope(
        name=name,
        path=texts["path"],
        root=texts["root"],
        mark=texts["mark"],
        step=step,
        ids=ids,
        link=link,
        midway=midway and bool(link),
        anew=anew,
        etag=entity.metadata["etag"],
        **times,
    )


def _read_run(name: str, entity: Any) -> CatchUpRun | None:
    row = _Row(entity)
    times: dict[str, Any] = {each: row.time(each) for each in _RUN_TIMES}
    opened, began = times.pop("opened"), times.pop("began")
    numbers: dict[str, Any] = {each: row.number(each) for each in _RUN_NUMBERS}
    reason, how, repeated = row.text("reason"), row.text("how"), row.flag("repeated")
    row.report()
    if opened is None or began is None:
        return None
    return CatchUpRun(
        name=name,
        reason=reason,
        how=how,
        repeated=repeated,
        opened=opened,
        began=began,
        etag=entity.metadata["etag"],
        **times,
        **numbers,
    )


def _read_gap(entity: Any) -> GapReport | None:
    row = _Row(entity)
    times: dict[str, Any] = {each: row.time(each) for each in _GAP_TIMES}
    opened = times.pop("opened")
    numbers: dict[str, Any] = {each: row.number(each) for each in _GAP_NUMBERS}
    texts: dict[str, Any] = {each: row.text(each) for each in ("name", "reason", "how", "problem")}
    if opened is None or not texts["name"]:
        return None
    return GapReport(opened=opened, **texts, **times, **numbers)
