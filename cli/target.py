"""Which app zapctl talks to: the local stack, or one deployed to Azure. Everything here is read from files.

The local one is described by `.local/stack.json` of the present folder, which `make serve` writes. A deployed one is
described by the outputs of `infra/main.bicep`: azd keeps them in `.azure/<environment>/.env` (Microsoft Learn, "Work
with Azure Developer CLI environments"); `az deployment … --query properties.outputs` prints them as JSON, in whose
names Azure changes the case of letters.
"""

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from cli.exits import Exit, Failure
from shared.loopback import leads_to_loopback

STACK = Path(".local", "stack.json")
_LINE = re.compile(r"""\s*(?:export\s+)?(?P<name>\w+)\s*=\s*(?P<value>"(?:[^"\\]|\\.)*"|'[^']*'|[^#\r\n]*)""")
_PUBLIC_CLOUD = "https://management.azure.com"


class Choice(StrEnum):
    """`auto` is whichever is found."""

    AUTO = "auto"
    LOCAL = "local"
    AZURE = "azure"


class HostAddress(msgspec.Struct, frozen=True):
    url: str
    master_key: str


class Control(msgspec.Struct, frozen=True):
    """What stands for Key Vault and for Azure's resource manager on the local stack."""

    secrets_file: str
    hooks: HostAddress
    streams: HostAddress | None = None


class LocalTarget(msgspec.Struct, frozen=True):
    base_url: str
    function_key: str
    control: Control | None = None

    @property
    def url(self) -> str:
        return self.base_url.rstrip("/")

    @property
    def name(self) -> str:
        return f"the local stack at {self.url}"


class AzureTarget(msgspec.Struct, frozen=True):
    """`environment` is where the outputs were found, in words."""

    environment: str
    url: str
    hooks_site_id: str
    streams_site_id: str
    key_vault_url: str
    arm_url: str = _PUBLIC_CLOUD

    @property
    def name(self) -> str:
        return f"{self.environment} at {self.url}"


Target = LocalTarget | AzureTarget


def find_target(choice: Choice, outputs: Path | None, folder: Path, environment: Mapping[str, str]) -> Target:
    """The app meant by `--target` and `--outputs`, seen from a folder; raises Failure where there is none, or two."""
    if outputs is not None:
        if choice is Choice.LOCAL:
            raise Failure(Exit.NO_TARGET, "--outputs describes an app in Azure; leave it out, or --target local")
        return azure_target(_read_outputs(outputs), f"Azure ({outputs.name})")
    local = None if choice is Choice.AZURE else _local(folder)
    azure = None if choice is Choice.LOCAL else _azd(folder, environment)
    if local and azure:
        both = f"both {local.name} and {azure.name} are here"
        raise Failure(Exit.NO_TARGET, f"{both}; say which by --target local or --target azure")
    found = local or azure
    if found is None:
        raise Failure(Exit.NO_TARGET, _MISSING[choice])
    return found


_NO_STACK = "no local stack runs in this folder (.local/stack.json is missing; `make serve` starts one)"
_NO_AZURE = "no app in Azure is described here (deploy with azd, or name the deployment's outputs by --outputs FILE)"
_MISSING = {Choice.LOCAL: _NO_STACK, Choice.AZURE: _NO_AZURE, Choice.AUTO: f"{_NO_STACK}, and {_NO_AZURE}"}


def azure_target(outputs: Mapping[str, str], environment: str) -> AzureTarget:
    """The app that a deployment's outputs describe; raises Failure naming the outputs that are missing."""
    names = ("ZAPBRIDGE_URL", "ZAPBRIDGE_HOOKS_SITE_ID", "ZAPBRIDGE_STREAMS_SITE_ID", "ZAPBRIDGE_KEY_VAULT_URL")
    if missing := [name for name in names if not outputs.get(name)]:
        raise Failure(Exit.NO_TARGET, f"{environment} lacks the outputs {', '.join(missing)}; deploy infra/ first")
    url, hooks, streams, vault = (outputs[name] for name in names)
    arm = outputs.get("ZAPBRIDGE_ARM_URL") or _PUBLIC_CLOUD
    if open_to_others := [
        one for one in (url, vault, arm) if not (one.startswith("https://") or leads_to_loopback(one))
    ]:
        raise Failure(
            Exit.NO_TARGET, f"{environment}: {open_to_others[0]} must begin with https://, since keys go there"
        )
    if urlsplit(url).path.strip("/"):
        raise Failure(
            Exit.NO_TARGET, f"{environment}: ZAPBRIDGE_URL must be like https://my-zapbridge.azurewebsites.net"
        )
    return AzureTarget(environment, url.rstrip("/"), hooks, streams, vault, arm.rstrip("/"))


def _local(folder: Path) -> LocalTarget | None:
    path = folder / STACK
    try:
        return msgspec.json.decode(path.read_bytes(), type=LocalTarget)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise Failure(
            Exit.NO_TARGET, f"{path} cannot be used ({type(error).__name__}); restart `make serve`"
        ) from error


def _azd(folder: Path, environment: Mapping[str, str]) -> AzureTarget | None:
    """The app of azd's environment: that of AZURE_ENV_NAME, or the default one. None where none is deployed."""
    name = environment.get("AZURE_ENV_NAME") or _default_environment(folder / ".azure" / "config.json")
    if not name:
        return None
    try:
        outputs = dotenv((folder / ".azure" / name / ".env").read_text())
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(Exit.NO_TARGET, f".azure/{name}/.env cannot be read ({type(error).__name__})") from error
    if "ZAPBRIDGE_URL" not in outputs:
        return None
    return azure_target(outputs, f"Azure (azd environment {name})")


def _default_environment(path: Path) -> str:
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise Failure(Exit.NO_TARGET, f"{path} cannot be used ({type(error).__name__})") from error
    return str(found.get("defaultEnvironment") or "") if isinstance(found, dict) else ""


def dotenv(text: str) -> dict[str, str]:
    """The values of a `.env` file, in quotes or not, as azd writes them; names in capitals."""
    found = {}
    for line in text.splitlines():
        if match := _LINE.match(line):
            value = match["value"].strip()
            if value[:1] == '"':
                value = re.sub(r"\\(.)", lambda escaped: {"n": "\n"}.get(escaped[1], escaped[1]), value[1:-1])
            elif value[:1] == "'":
                value = value[1:-1]
            found[match["name"].upper()] = value
    return found


def _read_outputs(path: Path) -> dict[str, str]:
    """A JSON object of outputs, each `{"type", "value"}` as Azure prints them, or the value alone."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise Failure(Exit.NO_TARGET, f"{path} cannot be read as JSON ({type(error).__name__})") from error
    if not isinstance(content, dict):
        raise Failure(Exit.NO_TARGET, f"{path} is not a JSON object of outputs")
    values = {name.upper(): one.get("value") if isinstance(one, dict) else one for name, one in content.items()}
    return {name: value for name, value in values.items() if isinstance(value, str)}
