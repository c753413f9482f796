"""Who a caller is, whichever way they prove it."""

import base64
from typing import Any
from urllib.parse import urlencode

import pytest

from shared.errors import StorageUnavailable, Unauthenticated
from shared.security.access_tokens import TokenService
from shared.security.entra import EntraTokens
from shared.security.hook_credentials import HookCredentials, digest_of
from shared.security.principal import Principal
from shared.security.validator import OPERATOR_ROLE, Validator
from shared.storage.credentials import Credentials, HookCredential
from shared.storage.table import Tables
from tests.conftest import IDENTITY_KEY, HandClock

HERE = ("1b0d3c0e-0000-4000-8000-000000000001",)
THERE = "1b0d3c0e-0000-4000-8000-000000000002"
APP = "5d3f1c5e-0000-4000-8000-00000000000a"


@pytest.fixture
def service(clock: HandClock, credentials: HookCredentials) -> TokenService:
    return TokenService(clock.now, IDENTITY_KEY, credentials)


@pytest.fixture
def validator(credentials: HookCredentials, service: TokenService, entra: EntraTokens) -> Validator:
    return Validator(credentials, service, entra)


def basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


async def test_basic_a_token_of_ours_and_one_of_entra_name_the_same_caller(
    validator: Validator, credentials: HookCredentials, service: TokenService, tenant: Any, claims: dict[str, Any]
) -> None:
    _, secret = await credentials.create("zapcloud", HERE)
    assert secret
    form = urlencode({"grant_type": "password", "username": "zapcloud", "password": secret}).encode()
    token = await service.issue(form, None)

    for header in (basic("zapcloud", secret), f"Bearer {token}", f"bearer  {token} "):
        assert await validator.hook_caller(header) == Principal("zapcloud", HERE)

    await credentials.create("entra", (THERE,), entra_app_id=APP)
    assert await validator.hook_caller(f"Bearer {tenant.sign(claims)}") == Principal("entra", (THERE,))


async def test_whoever_proves_nothing_is_refused(
    validator: Validator, credentials: HookCredentials, tenant: Any, claims: dict[str, Any]
) -> None:
    _, secret = await credentials.create("zapcloud", HERE)

    for header in (
        None,
        "",
        basic("zapcloud", "wrong"),
        basic("nobody", secret or ""),
        "Basic nonsense",
        "Bearer",
        "Bearer ",
        "Bearer x",
        f"Bearer {secret}",
        f"Digest {secret}",
        f"Bearer {tenant.sign(claims)}",
        f"Bearer {tenant.sign(claims, 'strangers')}",
    ):
        with pytest.raises(Unauthenticated) as refused:
            await validator.hook_caller(header)
        assert secret not in str(refused.value)


async def test_without_entra_its_tokens_mean_nothing(
    credentials: HookCredentials, service: TokenService, tenant: Any, claims: dict[str, Any]
) -> None:
    validator = Validator(credentials, service, None)

    with pytest.raises(Unauthenticated):
        await validator.hook_caller(f"Bearer {tenant.sign(claims)}")
    with pytest.raises(Unauthenticated):
        await validator.require_operator(f"Bearer {tenant.sign(claims)}")


async def test_an_operator_holds_the_role_in_an_entra_token(
    validator: Validator, credentials: HookCredentials, service: TokenService, tenant: Any, claims: dict[str, Any]
) -> None:
    assert OPERATOR_ROLE == "Zapbridge.Operator"
    await validator.require_operator(f"Bearer {tenant.sign(claims)}")

    _, secret = await credentials.create("zapcloud", ("*",))
    assert secret
    form = urlencode({"grant_type": "password", "username": "zapcloud", "password": secret}).encode()
    for header in (
        None,
        "",
        basic("zapcloud", secret),
        f"Bearer {await service.issue(form, None)}",
        f"Bearer {tenant.sign(claims | {'roles': []})}",
        f"Bearer {tenant.sign(claims | {'roles': ['zapbridge.operator', 'Zapbridge.Operators']})}",
        f"Bearer {tenant.sign({name: value for name, value in claims.items() if name != 'roles'})}",
        f"Bearer {tenant.sign(claims, 'strangers')}",
    ):
        with pytest.raises(Unauthenticated):
            await validator.require_operator(header)


async def test_the_id_of_an_entra_application_may_be_written_in_capitals(
    validator: Validator, credentials: HookCredentials, tenant: Any, claims: dict[str, Any]
) -> None:
    await credentials.create("entra", HERE, entra_app_id=APP.upper())

    assert await validator.hook_caller(f"Bearer {tenant.sign(claims)}") == Principal("entra", HERE)


async def test_while_storage_is_down_the_settings_credentials_are_told_from_strangers(
    clock: HandClock, down: Tables
) -> None:
    one = HookCredential(name="spare", installations=HERE, sha256=(digest_of("s"),))
    credentials = HookCredentials(clock.now, Credentials(down), (one,))
    validator = Validator(credentials, TokenService(clock.now, IDENTITY_KEY, credentials), None)

    assert await validator.hook_caller(basic("spare", "s")) == Principal("spare", HERE)
    with pytest.raises(Unauthenticated):
        await validator.hook_caller("Bearer x")
    for unknown in (basic("spare", "wrong"), basic("in the table", "s")):
        with pytest.raises(StorageUnavailable):
            await validator.hook_caller(unknown)


def test_a_principal_speaks_for_its_own_installations() -> None:
    one, two, everywhere, nowhere = (Principal("p", places) for places in (HERE, (*HERE, THERE), ("*",), ()))

    assert [p.may_speak_for(HERE[0]) for p in (one, two, everywhere, nowhere)] == [True, True, True, False]
    assert [p.may_speak_for(THERE) for p in (one, two, everywhere, nowhere)] == [False, True, True, False]
    assert [p.only_installation for p in (one, two, everywhere, nowhere)] == [HERE[0], None, None, None]
    assert not one.may_speak_for("")
