"""`python -m simulator.demo`: play the morning on a local stack; exit 0 only if every check on the result held."""

import asyncio
import shutil
import sys
from datetime import timedelta
from pathlib import Path

import httpx
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from devhost.stack import Ports, Site, Stack, running_stack
from shared.zapcloud.hooks import parse_instant
from simulator.demo.checks import Record, checks
from simulator.demo.live import Live, events, look, table_of
from simulator.demo.morning import LENGTH, PEOPLE, START, Deed, deeds, visits
from simulator.demo.story import Story
from simulator.shapes import InstallationView

STEP_SECONDS = 300.0
SHORT_STEP_SECONDS = 60.0
"""After credentials changed: so a host that restarts, which takes real time, is back before much time passes."""
SHORT_STEPS_FOR = timedelta(minutes=12)
FOLDER = Path(__file__).parent.parent.parent / ".local" / "demo"
console = Console(width=110, highlight=False)


async def main() -> int:
    console.rule("[bold]A morning at Fjordveien")
    console.print(
        'Fjordveien is a housing co-op with four electric-car charging stations ("plugs"). Before a plug lets a car\n'
        "charge, Zaptec's cloud asks our app, and tells it afterwards what was used; what the plugs observe comes as\n"
        "messages. Everything runs on this machine: the app on Microsoft's Functions worker, real table storage, and\n"
        "a simulated Zaptec with cars, people and a message bus.\n"
    )
    _cast()
    console.print("Starting storage, simulator and app (their logs: .local/demo/logs) …\n")
    shutil.rmtree(FOLDER, ignore_errors=True)
    streams = {"fjordveien": Site("Fjordveien", 4)}
    async with running_stack(FOLDER, ports=Ports.free(), start=START, streams=streams) as stack:
        record = await _play(stack)
    _session_log(record)
    return _verdict(record)


async def _play(stack: Stack) -> Record:
    (view,) = stack.installations
    plugs = [charger.id for charger in view.chargers]
    names = {charger_id: f"Plug {number}" for number, charger_id in enumerate(plugs, 1)}
    async with stack.host.management() as management:
        for person in PEOPLE:
            if person.card and person.registered:
                token = {"token": person.card, "driver": person.name, "blocked": person.blocked}
                (await management.put("/tokens", json=token)).raise_for_status()
        await stack.simulator.schedule(*visits(plugs))
        console.rule("What happens (a day's clock, running fast)")
        story = Story(stack.simulator, names, lambda: events(stack))
        looks = await _run(stack, story, management, names)
        return await _record(stack, management, view, looks)


async def _run(
    stack: Stack, story: Story, management: httpx.AsyncClient, names: dict[str, str]
) -> list[dict[str, Live]]:
    """Play it; returns what was seen whenever somebody looked at the plugs."""
    plugs = list(names)
    looks: list[dict[str, Live]] = []
    todo = deeds(plugs)
    now = news_of_credentials = START
    while now < START + LENGTH:
        due = todo[0].at if todo else START + LENGTH
        restarting = now - news_of_credentials < SHORT_STEPS_FOR
        seconds = min(SHORT_STEP_SECONDS if restarting else STEP_SECONDS, (due - now).total_seconds())
        if seconds > 0:
            now = (await stack.simulator.advance(seconds)).now
            await stack.wait_for_listeners()
        await _tell(story)
        while todo and todo[0].at <= now:
            deed = todo.pop(0)
            console.print(f"  [cyan]{now:%H:%M:%S}[/]  [yellow]{deed.says}[/]")
            await _do(stack, management, deed, plugs)
            if deed.rotate or deed.faults is not None:
                news_of_credentials = now
            if deed.look:
                looks.append(await look(management, plugs))
                console.print(Padding(table_of(looks[-1], names), (0, 0, 0, 12)))
    await stack.simulator.run_until_idle()
    await _tell(story)
    return looks


async def _do(stack: Stack, management: httpx.AsyncClient, deed: Deed, plugs: list[str]) -> None:
    if deed.faults is not None:
        await stack.simulator.set_faults(await stack.simulator.faults() | deed.faults)
    if deed.rotate:
        silent_after_s = 0.0 if deed.silent_at_once else None
        await stack.simulator.rotate_messaging(stack.installations[0].id, silent_after_s=silent_after_s)
    if deed.grant_to:
        grant = {"driver": deed.grant_to.name}
        answer = await management.post(f"/chargers/{plugs[deed.plug_number]}/grants", json=grant)
        answer.raise_for_status()


async def _tell(story: Story) -> None:
    for at, line in await story.news():
        console.print(f"  [cyan]{at:%H:%M:%S}[/]  {line}")


async def _record(
    stack: Stack, management: httpx.AsyncClient, view: InstallationView, looks: list[dict[str, Live]]
) -> Record:
    day = {"installation": view.id, "from": START.isoformat(), "to": (START + LENGTH * 4).isoformat()}
    log = (await management.get("/sessions", params=day)).json()["items"]
    timelines = {}
    for item in log:
        answer = await management.get(f"/sessions/{item['sessionId']}")
        timelines[item["sessionId"]] = answer.json()["timeline"]
    seen = await management.get("/tokens/seen", params={"installation": view.id})
    plugs = [charger.id for charger in view.chargers]
    states = {plug: (await management.get(f"/chargers/{plug}/state")).json() for plug in plugs}
    morning = {"from": START.isoformat(), "to": (START + LENGTH).isoformat()}
    history = {plug: (await management.get(f"/chargers/{plug}/history", params=morning)).json() for plug in plugs}
    return Record(
        sessions=await stack.simulator.sessions(),
        attempts=await stack.simulator.attempts(),
        calls=await stack.simulator.calls(),
        problems=await stack.simulator.problems(),
        log=log,
        unknown_cards=seen.json()["items"],
        timelines=timelines,
        truth=await stack.simulator.truth(),
        states={plug: state["observations"] for plug, state in states.items()},
        history={plug: found["items"] for plug, found in history.items()},
        looks=looks,
        health=(await management.get("/health/details")).json(),
        events=[event["event"] for event in events(stack)],
    )


def _cast() -> None:
    table = Table(title="Who comes", title_justify="left", box=None, padding=(0, 2))
    table.add_column("who")
    table.add_column("")
    for person in PEOPLE:
        table.add_row(person.name, person.story)
    console.print(table)
    console.print()


def _session_log(record: Record) -> None:
    console.print()
    table = Table(title="The session log, as GET /api/sessions answers", title_justify="left")
    for name in ("driver", "from", "to", "energy kWh", "status", "figures from"):
        table.add_column(name, justify="right" if name == "energy kWh" else "left")
    for item in record.log:
        end = f"{parse_instant(item['end']):%H:%M}" if item["end"] else ""
        table.add_row(
            item["driver"] or "nobody known",
            f"{parse_instant(item['start']):%H:%M}",
            end,
            f"{item['energyKwh'] or 0:.2f}",
            item["status"],
            item["source"],
        )
    console.print(table)


def _verdict(record: Record) -> int:
    console.print("\nChecked against what really happened:")
    results = list(checks(record))
    for sentence, held in results:
        console.print(f"  {'[green]✓[/]' if held else '[red]✗[/]'} {sentence}")
    failed = sum(not held for _, held in results)
    console.print(f"\n[red]{failed} of {len(results)} checks failed[/]" if failed else "\n[green]All of it holds.[/]")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
