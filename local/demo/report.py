"""Shows a run on a terminal: one line while it lasts, then a page that says what happened and where to look next."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from local.demo.reckoning import Reckoning

_SAMPLES = 5


class ProgressLine:
    """The live line. Where nobody watches a terminal, a plain line every few seconds."""

    def __init__(self, console: Console, seconds: float) -> None:
        self._console = console
        self._seconds = seconds
        self._live = Live(console=console, refresh_per_second=8, transient=True) if console.is_terminal else None
        self._shown = 0

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, tally: Mapping[str, Any], arrived: int) -> None:
        """Show how far things are."""
        state = "people chatter" if tally["running"] else "settling"
        p99 = tally["ack_ms"]["p99"]
        line = (
            f"{state}: {tally['changes']} changes, {tally['acknowledged']} acknowledged (p99 {p99 or '-'} ms), "
            f"{arrived} forwarded, {sum(tally['forged'].values())} forged, {tally['duplicates']} repeated"
        )
        if self._live:
            self._live.update(Text(line, style="cyan"))
            return
        self._shown += 1
        if self._shown % 12 == 1:
            self._console.print(line)


def show_report(console: Console, reckoning: Reckoning, *, folder: Path, seconds: float) -> None:
    """Print the page."""
    parts: list[Any] = [_figures(reckoning), _feed(reckoning)]
    broken = {
        "Lost": reckoning.lost,
        "Twice": reckoning.twice,
        "Not ours": reckoning.strangers,
        "Against Graph's rules": reckoning.objections,
        "Overlooked, or found where nothing is": reckoning.watched.wrong,
    }
    for title, problems in broken.items():
        if problems:
            more = f"\n… and {len(problems) - _SAMPLES} more" if len(problems) > _SAMPLES else ""
            parts.append(Panel("\n".join(problems[:_SAMPLES]) + more, title=title, border_style="red"))
    verdict = (
        Text(
            "Nothing lost, nothing twice, nothing forged came through, nothing sensitive was overlooked.",
            style="bold green",
        )
        if reckoning.holds
        else Text("This run broke a promise.", style="bold red")
    )
    parts += [verdict, Text(f"The whole demo took {seconds:.0f} s. Logs of every process: {folder}", style="dim")]
    parts.append(
        Text(
            "Next: 'make up' keeps it running, with a page for people at /api/app; handlers live in shared/handlers/.",
            style="dim",
        )
    )
    console.print(Group(*parts))


def _figures(reckoning: Reckoning) -> Table:
    table = Table(
        title="What happened in a simulated Microsoft 365, and what became of it", title_justify="left", box=None
    )
    table.add_column("", style="bold")
    table.add_column("", justify="right")
    table.add_column("", style="dim")
    forged = sum(reckoning.forged.values())
    through = len(reckoning.strangers)
    kinds = ", ".join(f"{count} {kind}" for kind, count in reckoning.forged.items())
    table.add_row(
        "changes", str(reckoning.changes), f"sent as {reckoning.sent} notifications in {reckoning.bodies} bodies"
    )
    table.add_row(
        "acknowledged",
        str(reckoning.acknowledged),
        f"p50 {reckoning.ack_p50_ms} ms, p99 {reckoning.ack_p99_ms} ms; {reckoning.late} later than 3 s",
    )
    table.add_row("dropped", str(forged - through), f"forged: {kinds or 'none'}")
    table.add_row("", "", f"{reckoning.forged_dead} of them are dead letters for a person to look at")
    table.add_row(
        "duplicates suppressed", str(reckoning.duplicates_suppressed), f"of {reckoning.duplicates_sent} sent again"
    )
    table.add_row("handled", str(reckoning.handled), "in the feed, and at the sink as signed CloudEvents")
    table.add_row(
        "by push", f"{reckoning.latency_p50_ms} ms", f"p50, from change to sink; p99 {reckoning.latency_p99_ms} ms"
    )
    if reckoning.pulled:
        p50, p99 = reckoning.pull_latency_p50_ms, reckoning.pull_latency_p99_ms
        table.add_row(
            "by pull", f"{p50} ms", f"p50, {reckoning.pulled} chat messages through an event hub; p99 {p99} ms"
        )
        watched = reckoning.watched
        table.add_row(
            "findings",
            str(watched.open),
            f"cards, IBANs and passwords in chats; {watched.edited_away} more edited away, {watched.deleted} gone with "
            f"their message; {watched.alerts} alerts, none quotes what was found",
        )
    if reckoning.kills:
        again = f"in the middle; {reckoning.resent_after_kill} events sent again under the same id"
        table.add_row("worker killed", "once" if reckoning.kills == 1 else f"{reckoning.kills} times", again)
    table.add_row("dead letters", str(reckoning.dead), "of real changes")
    table.add_row("lost", str(len(reckoning.lost)), "acknowledged, and neither handled nor a dead letter")
    return table


def _feed(reckoning: Reckoning) -> Table:
    table = Table(title="The last rows of the feeds", title_justify="left", box=None, header_style="dim")
    for name in ("arrived", "where", "change", "who", "text"):
        table.add_column(name, no_wrap=name != "text")
    for row in reckoning.last_rows:
        table.add_row(row["arrived"], row["kind"], row["change"], Text(row["who"]), Text(row["text"]))
    return table
