"""Microsoft Entra ID tokens against a tenant that publishes real keys."""

import asyncio
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shared.errors import Unauthenticated
from shared.security.entra import EntraCaller, EntraTokens
from tests.conftest import HandClock

APP = "5d3f1c5e-0000-4000-8000-00000000000a"


async def refused(entra: EntraTokens, token: str, why: str = "") -> None:
    with pytest.raises(Unauthenticated, match=why or None):
        await entra.caller(token)


async def test_an_application_is_named_by_azp_in_v2_and_by_appid_in_v1(
    entra: EntraTokens, tenant: Any, claims: dict[str, Any]
) -> None:
    assert await entra.caller(tenant.sign(claims)) == EntraCaller(APP, ("Zapbridge.Operator",))

    del claims["azp"], claims["roles"]
    assert await entra.caller(tenant.sign(claims | {"appid": APP, "ver": "1.0"})) == EntraCaller(APP, ())


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "api://another"},
        {"aud": None},
        {"iss": "https://login.microsoftonline.com/another/v2.0"},
        {"iss": None},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": "soon"},
        {"azp": None},
        {"azp": 7},
        {"roles": "Zapbridge.Operator"},
    ],
    ids=str,
)
async def test_a_claim_that_is_wrong_or_missing_refuses(
    entra: EntraTokens, tenant: Any, claims: dict[str, Any], change: dict[str, Any]
) -> None:
    changed = {name: value for name, value in (claims | change).items() if value is not None}

    await refused(entra, tenant.sign(changed))


async def test_times_are_those_of_the_clock_with_five_minutes_for_clocks_that_differ(
    clock: HandClock, entra: EntraTokens, tenant: Any, claims: dict[str, Any]
) -> None:
    now = int(clock.now().timestamp())
    token = tenant.sign(claims | {"nbf": now + 300, "exp": now + 900})

    assert await entra.caller(token)
    clock.advance(-1)
    await refused(entra, token, "not valid yet")
    clock.advance(1 + 900 + 299)
    assert await entra.caller(token)
    clock.advance(1)
    await refused(entra, token, "expired")


async def test_a_token_not_signed_by_the_tenant_is_refused(
    entra: EntraTokens, tenant: Any, claims: dict[str, Any]
) -> None:
    good = tenant.sign(claims)
    head, body, signature = good.split(".")
    public = tenant.keys["first"].public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    modulus = str(tenant.jwk("first")["n"])

    await refused(entra, tenant.sign(claims, "strangers", kid="first"))
    await refused(entra, tenant.sign(claims, "strangers"), "does not publish")
    await refused(entra, tenant.unsigned(claims, alg="none"))
    await refused(entra, tenant.unsigned(claims, alg="RS256"))
    await refused(entra, f"{head}.{body}.{signature[:-8]}AAAAAAAA")
    await refused(entra, f"{head}.{body}.")
    for confused in (pem, modulus.encode()):
        by_public_key = signed_hs256(confused, claims)
        await refused(entra, by_public_key)
    for nonsense in ("", "x", "a.b.c", "é.é.é", good + "é", f"{head}.{body}", good.replace(".", " ")):
        await refused(entra, nonsense)


def signed_hs256(key: bytes, claims: dict[str, Any]) -> str:
    """HS256 with a public key for a secret, which PyJWT itself declines to make."""
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    scaffold = jwt.encode(claims, "k" * 32, algorithm="HS256", headers={"kid": "first"})
    signing_input = scaffold.rpartition(".")[0]
    signature = algorithm.sign(signing_input.encode(), key)
    return f"{signing_input}.{jwt.utils.base64url_encode(signature).decode()}"


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256"])
async def test_only_rs256_will_do(entra: EntraTokens, tenant: Any, claims: dict[str, Any], algorithm: str) -> None:
    token = jwt.encode(claims, tenant.keys["first"], algorithm=algorithm, headers={"kid": "first"})

    await refused(entra, token)


async def test_a_key_of_another_kind_under_the_same_name_is_refused(
    entra: EntraTokens, tenant: Any, claims: dict[str, Any]
) -> None:
    curve = ec.generate_private_key(ec.SECP256R1())
    tenant.jwk = lambda _: {**jwt.algorithms.ECAlgorithm.to_jwk(curve.public_key(), as_dict=True), "kid": "first"}

    await refused(entra, tenant.sign(claims))
    await refused(entra, jwt.encode(claims, curve, algorithm="ES256", headers={"kid": "first"}))


