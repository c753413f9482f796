"""What meters signed is checked with the key the charger tells, and counts where the signature is valid."""

import pytest

from shared.billing.local_clock import Interval
from shared.sessions.energy import intervals_of
from shared.sessions.flags import Flag
from shared.sessions.view import Event, Source
from simulator.faults import Fault
from tests.sessions.cloudsite import HOUR, CloudSite


@pytest.fixture
async def site(cloud_site: CloudSite) -> CloudSite:
    await cloud_site.sign()
    return cloud_site


async def test_a_valid_signature_is_found_with_the_key_the_charger_tells(site: CloudSite) -> None:
    await site.observe_key()
    session_id = await site.charge(hours=1.5)
    await site.reconcile()
    view = await site.view(session_id)
    assert (view.signature, view.source, view.energy_kwh) == ("valid", Source.SIGNED_METER_VALUE, 16.5)
    assert (await site.listed())[session_id].signature == "valid"
    parts = intervals_of(view, "Europe/Oslo", Interval.QUARTER_HOUR)
    assert [float(part.energy_kwh) for part in parts] == [2.75] * 6
    assert not any(part.estimated for part in parts)


async def test_without_a_key_it_is_said_so_and_looked_at_again_once_there_is_one(site: CloudSite) -> None:
    session_id = await site.charge()
    await site.reconcile()
    assert (await site.view(session_id)).signature == "no-key"
    await site.observe_key()
    await site.client.advance(25 * HOUR)
    await site.reconcile()
    assert (await site.view(session_id)).signature == "valid"


async def test_a_broken_signature_counts_for_nothing_and_is_told(
    site: CloudSite, caplog: pytest.LogCaptureFixture
) -> None:
    await site.observe_key()
    await site.client.set_faults({"signature-broken": Fault(next=1)})
    session_id = await site.charge()
    await site.reconcile()
    view = await site.view(session_id)
    assert (view.signature, view.source, view.energy_kwh) == ("invalid", Source.CHARGE_HISTORY, 11.0)
    assert Flag.SIGNATURE_INVALID in view.flags
    assert "session.signature_invalid" in caplog.text


async def test_a_signature_judged_by_a_wrong_key_is_judged_again_by_the_right_one(site: CloudSite) -> None:
    other = await site.client.add_installation("Other", 1, device_type=1)
    await site.observe_key(other.chargers[0].id)
    session_id = await site.charge()
    await site.reconcile()
    assert (await site.view(session_id)).signature == "invalid"
    await site.observe_key(hours=1)
    await site.client.advance(25 * HOUR)
    await site.reconcile()
    assert (await site.view(session_id)).signature == "valid"


async def test_what_the_meter_signed_stands_over_charge_history(site: CloudSite) -> None:
    await site.observe_key()
    await site.client.set_faults({"signed-differs": Fault(next=1)})
    session_id = await site.charge()
    await site.reconcile()
    view = await site.view(session_id)
    assert (view.signature, view.energy_kwh, view.contradicted) == ("valid", 12.234, True)


async def test_a_document_nobody_can_check_that_says_another_energy_is_a_contradiction(site: CloudSite) -> None:
    await site.client.set_faults({"signed-differs": Fault(next=1)})
    session_id = await site.charge()
    await site.reconcile()
    view = await site.view(session_id)
    assert (view.signature, view.energy_kwh, view.contradicted) == ("no-key", 11.0, True)
    assert Flag.CONTRADICTED in (await site.listed())[session_id].flags


async def test_a_meter_that_does_not_sign_is_said_to_be_unsigned(cloud_site: CloudSite) -> None:
    session_id = await cloud_site.charge()
    await cloud_site.reconcile()
    view = await cloud_site.view(session_id)
    assert view.signature == "unsigned"
    assert not any(fact.event == Event.ASSESSED for fact in view.timeline)


async def test_a_document_that_should_have_been_signed_is_found_out_by_the_key(site: CloudSite) -> None:
    await site.observe_key()
    site.world.charger(site.chargers[0]).meter_key = None
    session_id = await site.charge()
    await site.reconcile()
    view = await site.view(session_id)
    assert (view.signature, view.source, view.energy_kwh) == ("unsigned", Source.CHARGE_HISTORY, 11.0)
    (assessment,) = [fact.data for fact in view.timeline if fact.event == Event.ASSESSED]
    assert assessment["findings"] == ["The charger's meter has a key to sign with, and did not sign this."]
