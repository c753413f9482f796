"""`python -m simulator.demo`: play the morning on a local stack; exit 0 only if every check on the result held."""

import asyncio
import sys
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from devhost.stack import Ports, Stack, running_stack
from shared.zapcloud.hooks import parse_instant
from simulator.demo.checks import Record, checks
from simulator.demo.morning import LENGTH, PEOPLE, START, deeds, visits
from simulator.demo.story import Story
from simulator.shapes import InstallationView

STEP_SECONDS = 300.0
FOLDER = Path(__file__).parent.parent.parent / ".local" / "demo"
console = Console(width=110, highlight=False)


async def main() -> int:
    console.rule("[bold]A morning at Fjordveien")
    console.print(
        'Fjordveien is a housing co-op with four electric-car charging stations ("plugs"). Before a plug lets a car\n'
        "charge, Zaptec's cloud asks our app, and tells it afterwards what was used. Everything runs on this machine:\n"
        "the app on Microsoft's Functions worker, real table storage, and a simulated Zaptec with cars and people.\n"
    )
    _cast()
    console.print("Starting storage, simulator and app (their logs: .local/demo/logs) …\n")
    async with running_stack(FOLDER, ports=Ports.free(), start=START) as stack:
        record = await _play(stack)
    _session_log(record)
    return _verdict(record)


async def _play(stack: Stack) -> Record:
    view = await stack.add_installation("Fjordveien", 4)
    plugs = [charger.id for charger in view.chargers]
    names = {charger_id: f"Plug {number}" for number, charger_id in enumerate(plugs, 1)}
    async with stack.host.management() as management:
        for person in PEOPLE:
            if person.card and person.registered:
                token = {"token": person.card, "driver": person.name, "blocked": person.blocked}
                (await management.put("/tokens", json=token)).raise_for_status()
        await stack.simulator.schedule(*visits(plugs))
        console.rule("What happens (a day's clock, running fast)")
        story = Story(stack.simulator, names)
        await _run(stack, story, management, plugs)
        return await _record(stack, management, view)


async def _run(stack: Stack, story: Story, management: httpx.AsyncClient, plugs: list[str]) -> None:
    todo = deeds(plugs)
    now = START
    while now < START + LENGTH:
        due = todo[0].at if todo else START + LENGTH
        seconds = min(STEP_SECONDS, (due - now).total_seconds())
        if seconds > 0:
            now = (await stack.simulator.advance(seconds)).now
        for at, line in await story.news():
            console.print(f"  [cyan]{at:%H:%M:%S}[/]  {line}")
        while todo and todo[0].at <= now:
            deed = todo.pop(0)
            console.print(f"  [cyan]{now:%H:%M:%S}[/]  [yellow]{deed.says}[/]")
            if deed.faults:
                await stack.simulator.set_faults(deed.faults)
            if deed.grant_to:
                grant = {"driver": deed.grant_to.name}
                answer = await management.post(f"/chargers/{plugs[deed.plug_number]}/grants", json=grant)
                answer.raise_for_status()
    await stack.simulator.run_until_idle()
    for at, line in await story.news():
        console.print(f"  [cyan]{at:%H:%M:%S}[/]  {line}")


async def _record(stack: Stack, management: httpx.AsyncClient, view: InstallationView) -> Record:
    day = {"installation": view.id, "from": START.isoformat(), "to": (START + LENGTH * 4).isoformat()}
    log = (await management.get("/sessions", params=day)).json()["items"]
    timelines = {}
    for item in log:
        answer = await management.get(f"/sessions/{item['sessionId']}")
        timelines[item["sessionId"]] = answer.json()["timeline"]
    seen = await management.get("/tokens/seen", params={"installation": view.id})
    return Record(
        sessions=await stack.simulator.sessions(),
        attempts=await stack.simulator.attempts(),
        calls=await stack.simulator.calls(),
        problems=await stack.simulator.problems(),
        log=log,
        unknown_cards=seen.json()["items"],
        timelines=timelines,
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
