"""Gathers the facts about an installation, and has them judged."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import msgspec

from shared.access.unregistered import unregistered_tokens
from shared.access.verdict import judge
from shared.clock import Clock
from shared.observations.folding import DISCONNECTED, OPERATION_MODE
from shared.observations.reader import ChargerReader
from shared.readiness.address import OurAddresses, leads
from shared.readiness.asking import Shown, ask_zapcloud
from shared.readiness.caller import judge_caller
from shared.readiness.diagnosis import diagnose, is_ready
from shared.readiness.facts import Chargers, Facts, Portal, StreamNow, TokensHere
from shared.readiness.finding import Finding
from shared.readiness.summary import summary
from shared.security.hook_credentials import HookCredentials
from shared.storage import chargers as storage
from shared.storage.authorizations import Authorizations, Standing
from shared.storage.decisions import Decisions
from shared.storage.installations import Installations, Mode
from shared.storage.streams import MissedMark, StreamRecords
from shared.storage.tokens import Token, Tokens
from shared.stream import Stream
from shared.streams.watchdog import Watchdog
from shared.zapcloud.client import ZapCloud
from shared.zapcloud.portal import PortalCharger

_DAY = timedelta(days=1)
_JUST_CAME = timedelta(minutes=5)
_SETTLING = timedelta(minutes=15)
"""After a stream listens with new credentials, how long what it lost meanwhile may still be found over REST."""
_PAGE = 1000
_MOST_TOKENS = 10_000
_MOST_LOOKED_AT = 200
_AT_ONCE = 32


class Report(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`mode` is the one that was judged by; None where the installation is not known here."""

    installation_id: str
    name: str
    mode: Mode | None
    ready: bool
    summary: str
    findings: tuple[Finding, ...]
    facts: Facts


