"""The credentials ZapCloud calls us with: made, rotated, retired, and never stored as they are."""

import base64
import hashlib
import hmac
from datetime import timedelta

import pytest

from shared.errors import ConfigurationError, Conflict, InvalidInput, NotFound, StorageUnavailable
from shared.security import hook_credentials
from shared.security.hook_credentials import HookCredentials, configured_credentials, digest_of, new_secret
from shared.storage.credentials import Credentials, HookCredential
from shared.storage.table import Tables
from tests.conftest import HandClock

HERE = ("1b0d3c0e-0000-4000-8000-000000000001",)


async def made(credentials: HookCredentials, name: str = "zapcloud") -> str:
    _, secret = await credentials.create(name, HERE)
    assert secret
    return secret


async def accepted(credentials: HookCredentials, secret: str, name: str = "zapcloud") -> bool:
    found = await credentials.check(name, secret)
    assert found is None or (found.name, found.installations) == (name, HERE)
    return found is not None


async def test_a_new_credential_tells_its_secret_once_and_speaks_for_its_installations(
    credentials: HookCredentials,
) -> None:
    secret = await made(credentials)

    assert len(bytes.fromhex(secret)) == 32
    assert await accepted(credentials, secret)
    stored, again = await credentials.create("zapcloud", HERE)
    assert (stored.name, stored.installations, again) == ("zapcloud", HERE, None)
    assert await accepted(credentials, secret)


@pytest.mark.parametrize("wrong", ["", "x", "SECRET", "secret ", "secret\x00"])
async def test_any_other_secret_or_name_is_nobodys(credentials: HookCredentials, wrong: str) -> None:
    secret = await made(credentials)
    guess = wrong.replace("secret", secret).replace("SECRET", secret.upper())

    assert not await accepted(credentials, guess)
    assert await credentials.check("nobody", guess) is None
    assert await credentials.check("nobody", secret) is None
    assert await credentials.check("", "") is None
    assert await credentials.check("Zapcloud", secret) is None


async def test_while_rotating_both_secrets_are_valid_and_then_only_the_newest(credentials: HookCredentials) -> None:
    first = await made(credentials)
    second = await credentials.rotate("zapcloud")
    assert [await accepted(credentials, secret) for secret in (first, second)] == [True, True]

    with pytest.raises(Conflict, match="retire"):
        await credentials.rotate("zapcloud")
    await credentials.retire("zapcloud")
    assert [await accepted(credentials, secret) for secret in (first, second)] == [False, True]

    third = await credentials.rotate("zapcloud")
    await credentials.retire("zapcloud")
    assert [await accepted(credentials, secret) for secret in (first, second, third)] == [False, False, True]

    await credentials.retire("zapcloud")
    assert await accepted(credentials, third)

    await credentials.delete("zapcloud")
    assert not await accepted(credentials, third)


async def test_what_it_may_speak_for_changes_without_a_new_secret(credentials: HookCredentials) -> None:
    secret = await made(credentials)
    await credentials.rotate("zapcloud")

    stored, none = await credentials.create("zapcloud", ("*",))
    assert (len(stored.sha256), none) == (2, None)

    found = await credentials.check("zapcloud", secret)
    assert found is not None
    assert found.installations == ("*",)
    assert len(found.sha256) == 2


async def test_what_does_not_exist_is_not_rotated(credentials: HookCredentials) -> None:
    for call in (credentials.rotate("nobody"), credentials.retire("nobody")):
        with pytest.raises(NotFound):
            await call


