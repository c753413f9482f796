"""A caller who proved who they are."""

import msgspec

ALL_INSTALLATIONS = "*"


class Principal(msgspec.Struct, frozen=True):
    """`installations` are the ids the caller may speak for; "*" among them means all."""

    name: str
    installations: tuple[str, ...]

    def may_speak_for(self, installation_id: str) -> bool:
        return ALL_INSTALLATIONS in self.installations or installation_id in self.installations

    @property
    def only_installation(self) -> str | None:
        """The one installation the caller speaks for, None where there are several or all."""
        if len(self.installations) == 1 and self.installations[0] != ALL_INSTALLATIONS:
            return self.installations[0]
        return None
