"""How zapctl ends: every exit code, and the failure that carries one to the shell. `docs/zapctl.md` lists them."""

from enum import IntEnum


class Exit(IntEnum):
    FINE = 0
    UNEXPECTED = 1
    """A fault of zapctl's own."""
    USAGE = 2
    """An option or argument is wrong; Typer's own."""
    UNREACHABLE = 3
    """The app does not answer, or what answers is not this version of it."""
    NOT_AUTHORIZED = 4
    """The app does not take our key."""
    NOT_CONFIGURED = 5
    """The app lacks a setting or a secret."""
    NO_TARGET = 6
    """No app was found to talk to, or more than one."""
    NOT_DONE = 7
    """The operator said no, or could not be asked; nothing was changed."""
    NOT_FOUND = 8
    """The app knows no such installation, charger or credential."""
    REFUSED = 9
    """The app refused what was sent."""
    UNAVAILABLE = 10
    """The app is down, or its storage is."""
    ZAPCLOUD = 11
    """ZapCloud refused the app, or did not answer it."""
    AZURE = 12
    """Azure did not sign us in, did not answer, or refused: resource manager, Key Vault."""
    IMPORT_FAULTS = 13
    """The file has faults; nothing was written."""
    IMPORT_UNDONE = 14
    """A write failed; everything written before was taken back."""
    IMPORT_PARTIAL = 15
    """A write failed, and not everything could be taken back."""
    LOCKOUT = 16
    """Drivers would be locked out, so that the mode was not changed."""
    BACKUP_UNUSABLE = 17
    """The backup is not whole, was changed, or does not fit; nothing was written."""
    RESTORE_DIFFERS = 18
    """All was written, and what is in the account differs from the backup."""


class Failure(Exception):
    """What ends a command; the message is one sentence that says what to do."""

    def __init__(self, exit_code: Exit, message: str) -> None:
        super().__init__(" ".join(message.split()))
        self.exit_code = exit_code
