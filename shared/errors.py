"""Everything that can go wrong, as one small tree.

ZapbridgeError
├── ConfigurationError      a setting is missing or wrong; the app cannot do what it was asked
├── InvalidInput            what the caller sent cannot be used; `fields` says which part and why
├── NotFound                no such thing, or none the caller may see
├── Conflict                what is stored contradicts the request; read again, then decide
├── Unauthenticated         no credential, or a wrong one
├── LimitExceeded           an entity or transaction that Table Storage would refuse
├── StorageUnavailable      Table Storage did not answer in time; nothing may be assumed about the last write
├── SecretStoreUnavailable  the store of secrets did not answer, or refused; try later
├── BackupUnusable          a backup is not whole, was changed, or does not fit the account it is restored into
├── HostControlFailed       the host of the streams could not be told to refresh or restart; try later
└── ZapCloudError           ZapCloud's API refused or failed
    └── ZapCloudUnavailable ZapCloud's API did not answer, or asked to be left alone; try later
"""

from collections.abc import Mapping


class ZapbridgeError(Exception):
    """Base of all errors raised on purpose; the message says what to do."""


class ConfigurationError(ZapbridgeError):
    pass


class InvalidInput(ZapbridgeError):
    """`fields` maps each offending field, as the caller spells it, to what is wrong with it."""

    def __init__(self, detail: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.fields = dict(fields or {})


class NotFound(ZapbridgeError):
    pass


class Conflict(ZapbridgeError):
    pass


class Unauthenticated(ZapbridgeError):
    pass


class LimitExceeded(ZapbridgeError):
    pass


class StorageUnavailable(ZapbridgeError):
    pass


class SecretStoreUnavailable(ZapbridgeError):
    pass


class BackupUnusable(ZapbridgeError):
    pass


class HostControlFailed(ZapbridgeError):
    pass


class ZapCloudError(ZapbridgeError):
    pass


class ZapCloudUnavailable(ZapCloudError):
    pass
