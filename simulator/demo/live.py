"""What the chargers say now, as the management API tells it, and what became of the message stream."""

from typing import Any

import httpx
import msgspec
from rich.table import Table

from devhost.stack import Stack

_POWER_W, _PHASE_1_A, _SESSION_ENERGY_KWH = 513, 507, 553


class Live(msgspec.Struct, frozen=True):
    """A charger as `GET /api/chargers` and its state show it."""

    mode: str
    power_kw: float
    current_a: float
    energy_kwh: float
    newest: str


async def look(management: httpx.AsyncClient, plugs: list[str]) -> dict[str, Live]:
    """Every plug's present state by its id."""
    listed = {item["id"]: item for item in (await management.get("/chargers")).json()["items"]}
    return {plug: _live(listed[plug], (await management.get(f"/chargers/{plug}/state")).json()) for plug in plugs}


def table_of(found: dict[str, Live], names: dict[str, str]) -> Table:
    table = Table(title="The plugs right now, as GET /api/chargers/{id}/state tells", title_justify="left")
    for name in ("plug", "state", "power", "current", "this session", "newest message from"):
        table.add_column(name, justify="right" if name in {"power", "current", "this session"} else "left")
    for plug, live in found.items():
        charging = live.power_kw > 0
        table.add_row(
            names[plug],
            live.mode,
            f"{live.power_kw:.1f} kW" if charging else "",
            f"{live.current_a:.1f} A" if charging else "",
            f"{live.energy_kwh:.2f} kWh" if charging else "",
            live.newest[11:19],
        )
    return table


def events(stack: Stack) -> list[dict[str, Any]]:
    """What the app's main site has logged: one line of JSON per event."""
    lines = (stack.log_folder / "host.log").read_text().splitlines()
    return [msgspec.json.decode(line) for line in lines if line.startswith("{")]


def _live(listed: dict[str, Any], state: dict[str, Any]) -> Live:
    values = {item["id"]: item["value"] for item in state["observations"]}
    return Live(
        mode=listed["mode"] or "",
        power_kw=float(values.get(_POWER_W) or 0) / 1000,
        current_a=float(values.get(_PHASE_1_A) or 0),
        energy_kwh=float(values.get(_SESSION_ENERGY_KWH) or 0),
        newest=state["newest"] or "",
    )
