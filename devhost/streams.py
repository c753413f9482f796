"""The message streams of the local stack: where they come from, and how both sites are told of them.

The connection details are kept in a file that stands in for Key Vault. The app's refresher writes it, the settings of
the streams site refer to it.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from shared.stream import Stream
from simulator.client import SimulatorClient
from simulator.shapes import InstallationView

_KEY = re.compile(r"SharedAccessKey=([^;]+)")


class Site(msgspec.Struct, frozen=True):
    """An installation whose chargers' messages a stream brings; `settings` are those the app knows it by."""

    name: str
    chargers: int = 4
    device_type: int = 4
    settings: dict[str, Any] = {}


class Group(msgspec.Struct, frozen=True):
    """A user group: several installations with one stream."""

    name: str
    sites: tuple[Site, ...]


class Streams:
    def __init__(self, secrets_file: Path) -> None:
        self.secrets_file = secrets_file
        self.all: list[Stream] = []
        self.installations: dict[str, list[InstallationView]] = {}
        """What each stream, by its name, brings the messages of."""
        self.known_as: dict[str, dict[str, Any]] = {}
        """The settings of these installations, by their ids."""
        self._keys: set[str] = set()

    async def begin(
        self, simulator: SimulatorClient, sources: Mapping[str, Site | Group], in_store: Mapping[str, str]
    ) -> None:
        """Make the installations in the simulated ZapCloud, and the file of secrets."""
        with os.fdopen(os.open(self.secrets_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(in_store, file)
        for name, source in sources.items():
            sites = source.sites if isinstance(source, Group) else (source,)
            views = [await self._make(simulator, site) for site in sites]
            self.installations[name] = views
            if isinstance(source, Group):
                group = await simulator.add_user_group(source.name, *(view.id for view in views))
                self.all.append(Stream(name, user_group_id=group.id))
            else:
                await simulator.configure(views[0].id, messagingEnabled=True)
                self.all.append(Stream(name, installation_id=views[0].id))

    async def _make(self, simulator: SimulatorClient, site: Site) -> InstallationView:
        view = await simulator.add_installation(site.name, site.chargers, site.device_type)
        self.known_as[view.id] = {"name": site.name, "mode": "enforce", **site.settings}
        return view

    def setting(self) -> dict[str, str]:
        """The setting that names the streams, for both sites."""
        sources = {
            stream.name: (
                {"installation": stream.installation_id}
                if stream.installation_id
                else {"userGroup": stream.user_group_id}
            )
            for stream in self.all
        }
        return {"ZAPBRIDGE_STREAMS": json.dumps(sources)}

    def references(self) -> dict[str, str]:
        """The settings of the streams' triggers, each with the name of the secret that it refers to."""
        return {
            setting: secret
            for stream in self.all
            for setting, secret in zip(stream.settings, stream.secrets, strict=True)
        }

    def details(self) -> list[dict[str, str]]:
        """What opens each stream now, as far as the app has fetched it."""
        secrets = self._secrets()
        return [
            dict(zip(("connection_string", "topic", "subscription"), (secrets[name] for name in names), strict=True))
            for names in (stream.secrets for stream in self.all)
            if all(name in secrets for name in names)
        ]

    def known_keys(self) -> set[str]:
        """The keys of the streams, also earlier ones that were asked for while they were in use."""
        self._keys.update(key for value in self._secrets().values() for key in _KEY.findall(value))
        return self._keys

    def _secrets(self) -> dict[str, str]:
        if not self.secrets_file.exists():
            return {}
        return msgspec.json.decode(self.secrets_file.read_bytes(), type=dict[str, str])