class Readiness:
    def __init__(
        self,
        *,
        clock: Clock,
        zapcloud: ZapCloud | None,
        credentials: HookCredentials,
        installations: Installations,
        chargers: storage.Chargers,
        tokens: Tokens,
        decisions: Decisions,
        authorizations: Authorizations,
        streams: Sequence[Stream],
        records: StreamRecords,
        watchdog: Watchdog,
        reader: ChargerReader,
        entra_configured: bool,
    ) -> None:
        self._clock = clock
        self._zapcloud = zapcloud
        self._credentials = credentials
        self._installations = installations
        self._chargers = chargers
        self._tokens = tokens
        self._decisions = decisions
        self._authorizations = authorizations
        self._streams = streams
        self._records = records
        self._watchdog = watchdog
        self._reader = reader
        self._entra_configured = entra_configured

    async def report(self, installation_id: str, ours: OurAddresses, mode: Mode | None = None) -> Report:
        """What there is to say of an installation whose web hooks should lead to `ours`; with `mode`, as if that were
        its mode. Raises StorageUnavailable; that ZapCloud cannot be asked is a finding.

        Tokens are read until one is found that may charge there, 10,000 at most.
        """
        facts = await self._facts(installation_id, ours, mode)
        findings = diagnose(facts)
        name = facts.known.name if facts.known else ""
        return Report(
            installation_id=installation_id,
            name=name or (facts.portal.name if facts.portal else ""),
            mode=facts.mode,
            ready=is_ready(findings),
            summary=summary(facts, findings),
            findings=findings,
            facts=facts,
        )

    async def _facts(self, installation_id: str, ours: OurAddresses, mode: Mode | None) -> Facts:
        shown, known, here = await asyncio.gather(
            ask_zapcloud(self._zapcloud, installation_id),
            self._installations.get(installation_id),
            self._chargers_at(installation_id),
        )
        portal, streams = await self._portal(shown, ours), self._streams_of(installation_id)
        facts = Facts(
            installation_id=installation_id,
            expected=ours,
            account=shown.account,
            account_reason=shown.reason,
            portal=portal,
            chargers=None if shown.chargers is None else compared(shown.chargers, {one.id for one in here}),
            streams=await self._now(streams),
            missed=await self._missed(installation_id, streams),
            entra_configured=self._entra_configured,
        )
        if known is None:
            return facts
        return msgspec.structs.replace(
            facts,
            known=known,
            mode=mode or known.mode,
            tokens=await self._tokens_at(installation_id, {one.id for one in here}),
            unknown_tokens_seen=len(await unregistered_tokens(self._decisions, self._tokens, installation_id)),
            cars_unheard=await self._cars_unheard(installation_id, here) if portal and portal.web_hooks_on else 0,
        )

    async def _portal(self, shown: Shown, ours: OurAddresses) -> Portal | None:
        found = shown.installation
        if found is None:
            return None
        authentication_url = leads(found.authentication_url, ours.authentication_url)
        kind = found.authentication_type
        return Portal(
            name=found.name,
            roles=found.roles.words,
            role_suffices=found.roles.suffices,
            authentication_type=kind.word if kind is not None else None,
            authorization_required=found.authorization_required,
            messaging_enabled=found.messaging_enabled,
            session_start_url=leads(found.start_url, ours.session_start_url),
            session_end_url=leads(found.end_url, ours.session_end_url),
            authentication_url=authentication_url,
            caller=await judge_caller(self._credentials, found.authentication_payload, authentication_url, found.id),
        )

    async def _chargers_at(self, installation_id: str) -> list[storage.Charger]:
        found: list[storage.Charger] = []
        while True:
            page = await self._chargers.page(found[-1].id if found else "", _PAGE, installation_id)
            found += page
            if len(page) < _PAGE:
                return found

    async def _tokens_at(self, installation_id: str, chargers: Collection[str]) -> TokensHere:
        after, looked_at, now = "", 0, self._clock()
        while looked_at < _MOST_TOKENS:
            page = await self._tokens.page(after, _PAGE)
            if any(may_charge(token, installation_id, chargers, now) for token in page):
                return TokensHere.SOME
            looked_at += len(page)
            if len(page) < _PAGE:
                return TokensHere.NONE_VALID if looked_at else TokensHere.NONE_REGISTERED
            after = page[-1].id
        return TokensHere.NONE_FOUND

    def _streams_of(self, installation_id: str) -> list[Stream]:
        """The installation's own, or else those of user groups, whose members are not known here."""
        own = [stream for stream in self._streams if stream.installation_id == installation_id]
        return own or [stream for stream in self._streams if stream.user_group_id]

    async def _now(self, streams: Sequence[Stream]) -> tuple[StreamNow, ...]:
        marks, silent = await self._records.marks(), await self._watchdog.silent_streams()
        return tuple(
            StreamNow(
                name=stream.name,
                of_group=stream.user_group_id is not None,
                received_at=marks[stream.name].received_at if stream.name in marks else None,
                silent=stream in silent,
            )
            for stream in streams
        )

    async def _missed(self, installation_id: str, streams: Sequence[Stream]) -> MissedMark | None:
        """What was missed within a day, unless a change of a stream's credentials explains it."""
        mark = (await self._records.missed()).get(installation_id)
        if mark is None or self._clock() - mark.at >= _DAY:
            return None
        rotations = await self._records.rotations()
        changed = [rotations[stream.name].at for stream in streams if stream.name in rotations]
        return None if any(mark.at < at + _SETTLING for at in changed) else mark

    async def _cars_unheard(self, installation_id: str, chargers: Sequence[storage.Charger]) -> int:
        """Cars at the chargers now that came within a day, if not one of them was heard of; of large installations
        some chargers are looked at."""
        now = self._clock()
        states = await self._reader.glance(chargers[:_MOST_LOOKED_AT])
        modes = {charger_id: state.observations.get(OPERATION_MODE) for charger_id, state in states.items()}
        cars = [
            charger_id
            for charger_id, mode in modes.items()
            if mode and mode.value != DISCONNECTED and now - _DAY <= mode.at <= now - _JUST_CAME
        ]
        standings = await asyncio.gather(*(self._authorizations.read(charger_id) for charger_id in cars))
        since = now - 2 * _DAY
        if any(was_heard(standing, since) for standing in standings):
            return 0
        return 0 if await self._decisions.refusals(installation_id, since, 1) else len(cars)


def compared(shown: Sequence[PortalCharger], known: Collection[str]) -> Chargers:
    """What ZapCloud shows of an installation's chargers, held against those known here by their ids."""
    return Chargers(
        count=len(shown),
        unknown=tuple(one.name for one in shown if one.id not in known),
        offline=tuple(one.name for one in shown if one.online is False),
        open_to_all=tuple(one.name for one in shown if one.authorization_required is False),
    )


def may_charge(token: Token, installation_id: str, chargers: Collection[str], now: datetime) -> bool:
    """Whether a token may charge at any of an installation's chargers."""
    places = [charger for charger in token.chargers if charger in chargers] if token.chargers else [""]
    return any(judge(token, installation_id, place, now).lets_in for place in places)


def was_heard(standing: Standing, since: datetime) -> bool:
    """Whether a start was heard from a charger."""
    claim, waiting = standing.claim, standing.waiting
    instants = [claim.at if claim else None, waiting.latest if waiting else None, standing.heard_at]
    return any(instant is not None and instant >= since for instant in instants)