async def test_a_token_without_a_key_id_is_refused(entra: EntraTokens, tenant: Any, claims: dict[str, Any]) -> None:
    await refused(entra, jwt.encode(claims, tenant.keys["first"], algorithm="RS256"))


async def test_keys_are_fetched_once_and_again_after_a_day(
    clock: HandClock, entra: EntraTokens, tenant: Any, claims: dict[str, Any]
) -> None:
    token = tenant.sign(claims | {"exp": claims["exp"] + 400_000})
    await asyncio.gather(*(entra.caller(token) for _ in range(5)))
    assert tenant.asked == 1

    clock.advance(timedelta(hours=24).total_seconds() - 1)
    await entra.caller(token)
    assert tenant.asked == 1
    clock.advance(1)
    await entra.caller(token)
    assert tenant.asked == 2


async def test_a_new_key_is_learnt_at_once_and_unknown_ones_are_asked_after_once_a_minute(
    clock: HandClock, entra: EntraTokens, tenant: Any, claims: dict[str, Any]
) -> None:
    await entra.caller(tenant.sign(claims))
    clock.advance(60)
    tenant.published = ["first", "second"]

    assert await entra.caller(tenant.sign(claims, "second"))
    assert tenant.asked == 2

    for _ in range(20):
        await refused(entra, tenant.sign(claims, "strangers"))
    assert tenant.asked == 2
    clock.advance(59)
    await refused(entra, tenant.sign(claims, "strangers"))
    assert tenant.asked == 2
    clock.advance(1)
    for _ in range(20):
        await refused(entra, tenant.sign(claims, "strangers"))
    assert tenant.asked == 3
    assert await entra.caller(tenant.sign(claims))


async def test_a_key_that_was_withdrawn_is_not_trusted_any_longer(
    clock: HandClock, entra: EntraTokens, tenant: Any, claims: dict[str, Any]
) -> None:
    long = claims | {"exp": claims["exp"] + 400_000}
    await entra.caller(tenant.sign(long))
    tenant.published = ["second"]
    clock.advance(86400)

    await refused(entra, tenant.sign(long), "does not publish")
    assert await entra.caller(tenant.sign(long, "second"))


BAD_ANSWERS = [(500, ""), (404, "{}"), (200, "<html>"), (200, "{}"), (200, '{"keys": []}'), (200, '{"keys": 1}')]


@pytest.mark.parametrize("answer", BAD_ANSWERS, ids=str)
async def test_the_keys_we_have_go_on_serving_while_the_page_is_broken(
    clock: HandClock, entra: EntraTokens, tenant: Any, claims: dict[str, Any], answer: tuple[int, str]
) -> None:
    long = claims | {"exp": claims["exp"] + 400_000}
    await entra.caller(tenant.sign(long))
    tenant.answer = answer
    clock.advance(86400)

    assert await entra.caller(tenant.sign(long))
    await refused(entra, tenant.sign(long, "strangers"))
    assert tenant.asked == 2

    tenant.answer = None
    clock.advance(60)
    tenant.published = ["second"]
    assert await entra.caller(tenant.sign(long, "second"))


@pytest.mark.parametrize("answer", BAD_ANSWERS, ids=str)
async def test_without_any_keys_everybody_is_refused(
    entra: EntraTokens, tenant: Any, claims: dict[str, Any], answer: tuple[int, str]
) -> None:
    tenant.answer = answer

    await refused(entra, tenant.sign(claims))


@pytest.mark.parametrize("text", ["[]", "null", '"keys"'])
async def test_a_page_that_is_json_but_no_object_is_a_broken_page(
    entra: EntraTokens, tenant: Any, claims: dict[str, Any], text: str
) -> None:
    tenant.answer = (200, text)

    await refused(entra, tenant.sign(claims))


async def test_nobody_listening_is_a_broken_page_too(clock: HandClock, tenant: Any, claims: dict[str, Any]) -> None:
    entra = EntraTokens(clock.now, str(claims["iss"]), str(claims["aud"]), "http://127.0.0.1:1/keys")

    await refused(entra, tenant.sign(claims))


async def test_one_key_that_cannot_be_used_does_not_spoil_the_others(
    entra: EntraTokens, tenant: Any, claims: dict[str, Any]
) -> None:
    jwk = tenant.jwk
    tenant.published = ["second", "first"]
    tenant.jwk = lambda name: {"kty": "of next year", "kid": "second"} if name == "second" else jwk(name)

    assert await entra.caller(tenant.sign(claims))
