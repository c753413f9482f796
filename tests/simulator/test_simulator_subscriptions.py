"""Connection details open a message subscription, and go bad in all the ways in which they do in the field."""

import asyncio
from datetime import timedelta

import pytest
from azure.servicebus.exceptions import (
    MessagingEntityDisabledError,
    ServiceBusAuthenticationError,
    ServiceBusAuthorizationError,
)

from simulator.client import RefusedError
from simulator.faults import Fault
from tests.simulator.consumer import attached, consuming

UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def site(simulator, site):
    """The site with messages, and chargers that do not report by themselves."""
    await simulator.change_settings(telemetry_every_s=0, pulse_every_s=0, signed_every_s=0)
    await simulator.advance(1)
    return await simulator.configure(site.id, messagingEnabled=True)


@pytest.fixture
def path(site):
    return f"/api/installation/{site.id}/messagingConnectionDetails"


async def stream(simulator):
    return (await simulator.service_bus()).items[0]


def connection_string(details: dict) -> str:
    return (
        f"Endpoint=sb://{details['Host']}:{details['Port']};SharedAccessKeyName={details['Username']};"
        f"SharedAccessKey={details['Password']};UseDevelopmentEmulator=true;"
    )


async def test_details_have_the_apis_form_and_open_the_subscription(simulator, rest, site, path):
    details = (await rest.get(path)).json()
    name = f"installation_{site.id}"
    assert details == {
        "Type": 0,
        "Host": "127.0.0.1",
        "Port": (await simulator.service_bus()).port,
        "UseSSL": False,
        "Username": name,
        "Password": details["Password"],
        "Topic": name,
        "Subscription": "default",
    }
    view = await stream(simulator)
    assert view.connection_string == connection_string(details)
    async with consuming(view, connection_string(details)) as consumer:
        await simulator.plug(site.chargers[0].id)
        assert consumer.values(710) == ["2"]


async def test_details_of_a_user_group(simulator, rest, site):
    group = await simulator.add_user_group("Everything", site.id)
    details = (await rest.get(f"/api/userGroups/{group.id.upper()}/messagingConnectionDetails")).json()
    assert (details["Username"], details["Topic"]) == (f"usergroup_{group.id}", f"usergroup_{group.id}")
    with pytest.raises(RefusedError, match="no installation"):
        await simulator.add_user_group("Nothing", UNKNOWN)


