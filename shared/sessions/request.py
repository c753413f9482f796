"""A start request placed: which installation, which charger, which card, as far as can be told."""

import re

import msgspec

from shared.access.card import normalize, token_id
from shared.access.directory import Directory
from shared.errors import InvalidInput, Unauthenticated
from shared.identifiers import canonical_uuid
from shared.security.principal import Principal
from shared.storage.chargers import Charger
from shared.storage.installations import Installation, Mode
from shared.zapcloud.hooks import StartFields

_SERIAL = re.compile(r"(?=[A-Za-z]*[G-Zg-z])[A-Za-z]{3}[0-9]{6}")
"""Such as ZAP000123; with a letter that is no hex digit, so that no card number is looked up by mistake."""
_STRINGS_LOOKED_AT = 12


class StartRequest(msgspec.Struct, frozen=True, kw_only=True):
    """`token` is normalized; `charger_id` a canonical UUID. `unreadable` says which field made no sense, and why."""

    installation_id: str | None
    installation: Installation | None
    charger_id: str | None
    charger_known: bool
    token: str | None
    token_id: str | None
    unreadable: dict[str, str]

    @property
    def mode(self) -> Mode:
        """An installation nobody told us about is enforced."""
        return self.installation.mode if self.installation else Mode.ENFORCE


class Placing:
    """Turns what a body says into a request, with what we know of installations and chargers."""

    def __init__(self, directory: Directory, identity_key: str) -> None:
        self._directory = directory
        self._identity_key = identity_key

    async def place(self, fields: StartFields, principal: Principal) -> StartRequest:
        """Raises Unauthenticated where the caller may not speak for the installation it names or the charger is in."""
        charger = await self._known_charger(fields)
        charger_id = charger.id if charger else canonical_uuid(fields.charger)
        installation_id = _installation_id(fields, charger, principal)
        installation = await self._directory.installation(installation_id) if installation_id else None
        if charger is None and charger_id and installation:
            charger = await self._directory.charger_after_asking(charger_id, installation.id)
        return self._request(fields, installation_id, installation, charger_id, charger)

    def place_from_memory(self, fields: StartFields, principal: Principal) -> StartRequest:
        """The same from what this process last knew, for when storage is down; raises Unauthenticated likewise."""
        known = self._directory.last_known_charger(fields.charger) if fields.charger else None
        charger_id = known.id if known else canonical_uuid(fields.charger)
        installation_id = _installation_id(fields, known, principal)
        installation = self._directory.last_known_installation(installation_id) if installation_id else None
        return self._request(fields, installation_id, installation, charger_id, known)

    def _request(
        self,
        fields: StartFields,
        installation_id: str | None,
        installation: Installation | None,
        charger_id: str | None,
        charger: Charger | None,
    ) -> StartRequest:
        unreadable = dict(fields.unreadable)
        if installation_id:
            unreadable.pop("installation", None)
        token = None
        if fields.token:
            try:
                token = normalize(fields.token)
            except InvalidInput as error:
                unreadable["token"] = str(error)
        if charger_id is None:
            unreadable.setdefault("charger", "names no charger: a UUID, or the serial of a known one, is needed")
        return StartRequest(
            installation_id=installation_id,
            installation=installation,
            charger_id=charger_id,
            charger_known=charger is not None,
            token=token,
            token_id=token_id(self._identity_key, token) if token else None,
            unreadable=unreadable,
        )

    async def _known_charger(self, fields: StartFields) -> Charger | None:
        """The charger named as such; or else any known charger that some string of the body is the id or serial of."""
        names = [fields.charger] if fields.charger else []
        if not canonical_uuid(fields.charger):
            names += [
                text for text in fields.strings[:_STRINGS_LOOKED_AT] if text not in {fields.charger, fields.token}
            ]
        for name in names:
            if (canonical_uuid(name) or _SERIAL.fullmatch(name)) and name.lower() != fields.installation_id:
                charger = await self._directory.charger(canonical_uuid(name) or name)
                if charger:
                    return charger
        return None


def _installation_id(fields: StartFields, charger: Charger | None, principal: Principal) -> str | None:
    """Where the charger is, or says it is; raises Unauthenticated where the caller may not speak for that."""
    found = charger.installation_id if charger else fields.installation_id or principal.only_installation
    for named in (fields.installation_id, found):
        if named and not principal.may_speak_for(named):
            raise Unauthenticated("this credential is not valid for the installation")
    return found
