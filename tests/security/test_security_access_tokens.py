"""The built-in token service: RFC 6749's grants and refusals, and tokens that hold only as long as their secret."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest

from shared.errors import StorageUnavailable
from shared.security import access_tokens
from shared.security.access_tokens import LIFETIME, GrantRefused, TokenService, basic_credential
from shared.security.hook_credentials import HookCredentials, digest_of
from shared.storage.credentials import Credentials, HookCredential
from shared.storage.table import Tables
from tests.conftest import IDENTITY_KEY, HandClock

HERE = ("1b0d3c0e-0000-4000-8000-000000000001",)
KEY = hmac.new(IDENTITY_KEY.encode(), b"access-tokens", hashlib.sha256).digest()


@pytest.fixture
def service(clock: HandClock, credentials: HookCredentials) -> TokenService:
    return TokenService(clock.now, IDENTITY_KEY, credentials)


@pytest.fixture
async def secret(credentials: HookCredentials) -> str:
    _, made = await credentials.create("zapcloud", HERE)
    assert made
    return made


def password(secret: str, **changes: str) -> bytes:
    return urlencode({"grant_type": "password", "username": "zapcloud", "password": secret} | changes).encode()


def basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


async def granted(service: TokenService, token: str) -> bool:
    principal = await service.principal(token)
    assert principal is None or (principal.name, principal.installations) == ("zapcloud", HERE)
    return principal is not None


async def test_each_grant_gives_a_token_that_names_its_caller(service: TokenService, secret: str) -> None:
    client = urlencode({"grant_type": "client_credentials", "client_id": "zapcloud", "client_secret": secret}).encode()
    forms: list[tuple[bytes, str | None]] = [
        (password(secret), None),
        (password(secret, scope="offline_access", ignored=""), None),
        (client, None),
        (b"grant_type=client_credentials", basic("zapcloud", secret)),
    ]
    for form, authorization in forms:
        assert await granted(service, await service.issue(form, authorization))


@pytest.mark.parametrize(
    ("form", "code"),
    [
        (b"", "invalid_request"),
        (b"\xff", "invalid_request"),
        (b"not a form", "invalid_request"),
        (b'{"grant_type": "password"}', "invalid_request"),
        (b"username=zapcloud&password=x", "invalid_request"),
        (b"grant_type=password", "invalid_request"),
        (b"grant_type=password&username=zapcloud&password=", "invalid_request"),
        (b"grant_type=client_credentials&client_id=zapcloud", "invalid_request"),
        (b"grant_type=password&username=zapcloud&password=" + b"x" * 17000, "invalid_request"),
        (b"grant_type=password&" + b"&".join(b"a=b" for _ in range(30)), "invalid_request"),
        (b"grant_type=refresh_token&refresh_token=x", "unsupported_grant_type"),
        (b"grant_type=&username=zapcloud&password=x", "unsupported_grant_type"),
        (b"grant_type=password&username=zapcloud&password=wrong", "invalid_grant"),
        (b"grant_type=password&username=nobody&password=wrong", "invalid_grant"),
        (b"grant_type=client_credentials&client_id=zapcloud&client_secret=wrong", "invalid_client"),
    ],
)
async def test_a_refusal_has_the_code_of_rfc_6749(service: TokenService, secret: str, form: bytes, code: str) -> None:
    with pytest.raises(GrantRefused) as refused:
        await service.issue(form, None)
    assert refused.value.code == code
    assert secret not in str(refused.value)


async def test_a_password_with_any_characters_survives_the_form(clock: HandClock, tables: Tables) -> None:
    awkward = "a+b &=%#ä\U0001f50c"
    one = HookCredential(name="zapcloud", installations=HERE, sha256=(digest_of(awkward),))
    service = TokenService(clock.now, IDENTITY_KEY, HookCredentials(clock.now, Credentials(tables), (one,)))

    assert await granted(service, await service.issue(password(awkward), None))
    assert await granted(service, await service.issue(b"grant_type=client_credentials", basic("zapcloud", awkward)))


async def test_a_token_holds_for_its_lifetime_by_the_clock(
    clock: HandClock, service: TokenService, secret: str
) -> None:
    token = await service.issue(password(secret), None)

    clock.advance(LIFETIME.total_seconds() - 1)
    assert await granted(service, token)
    clock.advance(1)
    assert not await granted(service, token)


async def test_a_token_ends_with_the_secret_it_was_issued_for(
    clock: HandClock, service: TokenService, credentials: HookCredentials, secret: str
) -> None:
    old = await service.issue(password(secret), None)
    new = await service.issue(password(await credentials.rotate("zapcloud")), None)
    assert [await granted(service, token) for token in (old, new)] == [True, True]

    await credentials.retire("zapcloud")
    assert [await granted(service, token) for token in (old, new)] == [False, True]

    await credentials.delete("zapcloud")
    assert not await granted(service, new)


async def test_a_token_tells_neither_the_secret_nor_its_digest(service: TokenService, secret: str) -> None:
    token = await service.issue(password(secret), None)

    shown = json.dumps(jwt.decode(token, options={"verify_signature": False})) + token
    assert secret not in shown
    assert digest_of(secret) not in shown


def forged(claims: dict[str, Any], key: Any = KEY, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, key, algorithm=algorithm)


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_a_token_that_was_touched_or_made_by_others_is_nobodys(
    clock: HandClock, service: TokenService, secret: str
) -> None:
    token = await service.issue(password(secret), None)
    header, body, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False})
    assert await granted(service, forged(claims)), "what follows is refused for its one difference"
    far = int((clock.now() + timedelta(days=9)).timestamp())
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")

    for touched in (
        forged(claims, b"another key, of 32 bytes or more."),
        forged(claims, KEY, "HS512"),
        f"{unsigned}.{body}.",
        f"{unsigned}.{body}.{signature}",
        f"{header}.{body}.{signature[:-4]}AAAA",
        f"{header}.{body}.",
        f"{header}.{jwt.encode(claims | {'exp': far}, 'x' * 32).split('.')[1]}.{signature}",
        forged(claims | {"aud": "another"}),
        forged(claims | {"iss": "another"}),
        forged(claims | {"sub": "nobody"}),
        forged(claims | {"sec": "0" * 32}),
        *(
            forged({name: value for name, value in claims.items() if name != left_out})
            for left_out in claims
            if left_out != "iat"
        ),
        "",
        "x",
        "a.b.c",
        "é.é.é",
        token + "é",
        secret,
    ):
        assert not await granted(service, touched), touched


async def test_another_apps_tokens_are_not_ours(clock: HandClock, credentials: HookCredentials, secret: str) -> None:
    other = TokenService(clock.now, "another identity key of 32+ characters", credentials)
    service = TokenService(clock.now, IDENTITY_KEY, credentials)

    assert not await granted(service, await other.issue(password(secret), None))


async def test_tokens_are_issued_and_checked_while_storage_is_down(clock: HandClock, down: Tables) -> None:
    one = HookCredential(name="zapcloud", installations=HERE, sha256=(digest_of("spare"),))
    service = TokenService(clock.now, IDENTITY_KEY, HookCredentials(clock.now, Credentials(down), (one,)))

    assert await granted(service, await service.issue(password("spare"), None))
    for unknown in (password("wrong"), password("spare", username="in the table")):
        with pytest.raises(StorageUnavailable):
            await service.issue(unknown, None)


async def test_a_token_is_checked_without_storage_once_its_credential_is_known(
    clock: HandClock, service: TokenService, credentials: HookCredentials, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await service.issue(password(secret), None)

    async def fail(_: Credentials) -> dict[str, HookCredential]:
        raise StorageUnavailable

    monkeypatch.setattr(Credentials, "hooks", fail)
    clock.advance(3000)
    assert await granted(service, token)


async def test_what_a_token_is_bound_to_is_compared_in_constant_time(
    service: TokenService, credentials: HookCredentials, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await service.issue(password(secret), None)
    await credentials.rotate("zapcloud")
    compared: list[str] = []
    compare = hmac.compare_digest

    def spy(one: Any, other: Any) -> bool:
        if isinstance(one, str):
            compared.append(one)
        return compare(one, other)

    monkeypatch.setattr(access_tokens.hmac, "compare_digest", spy)

    assert await granted(service, token)
    assert len(compared) == 3, "nobody's among the settings, and both of the table's"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (basic("a", "b"), ("a", "b")),
        (basic("a", "b:c"), ("a", "b:c")),
        (basic("", ""), ("", "")),
        (basic("ä", "\U0001f50c"), ("ä", "\U0001f50c")),
        (basic("a", "b").replace("Basic", "bASIC"), ("a", "b")),
        (basic("a", "b").replace(" ", "  "), ("a", "b")),
        ("Basic " + base64.b64encode(b"no colon").decode(), None),
        ("Basic " + base64.b64encode(b"\xff:\xfe").decode(), None),
        ("Basic not base64!", None),
        ("Basic YTpi=", None),
        ("Basic", None),
        ("Basic ", None),
        ("", None),
        ("Bearer YTpi", None),
        ("BasicYTpi", None),
    ],
)
def test_basic_is_read_as_rfc_7617_says(header: str, expected: tuple[str, str] | None) -> None:
    assert basic_credential(header) == expected


def test_basic_with_anything_but_ascii_is_no_credential() -> None:
    assert basic_credential("Basic é") is None