@pytest.mark.parametrize("name", ["", "-a", "a@b", "a:b", "a/b", "a b", "a" * 65, "ä", "a\n", "'"])
async def test_a_name_that_could_not_be_used_is_refused(credentials: HookCredentials, name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await credentials.create(name, HERE)
    assert set(refused.value.fields) == {"name"}


async def test_the_table_holds_digests_and_no_secret_in_any_form(credentials: HookCredentials, tables: Tables) -> None:
    secrets = [await made(credentials), await made(credentials, "other"), await credentials.rotate("zapcloud")]

    rows = await tables["Credentials"].scan()

    stored = "\n".join(repr(row) for row in rows)
    for secret in secrets:
        assert digest_of(secret) in stored
        raw = bytes.fromhex(secret)
        for form in (
            secret,
            secret.upper(),
            base64.b64encode(raw).decode(),
            base64.b64encode(secret.encode()).decode(),
        ):
            assert form not in stored
    assert secrets[0] not in repr(await credentials.all())


def test_a_digest_is_sha_256_as_any_tool_makes_it() -> None:
    assert digest_of("abc") == hashlib.sha256(b"abc").hexdigest()
    assert new_secret() != new_secret()


async def test_a_credential_made_elsewhere_is_accepted_although_the_name_was_just_unknown(
    clock: HandClock, credentials: HookCredentials, other_instance: HookCredentials
) -> None:
    await made(credentials, "another")
    assert await other_instance.check("another", "wrong") is None

    secret = await made(credentials)
    clock.advance(61)
    assert await accepted(other_instance, secret)

    assert not await accepted(other_instance, "wrong")
    next_secret = await credentials.rotate("zapcloud")
    assert not await accepted(other_instance, next_secret)
    clock.advance(30)
    assert await accepted(other_instance, next_secret)


async def test_the_first_stranger_makes_us_look_again_at_once(
    credentials: HookCredentials, other_instance: HookCredentials
) -> None:
    first = await made(credentials)
    assert await accepted(other_instance, first)

    second = await credentials.rotate("zapcloud")

    assert await accepted(other_instance, second)


async def test_strangers_make_us_look_again_at_most_once_a_minute(
    clock: HandClock, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = 0
    hooks = Credentials.hooks

    async def counted(self: Credentials) -> dict[str, HookCredential]:
        nonlocal reads
        reads += 1
        return await hooks(self)

    monkeypatch.setattr(Credentials, "hooks", counted)
    credentials = HookCredentials(clock.now, Credentials(tables), ())
    for _ in range(50):
        assert await credentials.check("stranger", "guess") is None
    assert reads == 2, "once to know, once to look again"

    clock.advance(29)
    await credentials.check("stranger", "guess")
    assert reads == 2
    clock.advance(1)
    for _ in range(50):
        await credentials.check("stranger", "guess")
    assert reads == 3, "what is known is half a minute old"
    clock.advance(30)
    for _ in range(50):
        await credentials.check("stranger", "guess")
    assert reads <= 5


async def test_a_retired_secret_is_valid_elsewhere_for_half_a_minute_at_most(
    clock: HandClock, credentials: HookCredentials, other_instance: HookCredentials
) -> None:
    first = await made(credentials)
    await credentials.rotate("zapcloud")
    assert await accepted(other_instance, first)

    await credentials.retire("zapcloud")
    clock.advance(30)

    assert not await accepted(other_instance, first)


class Switch(Credentials):
    """The repository, until storage goes down."""

    down = False

    async def hooks(self) -> dict[str, HookCredential]:
        if self.down:
            raise StorageUnavailable("switched off")
        return await super().hooks()


async def test_what_is_known_serves_while_storage_is_down(clock: HandClock, tables: Tables) -> None:
    repository = Switch(tables)
    credentials = HookCredentials(clock.now, repository, ())
    secret = await made(credentials)
    assert await accepted(credentials, secret)
    repository.down = True

    for _ in range(3):
        clock.advance(3600)
        assert await accepted(credentials, secret)
        assert not await accepted(credentials, "wrong")


async def test_storage_that_fails_right_after_a_rotation_does_not_lock_out_those_who_were_known(
    clock: HandClock, tables: Tables
) -> None:
    repository = Switch(tables)
    credentials = HookCredentials(clock.now, repository, ())
    secret = await made(credentials)
    assert await accepted(credentials, secret)

    await credentials.rotate("zapcloud")
    repository.down = True

    assert await accepted(credentials, secret)


async def test_a_stranger_cannot_be_told_while_storage_is_down_and_was_never_read(
    clock: HandClock, down: Tables
) -> None:
    with pytest.raises(StorageUnavailable):
        await HookCredentials(clock.now, Credentials(down), ()).check("zapcloud", "secret")


CONFIGURED = HookCredential(name="spare", installations=HERE, sha256=(digest_of("spare secret"),), entra_app_id="app")


async def test_credentials_of_the_settings_need_no_storage(clock: HandClock, down: Tables) -> None:
    credentials = HookCredentials(clock.now, Credentials(down), (CONFIGURED,))

    assert await credentials.check("spare", "spare secret") == CONFIGURED
    with pytest.raises(StorageUnavailable):
        await credentials.check("spare", "wrong")


async def test_an_entra_application_of_the_settings_needs_no_storage(clock: HandClock, down: Tables) -> None:
    assert await HookCredentials(clock.now, Credentials(down), (CONFIGURED,)).by_entra_app("app") == CONFIGURED


async def test_a_name_in_the_settings_and_the_table_takes_the_secrets_of_both(clock: HandClock, tables: Tables) -> None:
    credentials = HookCredentials(clock.now, Credentials(tables), (CONFIGURED,))
    secret = await made(credentials, "spare")

    assert await accepted(credentials, "spare secret", "spare")
    assert await accepted(credentials, secret, "spare")


async def test_an_entra_application_is_found_by_its_id_and_has_no_secret(credentials: HookCredentials) -> None:
    assert (await credentials.create("portal", HERE, entra_app_id="app-1"))[1] is None

    found = await credentials.by_entra_app("app-1")
    assert found is not None
    assert found.name == "portal"
    assert await credentials.by_entra_app("app-2") is None
    assert await credentials.check("portal", "") is None


def test_the_setting_is_read_or_named() -> None:
    text = '[{"name": "spare", "installations": ["*"], "sha256": ["' + "ab" * 32 + '"]}]'
    assert configured_credentials(text) == (HookCredential(name="spare", installations=("*",), sha256=("ab" * 32,)),)
    assert configured_credentials("[]") == ()
    for wrong in ("", "{}", '[{"name": 1}]', '[{"name": "a"}]', "[1"):
        with pytest.raises(ConfigurationError, match="ZAPBRIDGE_HOOK_CREDENTIALS"):
            configured_credentials(wrong)


async def test_a_digest_in_capitals_is_the_same_digest(clock: HandClock, tables: Tables) -> None:
    """As PowerShell's Get-FileHash writes it."""
    text = f'[{{"name": "spare", "installations": ["{HERE[0]}"], "sha256": ["{digest_of("s").upper()}"]}}]'
    credentials = HookCredentials(clock.now, Credentials(tables), configured_credentials(text))

    assert await accepted(credentials, "s", "spare")


@pytest.mark.parametrize("digest", ["not a digest", "é", "ab" * 31])
def test_a_digest_that_is_none_is_a_fault_of_the_settings(digest: str) -> None:
    with pytest.raises(ConfigurationError):
        configured_credentials(f'[{{"name": "spare", "installations": ["*"], "sha256": ["{digest}"]}}]')


async def test_every_valid_digest_is_compared_in_constant_time_even_after_a_match(
    credentials: HookCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a stranger as many comparisons are made as for a name with one secret."""
    first = await made(credentials)
    second = await credentials.rotate("zapcloud")
    compared: list[tuple[str, str]] = []
    compare = hmac.compare_digest

    def spy(known: str, given: str) -> bool:
        compared.append((known, given))
        return compare(known, given)

    monkeypatch.setattr(hook_credentials.hmac, "compare_digest", spy)
    monkeypatch.setattr(credentials, "_may_reread", lambda: False)
    digests = [digest_of(first), digest_of(second)]

    for guess in (first, second, "wrong"):
        compared.clear()
        await credentials.check("zapcloud", guess)
        assert compared == [(digest, digest_of(guess)) for digest in (digest_of(""), *digests)]

    compared.clear()
    await credentials.check("nobody", "wrong")
    assert len(compared) == 2


async def test_reads_age_by_the_clock_that_is_given(clock: HandClock, credentials: HookCredentials) -> None:
    assert await credentials.check("nobody", "x") is None
    clock.set(clock.now() + timedelta(days=400))
    assert await credentials.check("nobody", "x") is None
