"""Tokens that several processes share: none is spent twice or lost, whatever fails; and where they may lead."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shared.errors import SecretStoreUnavailable, ZapCloudError, ZapCloudUnavailable
from shared.security.secrets import FileSecrets
from shared.storage.streams import StreamRecords
from shared.storage.table import Tables
from shared.stream import StreamAddress
from shared.zapcloud.connection import address_of
from shared.zapcloud.login import SECRET, Account, Login, Tokens
from tests.conftest import HandClock

AHEAD = timedelta(minutes=10)
DETAILS = {
    "host": "zap.servicebus.windows.net",
    "username": "reader",
    "password": "key=",
    "topic": "installation_1",
    "subscription": "default",
}


class Store(FileSecrets):
    """A process's way to the secrets; cut off while `down`."""

    down = False

    async def get(self, name: str) -> str | None:
        self._must_be_up()
        return await super().get(name)

    async def set(self, name: str, value: str) -> None:
        self._must_be_up()
        await super().set(name, value)

    async def tokens(self) -> Tokens:
        return msgspec.json.decode(await self.get(SECRET) or "", type=Tokens)

    def _must_be_up(self) -> None:
        if self.down:
            raise SecretStoreUnavailable("the secret store is down")


class TokenService:
    """Gives tokens r1, r2 and so on, each good for one use; `cut_off` goes down with the next answer it gives."""

    def __init__(self) -> None:
        self.grants: list[str] = []
        self.used: list[str] = []
        self.gateway_times_out = False
        self.cut_off: Store | None = None

    async def post(self, form: Mapping[str, str]) -> tuple[int, Any]:
        refresh = form.get("refresh_token")
        if refresh is not None:
            known = refresh in self.used
            self.used.append(refresh)
            if known:
                return 400, {"error": "invalid_grant"}
        if self.gateway_times_out:
            return 504, None
        if self.cut_off:
            self.cut_off.down = True
        self.grants.append(form["grant_type"])
        number = len(self.grants)
        return 200, {"access_token": f"a{number}", "refresh_token": f"r{number}", "expires_in": 3600}


@pytest.fixture
def service() -> TokenService:
    return TokenService()


def process(service: TokenService, tables: Tables, clock: HandClock, folder: Path) -> tuple[Login, Store]:
    store = Store(folder / "secrets.json")
    account = Account("owner@example.test", "simulated", "refresh")
    return Login(clock.now, account, service.post, store, StreamRecords(tables)), store


async def test_a_token_that_could_not_be_stored_does_not_replace_one_that_another_process_got_since(
    service: TokenService, tables: Tables, clock: HandClock, tmp_path: Path
) -> None:
    first, first_store = process(service, tables, clock, tmp_path)
    second, store = process(service, tables, clock, tmp_path)
    await first.renew_if_due(timedelta(0))
    clock.advance(3500)
    service.cut_off = first_store
    with pytest.raises(ZapCloudUnavailable):
        await first.renew_if_due(AHEAD)
    service.cut_off = None

    clock.advance(300)
    await second.renew_if_due(AHEAD)
    assert service.grants == ["password", "refresh_token", "password"], "the stored one may have been spent"
    clock.advance(3000)
    await second.renew_if_due(AHEAD)
    assert (await store.tokens()).refresh == "r4"

    clock.advance(60)
    first_store.down = False
    await first.renew_if_due(AHEAD)
    assert (await store.tokens()).refresh == "r4"
    assert service.used == ["r1", "r3"]


async def test_a_token_that_could_not_be_stored_is_stored_first_thing_where_nobody_got_another(
    service: TokenService, tables: Tables, clock: HandClock, tmp_path: Path
) -> None:
    login, store = process(service, tables, clock, tmp_path)
    await login.renew_if_due(timedelta(0))
    clock.advance(3500)
    service.cut_off = store
    with pytest.raises(ZapCloudUnavailable):
        await login.renew_if_due(AHEAD)
    store.down = False
    clock.advance(300)
    assert not await login.renew_if_due(AHEAD)
    assert (await store.tokens()).refresh == "r2"
    assert service.grants == ["password", "refresh_token"]


async def test_a_token_that_may_have_been_used_up_behind_a_gateway_is_not_used_again(
    service: TokenService, tables: Tables, clock: HandClock, tmp_path: Path
) -> None:
    login, store = process(service, tables, clock, tmp_path)
    await login.renew_if_due(timedelta(0))
    clock.advance(3500)
    service.gateway_times_out = True
    with pytest.raises(ZapCloudUnavailable):
        await login.renew_if_due(AHEAD)
    service.gateway_times_out = False
    clock.advance(300)
    await login.renew_if_due(AHEAD)
    assert service.used == ["r1"]
    assert service.grants == ["password", "password"]
    assert not (await store.tokens()).spent


@pytest.mark.parametrize(
    "host",
    [
        "zap.servicebus.windows.net",
        "Zap.ServiceBus.Windows.Net",
        "zap.servicebus.usgovcloudapi.net",
        "zap.servicebus.chinacloudapi.cn",
    ],
)
@pytest.mark.parametrize("simulated", [False, True])
def test_details_that_lead_to_azure_service_bus_are_followed(host: str, simulated: bool) -> None:
    expected = f"Endpoint=sb://{host}/;SharedAccessKeyName=reader;SharedAccessKey=key="
    found = address_of(DETAILS | {"host": host}, simulated=simulated)
    assert found == StreamAddress(expected, "installation_1", "default")


@pytest.mark.parametrize("simulated", [False, True])
@pytest.mark.parametrize(
    "changes",
    [
        {"host": "evil.example.test"},
        {"host": "servicebus.windows.net"},
        {"host": "zap.servicebus.windows.net.evil.test"},
        {"host": "evilservicebus.windows.net"},
        {"host": "10.0.0.4", "port": 5672},
        {"host": "evil.test/.servicebus.windows.net"},
        {"host": "evil.test;x=.servicebus.windows.net"},
        {"host": "127.0.0.1"},
        {"host": ""},
        {"host": None},
        {"username": "reader;SharedAccessSignature=x"},
        {"password": "key\nEndpoint=sb://evil.test/"},
        {"topic": ""},
    ],
)
def test_details_that_lead_elsewhere_or_fit_into_no_connection_string_are_refused(
    changes: dict[str, Any], simulated: bool
) -> None:
    with pytest.raises(ZapCloudError, match="connection details"):
        address_of(DETAILS | changes, simulated=simulated)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_followed_only_where_zapcloud_is_on_it(host: str) -> None:
    details = DETAILS | {"host": host, "port": 5672}
    assert address_of(details, simulated=True).connection.startswith(f"Endpoint=sb://{host}:5672;")
    with pytest.raises(ZapCloudError, match="elsewhere"):
        address_of(details, simulated=False)
