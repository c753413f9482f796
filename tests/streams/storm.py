"""A storm over the message stream: `python -m tests.streams.storm [--messages 100000] [--chargers 500] [--seed 1]`.

With `--azure` secrets are in Key Vault and restarts go through the resource manager, which are stand-ins, with faults.
Every fault of the simulator is on; the credentials are rotated three times, storage freezes twice, the streams host is
killed once. Afterwards what the app shows is held against the simulator's truth, first as the messages told it, then,
with what was lost read over REST, as ZapCloud has it.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec

from devhost.azure.shapes import Fault as AzureFault
from devhost.stack import Ports, Site, Stack, running_stack, storage_connection_string
from functions.services import build
from shared.settings import Settings
from shared.storage.streams import Step
from shared.storage.table import Tables
from simulator.faults import Fault
from simulator.shapes import InstallationView, StateTruth, TruthView
from simulator.truth import Known
from tests.cable import Cable, cable_to

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
FAULTS = {
    "message-lost": Fault(probability=0.002),
    "message-stolen": Fault(probability=0.005),
    "message-late": Fault(probability=0.01, seconds=20),
    "message-aged": Fault(probability=0.002),
    "message-reordered": Fault(probability=0.02),
    "message-duplicated": Fault(probability=0.02),
    "message-repeated": Fault(probability=0.02),
    "message-mangled": Fault(probability=0.005),
    "message-garbage": Fault(probability=0.005),
    "message-of-nobody": Fault(probability=0.005),
    "message-foreign": Fault(probability=0.002),
    "message-unknown-id": Fault(probability=0.005),
    "readings-persist": Fault(probability=0.2),
    "state-duplicated": Fault(probability=0.1),
    "rest-429": Fault(probability=0.05),
    "rest-5xx": Fault(probability=0.05),
    "rest-slow": Fault(probability=0.05, seconds=0.05),
    "details-204": Fault(probability=0.1),
    "details-403": Fault(probability=0.1),
    "details-500": Fault(probability=0.1),
    "oauth-unavailable": Fault(probability=0.1),
    "oauth-refused": Fault(probability=0.1),
}
AZURE_FAULTS = [
    (AzureFault(operation="set", status=429), AzureFault(operation="refresh", status=503)),
    (AzureFault(operation="references", status=500), AzureFault(operation="restart", status=409)),
]
"""What Azure refuses during the rotations that keep the topic; each costs the rotation a minute."""
TEN_YEARS_SECONDS = 10 * 365 * 86400.0
BURST_SECONDS = 2.0
PAUSE_SECONDS = 28.0
STEP_SECONDS = 5.0
AT_ONCE = 8


class Result(msgspec.Struct):
    """What the storm came to; every list should be empty, `expired` and `dead_lettered` 0."""

    published: int
    expired: int
    """Messages that waited for longer than they live while they should have been taken."""
    dead_lettered: int
    by_messages: list[str]
    """States that differ from what the messages told, before anything was read over REST."""
    by_rest: list[str]
    """States that differ from the truth after everything was."""
    minutes_twice: list[str]
    quarantined: int
    stolen: int
    stolen_newest: int
    healed: int
    """Of the states whose newest observation was stolen, how many are the truth once REST was asked."""
    counts: dict[str, int]
    rotations: int
    """Changes of credentials that were followed to their end, each step in the log."""
    violations: list[str]
    """What the stand-ins of Azure refused, since it was asked for wrongly."""
    seconds: float


class Storm:
    def __init__(self, stack: Stack, cable: Cable, view: InstallationView, say: Callable[[str], None]) -> None:
        self._stack = stack
        self._cable = cable
        self._view = view
        self._say = say
        self._settings = {"ZAPBRIDGE_TABLES": cable.connection_string, **SETTINGS}
        self._azure_faults = iter(AZURE_FAULTS)
        self._expired = 0
        self._dead_lettered = 0

    async def rage(self, messages: int) -> Result:
        began = time.monotonic()
        simulator = self._stack.simulator
        bursts = max(20, messages // 2000)
        each = messages // bursts
        await simulator.set_clock_ahead(self._view.chargers[0].id, TEN_YEARS_SECONDS)
        await simulator.set_faults(FAULTS)
        deeds: dict[int, Callable[[int], Awaitable[None]]] = {
            bursts * 2 // 20: self._rotate,
            bursts * 5 // 20: self._freeze,
            bursts * 8 // 20: self._rotate_with_new_topic,
            bursts * 11 // 20: self._kill,
            bursts * 14 // 20: self._freeze,
            bursts * 17 // 20: self._rotate,
        }
        for number in range(bursts):
            await deeds.get(number, self._burst)(each)
            done, seconds = number + 1, time.monotonic() - began
            self._say(f"{done} of {bursts} bursts, {done * each} messages, {seconds:.0f} s")
        await simulator.set_faults({})
        await self._pass(600)
        truth = await simulator.truth()
        by_messages = await self._differences(truth, lambda one: one.streamed)
        stolen_newest = self._stolen_that_matter(truth)
        await self._read_everything_over_rest()
        truth = await simulator.truth()
        by_rest = await self._differences(truth, _newer)
        wrong = {tuple(line.split(":")[0].split()) for line in by_rest}
        await self._count_lost()
        return Result(
            published=truth.counts["published"],
            expired=self._expired - truth.counts.get("expired", 0),
            dead_lettered=self._dead_lettered,
            by_messages=by_messages,
            by_rest=by_rest,
            minutes_twice=await self._minutes_twice(),
            quarantined=await self._quarantined(),
            stolen=len(truth.stolen),
            stolen_newest=len(stolen_newest),
            healed=sum((charger, str(state)) not in wrong for charger, state in stolen_newest),
            counts={str(name): count for name, count in truth.counts.items()},
            rotations=self._rotations_in_the_log(),
            violations=(await self._stack.azure_client.record()).violations if self._stack.azure else [],
            seconds=round(time.monotonic() - began, 1),
        )

    async def _burst(self, messages: int) -> None:
        await self._stack.simulator.traffic(messages, BURST_SECONDS)
        await self._stack.simulator.advance(BURST_SECONDS)
        await self._pass(PAUSE_SECONDS)

    async def _pass(self, seconds: float) -> None:
        """Time goes on in small steps; a host that restarts, which takes real time, is waited for after each."""
        while seconds > 0:
            await self._stack.simulator.advance(min(seconds, STEP_SECONDS))
            await self._listeners()
            seconds -= STEP_SECONDS

    async def _listeners(self) -> None:
        """In Azure a host that starts has the credentials of the last refresh, which may be refused by now."""
        await self._stack.wait_for_listeners(or_refused=self._stack.azure is not None)

    async def _rotate(self, messages: int) -> None:
        self._say("the credentials are rotated")
        if self._stack.azure:
            await self._stack.azure_client.set_faults(*next(self._azure_faults))
        await self._stack.simulator.rotate_messaging(self._view.id)
        await self._burst(messages)

    async def _rotate_with_new_topic(self, messages: int) -> None:
        self._say("the credentials are rotated, with a new topic")
        await self._count_lost()
        await self._stack.simulator.rotate_messaging(self._view.id, topic=True)
        await self._burst(messages)

    async def _freeze(self, messages: int) -> None:
        """While messages are taken: a host killed before may still wait for its credentials."""
        while not await self._stack.listens():
            await self._pass(STEP_SECONDS)
        self._say("storage freezes")
        self._cable.freeze()
        burst = asyncio.create_task(self._burst(messages))
        try:
            await self._log_says("stream.storage_down")
        finally:
            await self._cable.mend()
            await burst
        self._say("storage is back")

    async def _kill(self, messages: int) -> None:
        """In the middle of a burst."""
        self._say("the streams host is killed")
        await self._stack.simulator.traffic(messages, BURST_SECONDS)
        burst = asyncio.create_task(self._stack.simulator.advance(BURST_SECONDS))
        await self._stack.kill_streams_host()
        await burst
        await self._stack.start_streams_host(self._settings)
        await self._listeners()
        await self._pass(PAUSE_SECONDS)

    def _rotations_in_the_log(self) -> int:
        """Those all of whose steps the log has, by the fingerprints of their credentials; none counts where the last
        one found did not come to its end, since nothing replaced it."""
        steps: dict[str, set[str]] = {}
        for line in (self._stack.log_folder / "host.log").read_text().splitlines():
            if '"rotation.step"' in line:
                event = json.loads(line[line.index("{") :])
                steps.setdefault(event["fingerprint"], set()).add(event["step"])
        done = [found == set(Step) for found in steps.values()]
        return sum(done) if done and done[-1] else 0

    async def _count_lost(self) -> None:
        """Of the topic there is now: how many messages expired, and how many were given back ten times."""
        (view,) = (await self._stack.simulator.service_bus()).items
        self._expired += view.counts.expired
        self._dead_lettered += view.counts.dead_lettered

    async def _log_says(self, text: str) -> None:
        log = self._stack.log_folder / "streams.log"
        before = log.read_text().count(text)

        async def grown(_: httpx.AsyncClient) -> bool:
            return log.read_text().count(text) > before

        host = self._stack.streams_host
        assert host
        await host.process.wait_until(grown)

    async def _differences(self, truth: TruthView, expected: Callable[[StateTruth], Known | None]) -> list[str]:
        wanted: dict[str, dict[int, Known]] = {}
        for one in truth.states:
            known = expected(one)
            if known is not None:
                wanted.setdefault(one.charger_id, {})[one.state_id] = known
        shown = await self._shown(list(wanted))
        found = []
        for charger, states in wanted.items():
            for state, known in states.items():
                kept = shown[charger].get(state)
                if kept is None or not _is(kept, known):
                    found.append(f"{charger} {state}: {known} was expected, {kept} is shown")
        return found

    async def _shown(self, chargers: list[str]) -> dict[str, dict[int, Known]]:
        """What GET /api/chargers/{id}/state answers."""
        waiting = iter(dict.fromkeys(chargers))
        shown: dict[str, dict[int, Known]] = {}

        async def ask(management: httpx.AsyncClient) -> None:
            for charger in waiting:
                answer = await management.get(f"/chargers/{charger}/state")
                items = answer.json()["observations"] if answer.status_code == 200 else []
                shown[charger] = {item["id"]: _known(item) for item in items}

        async with self._stack.host.management() as management:
            await asyncio.gather(*(ask(management) for _ in range(AT_ONCE)))
        return shown

    async def _read_everything_over_rest(self) -> None:
        """As the watchdog does minute by minute, until every charger has had its turn."""
        services = build(
            Settings(
                tables=self._stack.storage_connection_string,
                identity_key=self._stack.identity_key,
                clock_file=str(self._stack.clock_file),
                zapcloud_url=self._stack.simulator.url,
                zapcloud_username="owner@example.com",
                zapcloud_password=self._stack.zapcloud_password,
                backfill_chargers_per_minute=300,
            )
        )
        asked = 0
        backfill = services.streams.watchdog._backfill
        assert backfill
        while asked < len(self._view.chargers):
            asked += await backfill.run(100)
            await self._stack.simulator.advance(10)
        await services.close()

    def _stolen_that_matter(self, truth: TruthView) -> list[tuple[str, int]]:
        """States whose newest observation the thief took."""
        newest = {(one.charger_id, one.state_id): one.held for one in truth.states}
        return sorted(
            {
                (one.charger_id, one.state_id)
                for one in truth.stolen
                if (held := newest.get((one.charger_id, one.state_id)))
                and (held.clock_at or held.at, held.value) == (one.timestamp, one.value)
            }
        )

    async def _minutes_twice(self) -> list[str]:
        """Rows of the history that are there more than once for a charger and minute."""
        async with Tables(self._stack.storage_connection_string) as tables:
            rows = await tables["ChargerHistory"].scan()
        minutes = Counter(f"{row.partition} {row.key}" for row in rows)
        assert rows, "there is no history at all"
        return [minute for minute, count in minutes.items() if count > 1]

    async def _quarantined(self) -> int:
        async with self._stack.host.management() as management:
            details = (await management.get("/health/details")).json()
        return int(details["quarantine"]["count"])


ROTATIONS = 3
"""The first credentials of all, and three changes, two of which a small storm has between two runs."""
SETTINGS = {"ZAPBRIDGE_BACKFILL_CHARGERS_PER_MINUTE": "0", "ZAPBRIDGE_HOOK_BUDGET_SECONDS": "6"}


def _newer(one: StateTruth) -> Known | None:
    """What is to be known of a state by messages and REST together.

    REST tells a charger's own instants. Of one whose clock is ahead they cannot be held against those of messages, so
    REST counts only where it tells of a later one of the charger's.
    """
    if one.streamed is None or one.held is None:
        return one.streamed or one.held
    if one.streamed.clock_at:
        return one.held if one.held.at > one.streamed.clock_at else one.streamed
    return one.held if one.held.is_after(one.streamed) else one.streamed


def _known(item: dict[str, Any]) -> Known:
    """An observation of GET /api/chargers/{id}/state."""
    ahead = item.get("chargerTimestamp")
    return Known(
        datetime.fromisoformat(item["timestamp"]), item["value"], datetime.fromisoformat(ahead) if ahead else None
    )


def _is(shown: Known, expected: Known) -> bool:
    """What REST told of a charger whose clock is ahead is shown at the instant it was asked for."""
    if shown.clock_at and expected.clock_at is None:
        return (shown.clock_at, shown.value) == (expected.at, expected.value)
    return shown == expected


async def storm(
    folder: Path,
    messages: int,
    chargers: int,
    seed: int,
    say: Callable[[str], None] = lambda _: None,
    *,
    azure: bool = False,
) -> Result:
    ports = Ports.free()
    async with (
        cable_to(storage_connection_string(ports)) as cable,
        running_stack(
            folder,
            ports=ports,
            start=START,
            seed=seed,
            settings={"ZAPBRIDGE_TABLES": cable.connection_string, **SETTINGS},
            streams={"storm": Site("Storm", chargers)},
            azure=azure,
        ) as stack,
    ):
        (view,) = stack.installations
        return await Storm(stack, cable, view, say).rage(messages)


def faults_of(result: Result, least_published: int) -> list[str]:
    """What is wrong with the outcome, in words."""
    checks = {
        "messages were published": result.published >= least_published,
        "states are what the messages told": not result.by_messages,
        "states are the truth once REST was asked": not result.by_rest,
        "no minute is in the history twice": not result.minutes_twice,
        "no message expired while a listener was there": result.expired == 0,
        "no message was given back ten times": result.dead_lettered == 0,
        "a thief took some": result.stolen > 0,
        "what the thief took is healed": result.healed == result.stolen_newest,
        "garbage is in quarantine": result.quarantined > 0,
        "every rotation came to its end": result.rotations >= ROTATIONS,
        "Azure was asked as it wants to be": not result.violations,
    }
    return [what for what, held in checks.items() if not held]


async def main(arguments: argparse.Namespace) -> int:
    def say(text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)  # noqa: T201

    say(f"seed {arguments.seed}")
    with tempfile.TemporaryDirectory(prefix="zapbridge-storm-") as folder:
        result = await storm(
            Path(folder), arguments.messages, arguments.chargers, arguments.seed, say, azure=arguments.azure
        )
    say(msgspec.json.encode(result).decode()[:3000])
    found = faults_of(result, arguments.messages)
    say("; ".join(f"NOT: {what}" for what in found) or "all of it holds")
    return 1 if found else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="storm", description="A storm over the message stream.")
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--chargers", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--azure", action="store_true", help="secrets in Key Vault, restarts by the resource manager")
    sys.exit(asyncio.run(main(parser.parse_args())))
