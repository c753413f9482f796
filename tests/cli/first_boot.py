"""An app that was just deployed, zapctl beside what describes it, and what its operator carries to Zaptec Portal."""

import itertools
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from devhost.stack import Ports, Site, Stack, running_stack
from tests.cli.conftest import describe
from tests.cli.zapctl import Zapctl
from tests.conftest import MONDAY_MORNING
from tests.events import assert_only_documented
from tests.secrecy import assert_no_secrets

FIELDS = {"Authentication URL", "Authentication payload", "Session start URL", "Session end URL"}


@asynccontextmanager
async def first_boot(
    folder: Path, *, azure: bool, name: str = "Harbour", seed: int = 1
) -> AsyncIterator[tuple[Stack, Zapctl]]:
    """Both sites run, no secret exists. No secret may stand in a log afterwards, nor an event that is not documented,
    and the stand-ins for Azure must have been asked as the real ones want to be."""
    streams = {name.lower(): Site(name, 2)}
    async with running_stack(
        folder / "stack",
        ports=Ports.free(),
        start=MONDAY_MORNING,
        seed=seed,
        streams=streams,
        azure=azure,
        configured=False,
    ) as stack:
        (folder / "desk").mkdir()
        zapctl = Zapctl(folder / "desk")
        if stack.azure:
            with_azd(folder / "desk", stack.azure.outputs())
            zapctl.environment |= operator(stack)
        else:
            describe(stack, folder / "desk")
        yield stack, zapctl
        if stack.azure:
            assert (await stack.azure_client.record()).violations == []
        secrets = [*stack.secrets(), *(await in_store(stack)).values()]
    assert_no_secrets(stack.log_folder, secrets)
    assert_only_documented(stack.log_folder)


def with_azd(folder: Path, outputs: Mapping[str, str]) -> None:
    (folder / ".azure" / "prod").mkdir(parents=True)
    (folder / ".azure" / "config.json").write_text('{"version": 1, "defaultEnvironment": "prod"}')
    lines = "".join(f'{name}="{value}"\n' for name, value in outputs.items())
    (folder / ".azure" / "prod" / ".env").write_text(lines)


def operator(stack: Stack) -> dict[str, str]:
    """Signed in as the operator, by the identity of the machine."""
    assert stack.azure
    given = stack.azure.operator_environment()
    return {
        "IDENTITY_ENDPOINT": given["IDENTITY_ENDPOINT"],
        "IDENTITY_HEADER": given["IDENTITY_HEADER"],
        "AZURE_CLIENT_ID": given["ZAPBRIDGE_MANAGED_IDENTITY_CLIENT_ID"],
    }


async def in_store(stack: Stack) -> dict[str, str]:
    """What the vault holds, as far as the hooks site can see it."""
    file = stack.azure.hooks.resolved if stack.azure else stack.streams.secrets_file
    found: dict[str, str] = json.loads(file.read_text())
    return {name: value for name, value in found.items() if name in {"identity-key", "zapcloud-password"}}


def pasted_from(screen: str) -> dict[str, str]:
    """What an operator copies from the screen: under the name of each field a line with its value."""
    lines = [line.strip() for line in screen.splitlines()]
    found = {name: value for name, value in itertools.pairwise(lines) if name in FIELDS}
    return {name: "" if value == "(leave empty)" else value for name, value in found.items()}


async def paste(stack: Stack, fields: Mapping[str, str]) -> None:
    """As an operator does with what zapctl shows."""
    assert set(fields) == FIELDS
    for views in stack.streams.installations.values():
        for view in views:
            await stack.simulator.configure(
                view.id,
                authenticationType=1,
                webhooksAuthUrl=fields["Authentication URL"],
                webhooksAuthPayload=fields["Authentication payload"],
                webhooksSessionStartUrl=fields["Session start URL"],
                webhooksSessionEndUrl=fields["Session end URL"],
            )
