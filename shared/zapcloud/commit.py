"""How a session came to be written down in ZapCloud.

Source: SessionCommitMetadata of https://api.zaptec.com/api/constants.
"""

from enum import IntFlag


class Commit(IntFlag):
    """Bits of a session's CommitMetadata."""

    ONLINE = 1
    OFFLINE = 2
    RELIABLE_CLOCK = 4
    STOPPED_BY_RFID = 8
    SIGNED = 16
    VOID = 32
    ABORTED = 64
    OCPP_NATIVE = 128
