"""A storm over the session log: `python -m tests.sessions.storm [--sessions 10000] [--chargers 200] [--seed 1]`.

Drivers come and go at every charger for hours of simulated time. Answers to starts are lost, ends are lost, late, twice
and out of order, ZapCloud's API refuses and fails, chargers are offline, some for days, sessions are replaced and taken
back, storage is cut and freezes, the host is killed, credentials are rotated. Afterwards the log, as the API lists it,
is held against the simulator's truth. Then a backup is made and restored, and every answer of the app held against
what it was.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from random import Random

import msgspec

from devhost.stack import HOOK_CREDENTIAL, Ports, Site, Stack, running_stack, storage_connection_string
from simulator.faults import Fault
from simulator.models import Session
from simulator.shapes import InstallationView
from simulator.visits import Plug, Visit
from tests.cable import Cable, cable_to
from tests.sessions.accounting import Account, account
from tests.sessions.afterwards import MINUTE_SECONDS, days_later, log_of, restart_host
from tests.sessions.restoring import differences_after_restore

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
FAULTS = {
    "start-request-lost": Fault(next=1, probability=0.01),
    "start-answer-lost": Fault(next=1, probability=0.03),
    "start-duplicated": Fault(next=1, probability=0.02),
    "start-delayed": Fault(next=1, probability=0.01, seconds=10),
    "end-request-lost": Fault(next=1, probability=0.3),
    "end-answer-lost": Fault(next=1, probability=0.05),
    "end-duplicated": Fault(next=1, probability=0.05),
    "end-delayed": Fault(next=1, probability=0.1, seconds=900),
    "end-garbage-first": Fault(next=1, probability=0.01),
    "rest-429": Fault(next=1, probability=0.03),
    "rest-5xx": Fault(next=1, probability=0.1),
    "message-late": Fault(next=1, probability=0.02, seconds=20),
    "message-reordered": Fault(next=1, probability=0.02),
    "message-duplicated": Fault(next=1, probability=0.02),
    "oauth-unavailable": Fault(next=1, probability=0.1),
}
DEEDS = (
    "go_offline",
    "correct_sessions",
    "cut_storage",
    "freeze_storage",
    "kill_the_host",
    "rotate",
    "end given up",
    "stayed offline",
)
DRIVERS = 300
REFUSED = 0.03
"""The share of those who come with a card that nobody knows."""
CALM_SECONDS = 600.0
LONGEST_BACKUP_SECONDS = 600
SETTINGS = {
    "ZAPBRIDGE_HOOK_BUDGET_SECONDS": "2",
    "ZAPBRIDGE_ARCHIVED_SESSIONS": "read",
    "ZAPBRIDGE_BACKFILL_CHARGERS_PER_MINUTE": "2",
}
SIMULATED = {
    "end_retry_for_s": 150,
    "telemetry_every_s": 0,
    "pulse_every_s": 0,
    "signed_every_s": 0,
    "changes_reported": False,
    "consumers_within_s": 5,
    "consumers_every_s": 60,
    "timers_for_s": 300,
}


class Storm:
    def __init__(
        self, stack: Stack, cable: Cable, view: InstallationView, random: Random, say: Callable[[str], None]
    ) -> None:
        self._stack = stack
        self._cable = cable
        self._view = view
        self._random = random
        self._say = say
        self._settings = _settings(stack.ports, cable)
        self._asleep: list[str] = []
        self._away: dict[str, datetime] = {}
        self._hits: dict[str, int] = {}
        self._minutes = 0
        self._once: dict[int, Callable[[], Awaitable[None]]] = {}
        self._deeds: Counter[str] = Counter()

    async def rage(self, sessions: int) -> Account:
        simulator = self._stack.simulator
        cards = await self._register_drivers()
        await self._say_nonsense()
        await simulator.change_settings(**SIMULATED)
        await simulator.set_faults(FAULTS)
        each = ceil(sessions * (1 + REFUSED) / len(self._view.chargers))
        await simulator.schedule(*(self._visit(charger.id, list(cards), each) for charger in self._view.chargers))
        await self._until_all_have_left(sessions)
        await self._calm_down()
        host = await days_later(self._stack, self._settings, self._asleep, self._say)
        log = await log_of(host)
        truth = await simulator.sessions()
        result = account(truth, log, {f"nfc-{card}": driver for card, driver in cards.items()})
        self._say("the log is held against the truth; now a backup is made")
        await host.run_timer("backup", LONGEST_BACKUP_SECONDS)
        self._say("the backup is made; it is restored, and the app is asked for every answer")
        otherwise = await differences_after_restore(self._stack, host, self._say)
        given_up = sum(session.status == "given-up" for session in truth)
        return msgspec.structs.replace(
            result,
            restored_otherwise=otherwise,
            suffered={**self._hits, **self._deeds, "end given up": given_up, "stayed offline": len(self._asleep)},
        )

    async def _register_drivers(self) -> dict[str, str]:
        cards = {f"04B10000{number:06X}": f"Driver {number}" for number in range(DRIVERS)}
        async with self._stack.host.management() as management:
            for card, driver in cards.items():
                (await management.put("/tokens", json={"token": card, "driver": driver})).raise_for_status()
            person = {"driver": "Driver 0", "email": "driver@example.com"}
            (await management.put("/drivers", json=person)).raise_for_status()
        return cards

    async def _say_nonsense(self) -> None:
        """So that there is something in quarantine, however small the storm."""
        async with self._stack.host.caller(HOOK_CREDENTIAL, self._stack.hook_password) as zapcloud:
            await zapcloud.post("/hooks/session-end", json={"session": "?"})

    def _visit(self, charger_id: str, cards: list[str], plugs: int) -> Visit:
        random = self._random
        return Visit(
            charger=charger_id,
            driver="somebody",
            after_s=self._seconds(0, 600),
            plugs=[
                Plug(
                    token=random.choice(cards) if random.random() >= REFUSED else f"04BAD000{random.randrange(99):06X}",
                    scan_after_s=self._seconds(0, 20),
                    power_kw=random.choice([3.7, 7.4, 11.0, 22.0]),
                    charge_s=self._seconds(30, 180),
                    idle_s=self._seconds(0, 30),
                    pause_before_s=self._seconds(20, 60),
                )
                for _ in range(plugs)
            ],
        )

    def _seconds(self, least: int, most: int) -> float:
        """Whole tens, so that much happens at one instant, for which time stands still once."""
        return float(self._random.randrange(least, most + 1, 10))

    async def _until_all_have_left(self, sessions: int) -> None:
        began, reported = time.monotonic(), 0
        while (await self._stack.simulator.clock()).busy:
            await self._minute()
            minutes = round(((await self._stack.simulator.clock()).now - START) / timedelta(minutes=1))
            if minutes >= reported + 30:
                reported = minutes
                took_place = len(await self._stack.simulator.sessions())
                self._say(
                    f"{took_place} of about {sessions} sessions, {minutes / 60:.1f} h simulated, "
                    f"{self._deeds.total()} deeds, {time.monotonic() - began:.0f} s"
                )

    async def _minute(self) -> None:
        """A minute passes, in which something may be done to the app, the chargers or the sessions; each once at least,
        at some time of the first half hour."""
        await self._come_back()
        deeds: dict[Callable[[], Awaitable[None]], float] = {
            self._go_offline: 0.004 * len(self._view.chargers),
            self._correct_sessions: 0.004 * len(self._view.chargers),
            self._cut_storage: 0.02,
            self._freeze_storage: 0.01,
            self._kill_the_host: 0.02,
            self._rotate: 0.04,
        }
        if not self._once:
            self._once = dict(zip(self._random.sample(range(10, 10 + 2 * len(deeds)), len(deeds)), deeds, strict=True))
        self._minutes += 1
        for deed, probability in deeds.items():
            if self._random.random() < probability or self._once.get(self._minutes) == deed:
                self._deeds[deed.__name__.strip("_")] += 1
                await deed()
        await self._pass(MINUTE_SECONDS)

    async def _pass(self, seconds: float) -> None:
        await self._stack.simulator.advance(seconds)
        await self._stack.wait_for_listeners(or_refused=True)

    async def _go_offline(self) -> None:
        charger = self._random.choice(self._view.chargers).id
        if charger in self._away or charger in self._asleep:
            return
        await self._stack.simulator.go_offline(charger)
        if not self._asleep or self._random.random() < 0.05:
            self._asleep.append(charger)
        else:
            now = (await self._stack.simulator.clock()).now
            self._away[charger] = now + timedelta(minutes=self._random.uniform(5, 30))

    async def _come_back(self) -> None:
        now = (await self._stack.simulator.clock()).now
        for charger, until in list(self._away.items()):
            if until <= now:
                del self._away[charger]
                await self._stack.simulator.go_online(charger)

    async def _correct_sessions(self) -> None:
        """ZapCloud replaces a session, or takes one back, minutes or hours after it ended."""
        ended = [one for one in await self._stack.simulator.sessions() if _may_be_corrected(one)]
        if not ended:
            return
        session = self._random.choice(ended)
        if self._random.random() < 0.5:
            await self._stack.simulator.replace_session(session.id)
        else:
            await self._stack.simulator.void_session(session.id)

    async def _cut_storage(self) -> None:
        await self._cable.cut()
        await self._stack.simulator.advance(self._random.uniform(1, 10))
        await self._cable.mend()

    async def _freeze_storage(self) -> None:
        self._cable.freeze()
        frozen = asyncio.create_task(self._stack.simulator.advance(self._random.uniform(1, 5)))
        await asyncio.wait([frozen], timeout=20)
        await self._cable.mend()
        await frozen

    async def _kill_the_host(self) -> None:
        """At some instant of a minute in which much goes on."""
        minute = asyncio.create_task(self._stack.simulator.advance(20))
        await asyncio.wait([minute], timeout=self._random.uniform(0, 1))
        await self._stack.host.process.stop(9)
        await minute
        await restart_host(self._stack, self._settings)

    async def _rotate(self) -> None:
        await self._stack.simulator.revoke_tokens()
        await self._stack.simulator.rotate_messaging(self._view.id)

    async def _calm_down(self) -> None:
        """Nothing fails any more, and the chargers that were away are back."""
        self._say(f"the storm is over; {len(self._asleep)} chargers stay offline for three days")
        self._hits = {name: fault.hits for name, fault in (await self._stack.simulator.faults()).items()}
        await self._stack.simulator.set_faults({})
        await self._stack.simulator.change_settings(timers_for_s=0)
        for charger in self._away:
            await self._stack.simulator.go_online(charger)
        await self._pass(CALM_SECONDS)


def _may_be_corrected(session: Session) -> bool:
    return session.closed_at is not None and session.replaced_by is None and not session.commit_metadata & 32


def _settings(ports: Ports, cable: Cable) -> dict[str, str]:
    stores = {"ZAPBRIDGE_TABLES": cable.connection_string, "ZAPBRIDGE_BACKUPS": storage_connection_string(ports)}
    return stores | SETTINGS


async def storm(
    folder: Path,
    sessions: int,
    chargers: int,
    seed: int,
    say: Callable[[str], None] = lambda _: None,
    *,
    many_rows: bool = False,
) -> Account:
    ports = Ports.free()
    async with (
        cable_to(storage_connection_string(ports)) as cable,
        running_stack(
            folder,
            ports=ports,
            start=START,
            seed=seed,
            settings=_settings(ports, cable),
            streams={"storm": Site("Storm", chargers)},
            many_rows=many_rows,
        ) as stack,
    ):
        (view,) = stack.installations
        return await Storm(stack, cable, view, Random(seed), say).rage(sessions)


def faults_of(result: Account) -> Iterator[str]:
    """What is wrong with the outcome, in words."""
    for what, found in (
        ("are missing", result.missing),
        ("are there twice", result.twice),
        ("are false", result.false),
        ("are not what they were", result.wrong),
        ("are answered otherwise after a restore", result.restored_otherwise),
    ):
        if found:
            yield f"{len(found)} {what}, such as {found[0]}"


def spared(result: Account) -> list[str]:
    """What the storm should have done and did not, so that nothing was shown of it."""
    return [name for name in (*FAULTS, *DEEDS) if not result.suffered.get(name)]


async def main(arguments: argparse.Namespace) -> int:
    def say(text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)  # noqa: T201

    say(f"seed {arguments.seed}")
    with tempfile.TemporaryDirectory(prefix="zapbridge-storm-") as folder:
        result = await storm(Path(folder), arguments.sessions, arguments.chargers, arguments.seed, say, many_rows=True)
    say(msgspec.json.encode(result).decode()[:6000])
    found = [*faults_of(result), *(f"{name} did not happen" for name in spared(result))]
    say("; ".join(found) or "every session is in the log once, and is what it was")
    return 1 if found else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="storm", description="A storm over the session log.")
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--chargers", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    sys.exit(asyncio.run(main(parser.parse_args())))
