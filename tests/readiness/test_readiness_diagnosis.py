"""The judgement on facts: each finding alone, their order, and what is said of drivers."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.readiness.address import Leads
from shared.readiness.caller import Caller
from shared.readiness.diagnosis import diagnose, is_ready
from shared.readiness.facts import Account, Chargers, Facts, Portal, StreamNow, TokensHere
from shared.readiness.finding import Code, Severity
from shared.readiness.summary import summary
from shared.storage.installations import Installation, Mode
from shared.storage.streams import MissedMark
from tests.readiness.conftest import INSTALLATION, OURS, WELL, facts

LOCKOUT, WARNING, NOTE = Severity.LOCKOUT, Severity.WARNING, Severity.NOTE
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
EMPTY = {
    "session_start_url": Leads.NOWHERE,
    "session_end_url": Leads.NOWHERE,
    "authentication_url": Leads.NOWHERE,
    "caller": Caller.NO_PAYLOAD,
}
BLIND = {"portal": None, "chargers": None}

ALONE: list[tuple[Code, Severity, dict[str, Any]]] = [
    (Code.ZAPCLOUD_NOT_CONFIGURED, LOCKOUT, {"account": Account.NOT_CONFIGURED, **BLIND}),
    (Code.ZAPCLOUD_LOGIN_REFUSED, LOCKOUT, {"account": Account.REFUSED, **BLIND}),
    (Code.ZAPCLOUD_NOT_ANSWERING, LOCKOUT, {"account": Account.NO_ANSWER, "account_reason": "it is asleep", **BLIND}),
    (Code.INSTALLATION_NOT_VISIBLE, LOCKOUT, BLIND),
    (Code.INSTALLATION_UNKNOWN, LOCKOUT, {"known": None, "mode": None}),
    (Code.ROLE_INSUFFICIENT, LOCKOUT, {"role_suffices": False, "roles": ("user",), "messaging_enabled": None, **EMPTY}),
    (Code.HOOK_FIELDS_EMPTY, LOCKOUT, EMPTY),
    (Code.START_URL_MISSING, LOCKOUT, {"session_start_url": Leads.NOWHERE}),
    (Code.START_URL_ELSEWHERE, LOCKOUT, {"session_start_url": Leads.ELSEWHERE}),
    (Code.START_URL_ELSEWHERE, LOCKOUT, {"session_start_url": Leads.TO_ENTRA}),
    (Code.START_URL_NOT_HTTPS, LOCKOUT, {"session_start_url": Leads.NOT_HTTPS}),
    (Code.START_URL_WRONG_PATH, LOCKOUT, {"session_start_url": Leads.WRONG_PATH}),
    (Code.END_URL_MISSING, WARNING, {"session_end_url": Leads.NOWHERE}),
    (Code.END_URL_ELSEWHERE, WARNING, {"session_end_url": Leads.ELSEWHERE}),
    (Code.END_URL_NOT_HTTPS, WARNING, {"session_end_url": Leads.NOT_HTTPS}),
    (Code.END_URL_WRONG_PATH, WARNING, {"session_end_url": Leads.WRONG_PATH}),
    (Code.AUTHENTICATION_URL_ELSEWHERE, LOCKOUT,
     {"authentication_url": Leads.ELSEWHERE, "caller": Caller.NOT_JUDGED}),
    (Code.AUTHENTICATION_URL_NOT_HTTPS, LOCKOUT, {"authentication_url": Leads.NOT_HTTPS}),
    (Code.AUTHENTICATION_URL_WRONG_PATH, LOCKOUT, {"authentication_url": Leads.WRONG_PATH}),
    (Code.ENTRA_NOT_CONFIGURED, LOCKOUT, {"authentication_url": Leads.TO_ENTRA}),
    (Code.ENTRA_NOT_CHECKABLE, WARNING,
     {"authentication_url": Leads.TO_ENTRA, "caller": Caller.BY_ENTRA, "entra_configured": True}),
    (Code.PAYLOAD_MISSING, LOCKOUT, {"caller": Caller.NO_PAYLOAD}),
    (Code.PAYLOAD_UNREADABLE, LOCKOUT, {"caller": Caller.UNREADABLE}),
    (Code.CREDENTIAL_UNKNOWN, LOCKOUT, {"caller": Caller.UNKNOWN}),
    (Code.CREDENTIAL_SECRET_WRONG, LOCKOUT, {"caller": Caller.WRONG_SECRET}),
    (Code.CREDENTIAL_NOT_FOR_INSTALLATION, LOCKOUT, {"caller": Caller.OTHER_INSTALLATION}),
    (Code.ROTATION_UNFINISHED, NOTE, {"caller": Caller.BY_OLDER_SECRET}),
    (Code.NO_CHARGERS, LOCKOUT, {"chargers": Chargers(count=0)}),
    (Code.UNKNOWN_CHARGERS, WARNING, {"chargers": Chargers(count=3, unknown=("Bay 1",))}),
    (Code.CHARGERS_OFFLINE, WARNING, {"chargers": Chargers(count=3, offline=("Bay 1", "Bay 2", "Bay 3"))}),
    (Code.AUTHORIZATION_NOT_REQUIRED, WARNING, {"chargers": Chargers(count=3, open_to_all=("Bay 1",))}),
    (Code.NO_TOKENS, LOCKOUT, {"tokens": TokensHere.NONE_REGISTERED}),
    (Code.NO_TOKENS, NOTE, {"tokens": TokensHere.NONE_REGISTERED, "mode": Mode.OBSERVE}),
    (Code.NO_TOKENS, NOTE, {"tokens": TokensHere.NONE_REGISTERED, "mode": Mode.OPEN}),
    (Code.NO_TOKEN_MAY_CHARGE, LOCKOUT, {"tokens": TokensHere.NONE_VALID}),
    (Code.NO_TOKEN_MAY_CHARGE, WARNING, {"tokens": TokensHere.NONE_VALID, "mode": Mode.OBSERVE}),
    (Code.NO_TOKEN_MAY_CHARGE, WARNING, {"tokens": TokensHere.NONE_FOUND}),
    (Code.UNKNOWN_TOKENS_SEEN, WARNING, {"unknown_tokens_seen": 2, "mode": Mode.OBSERVE}),
    (Code.HOOKS_NOT_HEARD, WARNING, {"cars_unheard": 1}),
    (Code.WEB_HOOKS_OFF, NOTE, {"authentication_type": "native"}),
    (Code.OCPP, WARNING, {"authentication_type": "ocpp"}),
    (Code.OCPP_NATIVE, WARNING, {"authentication_type": "ocpp-native"}),
    (Code.AUTHENTICATION_TYPE_UNKNOWN, WARNING, {"authentication_type": None}),
    (Code.MESSAGING_DISABLED, WARNING, {"messaging_enabled": False}),
    (Code.STREAM_NOT_CONFIGURED, WARNING, {"streams": ()}),
    (Code.STREAM_NOT_LISTENING, WARNING, {"streams": (StreamNow(name="a"),)}),
    (Code.STREAM_SILENT, WARNING, {"streams": (StreamNow(name="a", received_at=NOON, silent=True),)}),
    (Code.ANOTHER_CONSUMER, WARNING, {"missed": MissedMark(at=NOON, observations=3)}),
    (Code.OUTAGE_REFUSES, NOTE, {"known": Installation(id=INSTALLATION)}),
]  # fmt: skip


def test_where_all_is_well_there_is_nothing_to_say() -> None:
    assert diagnose(WELL) == ()
    assert is_ready(())


@pytest.mark.parametrize(("code", "severity", "changes"), ALONE, ids=[f"{one[0]}-{one[1]}" for one in ALONE])
def test_each_state_has_an_answer_of_its_own(code: Code, severity: Severity, changes: dict[str, Any]) -> None:
    (finding,) = diagnose(facts(**changes))

    assert (finding.code, finding.severity) == (code, severity)
    assert is_ready((finding,)) is (severity is not LOCKOUT)


def test_there_is_no_code_without_a_state() -> None:
    assert {code for code, _, _ in ALONE} == set(Code)


def test_no_two_codes_are_told_in_the_same_words() -> None:
    sentences = {code: diagnose(facts(**changes))[0].sentence for code, _, changes in ALONE}
    assert len(set(sentences.values())) == len(Code)


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        pytest.param(
            {"account": Account.REFUSED, **BLIND, "tokens": TokensHere.NONE_REGISTERED},
            [Code.ZAPCLOUD_LOGIN_REFUSED, Code.NO_TOKENS],
            id="what cannot be seen is not guessed at, what is known here is told",
        ),
        pytest.param(
            {"role_suffices": False, "authentication_type": "native", **EMPTY, "chargers": None},
            [Code.ROLE_INSUFFICIENT, Code.WEB_HOOKS_OFF],
            id="fields that are not shown are not taken for empty",
        ),
        pytest.param(
            {**EMPTY, "session_end_url": Leads.TO_US},
            [Code.START_URL_MISSING, Code.PAYLOAD_MISSING],
            id="a field that is filled in shows that the others were forgotten",
        ),
        pytest.param(
            {"authentication_type": "native", "caller": Caller.WRONG_SECRET, "session_end_url": Leads.ELSEWHERE},
            [Code.CREDENTIAL_SECRET_WRONG, Code.END_URL_ELSEWHERE, Code.WEB_HOOKS_OFF],
            id="the gravest first",
        ),
        pytest.param(
            {"known": None, "mode": None, "tokens": TokensHere.NONE_REGISTERED, "unknown_tokens_seen": 3},
            [Code.INSTALLATION_UNKNOWN],
            id="an unknown installation has no mode to judge cards by",
        ),
        pytest.param(
            {"authentication_type": "native", "chargers": Chargers(count=1, open_to_all=("Bay 1",)), "cars_unheard": 1},
            [Code.WEB_HOOKS_OFF],
            id="while web hooks are off it is all right that nobody is asked",
        ),
        pytest.param({"unknown_tokens_seen": 3, "mode": Mode.OPEN}, [], id="open mode asks for no card"),
        pytest.param(
            {"messaging_enabled": False, "streams": (StreamNow(name="a", of_group=True, received_at=NOON),)},
            [],
            id="a user group's messages do not depend on the installation's own",
        ),
        pytest.param(
            {"tokens": TokensHere.NONE_REGISTERED, "unknown_tokens_seen": 3},
            [Code.NO_TOKENS, Code.UNKNOWN_TOKENS_SEEN],
            id="cards that are refused all day",
        ),
        pytest.param(
            {"authentication_url": Leads.TO_ENTRA, "caller": Caller.UNKNOWN},
            [Code.ENTRA_NOT_CONFIGURED, Code.CREDENTIAL_UNKNOWN],
            id="Entra, and an application nobody knows",
        ),
    ],
)
def test_what_is_told_together_and_in_which_order(changes: dict[str, Any], codes: list[Code]) -> None:
    assert [finding.code for finding in diagnose(facts(**changes))] == codes


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "Web hooks are on: a driver is let in with a registered card or a grant, and refused without."),
        (
            {"authentication_type": "native", "authorization_required": True, "mode": Mode.OBSERVE},
            "Web hooks are off: ZapCloud decides by its own list of users. If they were switched on as things are: "
            "every driver is let in, and zapbridge notes whom enforce mode would have refused.",
        ),
        (
            {"authentication_type": "native", "caller": Caller.UNKNOWN},
            "Web hooks are off: anybody charges without being asked. If they were switched on as things are: every "
            "driver is refused.",
        ),
        (
            {"authentication_type": "ocpp", **EMPTY},
            "Web hooks are off: another system decides, by OCPP. If they were switched on as things are: zapbridge is "
            "not asked who may charge.",
        ),
        ({"tokens": TokensHere.NONE_VALID}, "Web hooks are on: every card is refused."),
        ({"caller": Caller.WRONG_SECRET}, "Web hooks are on: every driver is refused."),
        (
            {"account": Account.NOT_CONFIGURED, **BLIND},
            "What would happen if web hooks were switched on now cannot be told: ZapCloud does not show the "
            "installation.",
        ),
        (
            {"role_suffices": False},
            "What would happen if web hooks were switched on now cannot be told: ZapCloud does not show enough of the "
            "installation.",
        ),
    ],
)
def test_what_it_comes_to_is_told_in_a_sentence(changes: dict[str, Any], told: str) -> None:
    found = facts(**changes)
    assert summary(found, diagnose(found)) == told


def test_of_many_chargers_some_are_named() -> None:
    names = tuple(f"Bay {number}" for number in range(1, 10))
    (few,) = diagnose(facts(chargers=Chargers(count=20, offline=names[:2])))
    (many,) = diagnose(facts(chargers=Chargers(count=20, offline=names)))
    assert "cannot reach Bay 1, Bay 2 now" in few.sentence
    assert "Bay 5 and 4 more" in many.sentence
    assert "Bay 6" not in many.sentence


names = st.lists(st.sampled_from(["Bay 1", "Bay 2", "Bay 3"]), unique=True).map(tuple)
portals = st.builds(
    Portal,
    name=st.just(""),
    roles=st.sampled_from([(), ("user",), ("user", "owner")]),
    role_suffices=st.booleans(),
    authentication_type=st.sampled_from([None, "native", "web-hooks", "ocpp", "ocpp-native"]),
    authorization_required=st.none() | st.booleans(),
    messaging_enabled=st.none() | st.booleans(),
    session_start_url=st.sampled_from(Leads),
    session_end_url=st.sampled_from(Leads),
    authentication_url=st.sampled_from(Leads),
    caller=st.sampled_from(Caller),
)
chargers = st.builds(Chargers, count=st.just(3), unknown=names, offline=names, open_to_all=names)
knowledge = st.tuples(st.just(Installation(id=INSTALLATION)), st.sampled_from(Mode)) | st.just((None, None))


@st.composite
def any_facts(draw: st.DrawFn) -> Facts:
    account = draw(st.sampled_from(Account))
    portal = draw(st.none() | portals) if account is Account.WORKS else None
    known, mode = draw(knowledge)
    return Facts(
        installation_id=INSTALLATION,
        expected=OURS,
        account=account,
        known=known,
        mode=mode,
        portal=portal,
        chargers=draw(chargers) if portal and portal.role_suffices else None,
        tokens=draw(st.sampled_from(TokensHere)),
        unknown_tokens_seen=draw(st.integers(0, 3)),
        streams=draw(st.sampled_from([(), WELL.streams])),
        cars_unheard=draw(st.integers(0, 2)),
        entra_configured=draw(st.booleans()),
    )


@given(any_facts())
def test_whatever_the_facts_nothing_is_called_ready_that_would_lock_drivers_out(found: Facts) -> None:
    findings = diagnose(found)
    portal = found.portal
    let_in = (
        portal is not None
        and portal.role_suffices
        and found.known is not None
        and portal.session_start_url is Leads.TO_US
        and portal.authentication_url in {Leads.NOWHERE, Leads.TO_US, Leads.TO_ENTRA}
        and (portal.authentication_url is not Leads.TO_ENTRA or found.entra_configured)
        and portal.caller in {Caller.BELIEVED, Caller.BY_OLDER_SECRET, Caller.BY_ENTRA, Caller.NOT_JUDGED}
        and (found.mode is not Mode.ENFORCE or found.tokens in {TokensHere.SOME, TokensHere.NONE_FOUND})
    )
    assert is_ready(findings) is let_in
    assert ("is let in" in summary(found, findings)) is let_in
    assert len({finding.code for finding in findings}) == len(findings)
    ranks = [list(Severity).index(finding.severity) for finding in findings]
    assert ranks == sorted(ranks)


@given(any_facts())
def test_every_finding_is_in_whole_sentences(found: Facts) -> None:
    for finding in diagnose(found):
        for text in (finding.sentence, finding.remedy):
            assert text.endswith(".")
            assert "  " not in text
            assert "None" not in text
            assert ".." not in text
    assert msgspec.json.encode(found)
