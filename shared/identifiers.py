"""Identifiers as everything here writes them: lower-case hyphenated UUIDs (the .NET GUID's form "D", guide 6.5.8)."""

import re
import uuid

_HYPHENATED = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def canonical_uuid(text: object) -> str | None:
    """The UUID in its canonical form, or None where `text` is none: braces, spaces or missing hyphens are not taken."""
    if isinstance(text, str) and _HYPHENATED.fullmatch(text):
        return text.lower()
    return None


def new_session_id() -> str:
    return str(uuid.uuid4())


def is_outage_id(session_id: str) -> bool:
    """Whether a session's id was made without storage, from a secret (version 5, `shared/sessions/outage.py`)."""
    return uuid.UUID(session_id).version == 5
