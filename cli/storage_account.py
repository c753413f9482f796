"""A storage account as a command names it, and what its operator can do where it is not to be had."""

from http import HTTPStatus

import msgspec
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError

from shared.errors import StorageUnavailable

TABLES, BACKUPS = "ZAPBRIDGE_TABLES", "ZAPBRIDGE_BACKUPS"
"""The variables, which are named as the app's settings are."""


class Account(msgspec.Struct, frozen=True):
    """Named by the address that its option gives, or else by the connection string of its variable. `role` is what the
    command needs there."""

    what: str
    option: str
    address: str
    variable: str
    role: str

    @property
    def named_by(self) -> str:
        """What to look at where it is the wrong one; never its value."""
        return f"the address of {self.option}" if self.address else f"the connection string of {self.variable}"

    def remedy(self, error: StorageUnavailable) -> str:
        """What to do about what the SDK raised first."""
        network = "and does its network let this machine in?"
        match error.__cause__:
            case ClientAuthenticationError() | HttpResponseError(status_code=HTTPStatus.FORBIDDEN):
                if self.address:
                    return f"have you the role {self.role} there, which takes minutes to work, {network}"
                return f"is the key in {self.named_by} right, {network}"
            case ResourceNotFoundError():
                return f"is the name right in {self.named_by}?"
            case HttpResponseError():
                return "try again in a minute"
        return f"is {self.named_by} right, {network}"


def tables(option: str, address: str, role: str) -> Account:
    return Account("tables", option, address, TABLES, f"Storage Table Data {role}")


def backups(option: str, address: str, role: str) -> Account:
    return Account("backups", option, address, BACKUPS, f"Storage Blob Data {role}")
