"""A bill as rows of text, as Markdown for docs/deploy.md, and as data."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from local.cost.model import Bill, Line
from local.cost.tables import ASSUMED, OPTIONS, Figure, Price, Size

Rows = Sequence[Sequence[str]]

_CENT = 0.01
_HUNDRED = 100


def dollars(amount: float) -> str:
    """Write an amount as somebody would say it: cents while it is small, whole dollars when it is not."""
    if 0 < amount < _CENT:
        return "< $0.01"
    return f"${amount:,.2f}" if amount < _HUNDRED else f"${amount:,.0f}"


def summary(bills: Iterable[tuple[Bill, Bill]]) -> Rows:
    """Write a row for each size: its bill with one notification a body, and with several."""
    rows: list[Sequence[str]] = [
        ("size", "fixed a month", "a month with this load", "the next million", "the same, 20 a body", "dominated by")
    ]
    for alone, together in bills:
        rows.append(
            (
                alone.size.key,
                dollars(alone.fixed),
                dollars(alone.total),
                dollars(alone.next_million),
                dollars(together.next_million),
                _share(alone),
            )
        )
    return rows


def added(bills: Iterable[tuple[Size, Mapping[str, float]]]) -> Rows:
    """Write a row for each option: what it adds to each size's month."""
    columns = list(bills)
    rows: list[Sequence[str]] = [("option", *(size.key for size, _ in columns))]
    for option, words in OPTIONS.items():
        cells = (
            "included" if option in size.options else dollars(more[option]) if more[option] else "free"
            for size, more in columns
        )
        rows.append((f"`{option}`: {words}", *cells))
    return rows


def details(bill: Bill) -> Rows:
    """Write a row for each thing that is paid, the dearest first."""
    rows: list[Sequence[str]] = [("what", "quantity", "a month", "kind", "price is")]
    for line in sorted(bill.lines, key=lambda line: -line.dollars):
        kind = "fixed" if line.fixed else "with the load"
        rows.append(
            (line.price.what, _quantity(line), dollars(line.dollars) if line.dollars else "free", kind, line.price.sure)
        )
    rows.append(("together", "", dollars(bill.total), "", ""))
    return rows


def doubts(prices: Iterable[Price], figures: Iterable[Figure]) -> Sequence[str]:
    """Say which prices nobody looked up again, and which figures nothing of ours has measured."""
    recalled = ", ".join(price.key for price in prices if price.sure == "recalled")
    assumed = ", ".join(f"{each.key} {each.value:g} {each.unit}" for each in figures if each.by == ASSUMED)
    return (f"Recalled, not looked up: {recalled}.", f"Assumed, not measured: {assumed}.")


def markdown(rows: Rows) -> str:
    """Write rows as a table in Markdown."""
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def as_data(bill: Bill) -> dict[str, Any]:
    """Write a bill as data."""
    return {
        "size": bill.size.key,
        "options": sorted(bill.options),
        "currency": "USD",
        "notificationsPerDay": bill.load.notifications_per_day,
        "notificationsPerBody": bill.load.per_body,
        "delivery": bill.load.delivery,
        "fixed": round(bill.fixed, 4),
        "total": round(bill.total, 4),
        "nextMillion": round(bill.next_million, 4),
        "lines": [
            {
                "price": line.price.key,
                "quantity": line.quantity,
                "per": line.price.per,
                "dollars": round(line.dollars, 4),
                "fixed": line.fixed,
                "sure": line.price.sure,
                "asOf": line.price.as_of,
                "source": line.price.source,
            }
            for line in bill.lines
        ],
    }


def _quantity(line: Line) -> str:
    return (
        f"{line.quantity:,.0f} of {line.price.per}"
        if line.quantity >= 1
        else f"{line.quantity:.2g} of {line.price.per}"
    )


def _share(bill: Bill) -> str:
    if bill.total < _CENT:
        return "nothing"
    line = bill.largest
    return f"{line.price.what.partition(',')[0]} ({line.price.key}), {line.dollars / bill.total:.0%}"