async def test_who_asks_in_vain(simulator, rest, site, path):
    mute = await simulator.add_installation("Mute")
    without = await rest.get(f"/api/installation/{mute.id}/messagingConnectionDetails")
    assert (without.status_code, without.json()["Code"]) == (500, 526)
    unknown = await rest.get(f"/api/installation/{UNKNOWN}/messagingConnectionDetails")
    assert (unknown.status_code, unknown.json()["Code"]) == (500, 540)
    unknown = await rest.get(f"/api/userGroups/{UNKNOWN}/messagingConnectionDetails")
    assert (unknown.status_code, unknown.json()["Code"]) == (500, 512)
    await simulator.set_faults({name: Fault(next=1) for name in ("details-403", "details-204", "details-500")})
    answers = [await rest.get(path) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [403, 204, 500, 200]
    assert answers[1].content == b""
    await simulator.change_settings(details_role=False)
    assert (await rest.get(path)).status_code == 403


async def test_an_old_key_is_refused_at_once_and_the_new_one_is_not(simulator, rest, site, path):
    old = await stream(simulator)
    await simulator.rotate_messaging(site.id)
    with pytest.raises(ServiceBusAuthenticationError):
        await attach(old)
    new = await stream(simulator)
    assert (new.topic, new.subscription) == (old.topic, old.subscription)
    assert new.connection_string != old.connection_string
    assert (await rest.get(path)).json()["Password"] in new.connection_string
    await attach(new)


async def test_links_under_an_old_key_fall_silent_after_fifteen_to_twenty_minutes(simulator, site):
    charger = site.chargers[0].id
    async with consuming(await stream(simulator)) as consumer:
        await simulator.rotate_messaging(site.id)
        await simulator.advance(15 * 60)
        await simulator.plug(charger)
        assert consumer.values(710) == ["2"]
        await simulator.advance(5 * 60)
        await simulator.unplug(charger)
        async with consuming(await stream(simulator)) as renewed:
            await renewed.wait_for(1)
            assert renewed.values(710) == ["1"]
        assert consumer.values(710) == ["2"]
        assert consumer.error is None


async def test_silence_may_come_at_once(simulator, site):
    async with consuming(await stream(simulator)) as consumer:
        await simulator.rotate_messaging(site.id, silent_after_s=0)
        await simulator.plug(site.chargers[0].id)
        counts = (await stream(simulator)).counts
        assert (counts.waiting, counts.listeners) == (1, 0)
        assert (consumer.received, consumer.error) == ([], None)


async def test_links_under_an_old_key_may_be_detached(simulator, site):
    async with consuming(await stream(simulator)) as consumer:
        await simulator.rotate_messaging(site.id, detach=True)
        async with asyncio.timeout(20):
            await consumer.came.wait()
        assert isinstance(consumer.error, ServiceBusAuthorizationError)


async def test_topic_and_subscription_may_change_too(simulator, rest, site, path):
    old = await stream(simulator)
    new = await simulator.rotate_messaging(site.id, topic=True)
    assert new.topic != old.topic
    assert new.subscription != old.subscription
    details = (await rest.get(path)).json()
    assert (details["Topic"], details["Subscription"]) == (new.topic, new.subscription)
    with pytest.raises(ServiceBusAuthenticationError):
        await attach(old)
    async with consuming(new) as consumer:
        await simulator.plug(site.chargers[0].id)
        assert consumer.values(710) == ["2"]


async def test_a_disabled_subscription_keeps_nothing_until_somebody_asks_for_its_details(simulator, rest, site, path):
    charger = site.chargers[0].id
    disabled = await simulator.disable_messaging(site.id)
    assert not disabled.enabled
    with pytest.raises(MessagingEntityDisabledError):
        await attach(disabled)
    await simulator.plug(charger)
    assert (await simulator.truth()).counts == {"not_kept": 1}
    details = (await rest.get(path)).json()
    assert details["Password"] not in disabled.connection_string
    with pytest.raises(ServiceBusAuthenticationError):
        await attach(disabled)
    async with consuming(await stream(simulator)) as consumer:
        await simulator.unplug(charger)
        assert consumer.values(710) == ["1"]


async def test_messaging_switched_off_and_on_again_works_at_once(simulator, site):
    old = await stream(simulator)
    await simulator.configure(site.id, messagingEnabled=False)
    assert (await simulator.service_bus()).items == []
    await simulator.configure(site.id, messagingEnabled=True)
    with pytest.raises(ServiceBusAuthenticationError):
        await attach(old)
    await attach(await stream(simulator))


async def test_a_subscription_that_nobody_uses_is_disabled_after_14_days(simulator, rest, site, path):
    await simulator.advance(timedelta(days=14).total_seconds() - 1)
    assert (await stream(simulator)).enabled
    await simulator.advance(1)
    assert not (await stream(simulator)).enabled
    form = {"grant_type": "password", "username": "owner@example.test", "password": "simulated"}
    token = (await rest.post("/oauth/token", data=form)).json()["access_token"]
    assert (await rest.get(path, headers={"Authorization": f"Bearer {token}"})).status_code == 200
    assert (await stream(simulator)).enabled


async def test_a_subscription_in_use_stays_enabled(simulator, site):
    async with consuming(await stream(simulator)):
        for _ in range(20):
            await simulator.plug(site.chargers[0].id)
            await simulator.unplug(site.chargers[0].id)
            await simulator.advance(timedelta(days=1).total_seconds())
        assert (await stream(simulator)).enabled


async def attach(view) -> None:
    """Open a receiver; raises what the SDK makes of a refusal."""
    async with attached(view) as receiver:
        await receiver.receive_messages(1, max_wait_time=0.2)
