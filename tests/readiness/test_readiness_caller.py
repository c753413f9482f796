"""What our web hooks would say to the payload of Zaptec Portal, by the app's own credentials on a real store."""

import pytest

from functions.services import Services
from shared.readiness.address import Leads
from shared.readiness.caller import Caller, judge_caller
from shared.security.access_tokens import GrantRefused
from tests.readiness.conftest import INSTALLATION

ELSEWHERE = "7d6c5b4a-3928-4716-a5b4-c3d2e1f0a9b8"
APPLICATION = "11111111-2222-4333-8444-555555555555"
BASIC, BY_TOKEN, ENTRA = Leads.NOWHERE, Leads.TO_US, Leads.TO_ENTRA


async def made(services: Services, name: str = "zapcloud", *places: str) -> str:
    _, secret = await services.hook_credentials.create(name, places or ("*",))
    assert secret
    return secret


async def judged(services: Services, payload: str, authentication_url: Leads = BASIC) -> Caller:
    return await judge_caller(services.hook_credentials, payload, authentication_url, INSTALLATION)


@pytest.mark.parametrize(
    ("authentication_url", "payload", "expected"),
    [
        (BASIC, "username=zapcloud&password={secret}", Caller.BELIEVED),
        (BASIC, "grant_type=password&username=zapcloud&password={secret}", Caller.BELIEVED),
        (BASIC, "username=zapcloud&password={secret} ", Caller.WRONG_SECRET),
        (BASIC, "username=zapcloud&password=wrong", Caller.WRONG_SECRET),
        (BASIC, "username=nobody&password={secret}", Caller.UNKNOWN),
        (BASIC, "username=zapcloud", Caller.UNREADABLE),
        (BASIC, "username=zapcloud&password=", Caller.UNREADABLE),
        (BASIC, "zapcloud:{secret}", Caller.UNREADABLE),
        (BASIC, '{{"username": "zapcloud", "password": "{secret}"}}', Caller.UNREADABLE),
        (BASIC, "grant_type=client_credentials&client_id=zapcloud&client_secret={secret}", Caller.UNREADABLE),
        (BASIC, "", Caller.NO_PAYLOAD),
        (BY_TOKEN, "grant_type=password&username=zapcloud&password={secret}", Caller.BELIEVED),
        (BY_TOKEN, "grant_type=client_credentials&client_id=zapcloud&client_secret={secret}", Caller.BELIEVED),
        (BY_TOKEN, "grant_type=client_credentials&client_id=zapcloud&client_secret=wrong", Caller.WRONG_SECRET),
        (BY_TOKEN, "grant_type=client_credentials&client_id=nobody&client_secret={secret}", Caller.UNKNOWN),
        (BY_TOKEN, "username=zapcloud&password={secret}", Caller.UNREADABLE),
        (BY_TOKEN, "grant_type=refresh_token&username=zapcloud&password={secret}", Caller.UNREADABLE),
        (BY_TOKEN, "", Caller.NO_PAYLOAD),
        (Leads.WRONG_PATH, "grant_type=password&username=zapcloud&password=wrong", Caller.WRONG_SECRET),
        (Leads.ELSEWHERE, "grant_type=password&username=zapcloud&password=wrong", Caller.NOT_JUDGED),
    ],
)
async def test_a_payload_is_held_against_our_credentials(
    services: Services, authentication_url: Leads, payload: str, expected: Caller
) -> None:
    secret = await made(services)
    assert await judged(services, payload.format(secret=secret), authentication_url) is expected


@pytest.mark.parametrize(
    "payload",
    [
        "grant_type=password&username=zapcloud&password={secret}",
        "grant_type=client_credentials&client_id=zapcloud&client_secret={secret}",
        "grant_type=client_credentials&client_id=nobody&client_secret={secret}",
        "grant_type=password&username=zapcloud&password=wrong",
        "grant_type=password&username=zapcloud&password={secret} ",
        "grant_type=password&username=zapcloud",
        "username=zapcloud&password={secret}",
        "grant_type=password&username&password",
    ],
)
async def test_who_is_believed_is_who_our_token_service_gives_a_token(services: Services, payload: str) -> None:
    form = payload.format(secret=await made(services))
    try:
        given = bool(await services.token_service.issue(form.encode(), None))
    except GrantRefused:
        given = False
    assert (await judged(services, form, BY_TOKEN) is Caller.BELIEVED) is given


async def test_a_credential_for_other_installations_is_told_from_a_wrong_one(services: Services) -> None:
    elsewhere, here = await made(services, "elsewhere", ELSEWHERE), await made(services, "here", INSTALLATION)

    assert await judged(services, f"username=elsewhere&password={elsewhere}") is Caller.OTHER_INSTALLATION
    assert await judged(services, f"username=here&password={here}") is Caller.BELIEVED


async def test_while_rotating_the_older_secret_is_told_from_the_newer(services: Services) -> None:
    older = await made(services)
    newer = await services.hook_credentials.rotate("zapcloud")

    assert await judged(services, f"username=zapcloud&password={older}") is Caller.BY_OLDER_SECRET
    assert await judged(services, f"username=zapcloud&password={newer}") is Caller.BELIEVED
    await services.hook_credentials.retire("zapcloud")
    assert await judged(services, f"username=zapcloud&password={older}") is Caller.WRONG_SECRET


async def test_of_an_entra_application_only_its_id_can_be_judged(services: Services) -> None:
    await services.hook_credentials.create("entra", (INSTALLATION,), APPLICATION)
    await services.hook_credentials.create("other", (ELSEWHERE,), ELSEWHERE)
    form = "grant_type=client_credentials&client_secret=s&client_id="

    assert await judged(services, form + APPLICATION.upper(), ENTRA) is Caller.BY_ENTRA
    assert await judged(services, form + ELSEWHERE, ENTRA) is Caller.OTHER_INSTALLATION
    assert await judged(services, form + INSTALLATION, ENTRA) is Caller.UNKNOWN
    assert await judged(services, "username=a&password=b", ENTRA) is Caller.UNREADABLE
