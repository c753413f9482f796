"""What meters signed is checked with the key the charger tells, and counts where the signature is valid."""

from datetime import timedelta

import pytest

from shared.billing.local_clock import Interval
from shared.observations.folding import fold as fold_observations
from shared.observations.observation import Observation
from shared.sessions.energy import intervals_of
from shared.sessions.flags import Flag
from shared.sessions.view import Event, Source
from shared.storage.installations import Installation
from simulator.faults import Fault
from tests.conftest import MONDAY_MORNING
from tests.sessions.cloudsite import HOUR, CloudSite


@pytest.fixture
async def site(cloud_site: CloudSite) -> CloudSite:
    """Its only charger has a meter that signs (Pro MID)."""
    view = await cloud_site.client.add_installation("Signed", 1, device_type=1)
    await cloud_site.services.installations.put(Installation(id=view.id))
    cloud_site.installation, cloud_site.chargers = view.id, [view.chargers[0].id]
    await cloud_site.services.directory.reload(view.id)
    return cloud_site


async def observe_key(site: CloudSite, of_charger: str = "", hours: float = 0) -> None:
    """The charger tells its key, or another's."""
    key = site.world.charger(of_charger or site.chargers[0]).states[981].value
    told_at = MONDAY_MORNING + timedelta(hours=hours)
    await site.services.streams.intake.keep(
        fold_observations([Observation(site.chargers[0], 981, told_at, key, device_type=1)])
    )


async def test_a_valid_signature_is_found_with_the_key_the_charger_tells(site: CloudSite) -> None:
    await observe_key(site)
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
    await observe_key(site)
    await site.client.advance(25 * HOUR)
    await site.reconcile()
    assert (await site.view(session_id)).signature == "valid"


async def test_a_broken_signature_counts_for_nothing_and_is_told(
    site: CloudSite, caplog: pytest.LogCaptureFixture
) -> None:
    await observe_key(site)
    await site.client.set_faults({"signature-broken": Fault(next=1)})
    session_id = await site.charge()
    await site.reconcile()
    view = await site.view(session_id)
    assert (view.signature, view.source, view.energy_kwh) == ("invalid", Source.CHARGE_HISTORY, 11.0)
    assert Flag.SIGNATURE_INVALID in view.flags
    assert "session.signature_invalid" in caplog.text


async def test_a_signature_judged_by_a_wrong_key_is_judged_again_by_the_right_one(site: CloudSite) -> None:
    other = await site.client.add_installation("Other", 1, device_type=1)
    await observe_key(site, other.chargers[0].id)
    session_id = await site.charge()
    await site.reconcile()
    assert (await site.view(session_id)).signature == "invalid"
    await observe_key(site, hours=1)
    await site.client.advance(25 * HOUR)
    await site.reconcile()
    assert (await site.view(session_id)).signature == "valid"


async def test_what_the_meter_signed_stands_over_charge_history(site: CloudSite) -> None:
    await observe_key(site)
    await site.client.set_faults({"signed-differs": Fault(next=1)})
    session_id = await site.charge()
    await site.reconcile()
    view = await site.view(session_id)
    assert (view.signature, view.energy_kwh, view.contradicted) == ("valid", 12.234, True)


async def test_a_meter_that_does_not_sign_is_said_to_be_unsigned(cloud_site: CloudSite) -> None:
    session_id = await cloud_site.charge()
    await cloud_site.reconcile()
    view = await cloud_site.view(session_id)
    assert view.signature == "unsigned"
    assert not any(fact.event == Event.ASSESSED for fact in view.timeline)


async def test_a_document_that_should_have_been_signed_is_found_out_by_the_key(site: CloudSite) -> None:
    await observe_key(site)
    site.world.charger(site.chargers[0]).meter_key = None
    session_id = await site.charge()
    await site.reconcile()
    view = await site.view(session_id)
    assert (view.signature, view.source, view.energy_kwh) == ("unsigned", Source.CHARGE_HISTORY, 11.0)
    (assessment,) = [fact.data for fact in view.timeline if fact.event == Event.ASSESSED]
    assert assessment["findings"] == ["The charger's meter has a key to sign with, and did not sign this."]
