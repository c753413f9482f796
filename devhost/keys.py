"""The keys that callers show: one function key and the master key, kept in a file only its owner may read."""

import hmac
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

HEADER = "x-functions-key"
QUERY = "code"


class KeysError(Exception):
    """The keys file exists and cannot be used."""


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    function_key: str
    master_key: str

    def opens(self, auth_level: str, shown: str | None) -> bool:
        """Whether a caller who shows this key may use a function of the level (anonymous, function or admin)."""
        if auth_level == "anonymous":
            return True
        if shown is None:
            return False
        is_master = _same(shown, self.master_key)
        return is_master or (auth_level == "function" and _same(shown, self.function_key))


def _same(shown: str, key: str) -> bool:
    return hmac.compare_digest(shown.encode(errors="surrogateescape"), key.encode())


def load_or_create(path: Path) -> Keys:
    """Read `{"functionKey": …, "masterKey": …}`; at the first start make it, with random keys and mode 0600.

    Raises:
        KeysError: the file is not readable or holds no usable keys.
    """
    try:
        content = json.loads(path.read_text())
        keys = Keys(content["functionKey"], content["masterKey"])
        if not all(isinstance(key, str) and key for key in (keys.function_key, keys.master_key)):
            raise KeysError(f"{path} holds an empty key; delete it to get new ones")
    except FileNotFoundError:
        return _create(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KeysError(f"cannot use the keys in {path} ({type(error).__name__}); delete it to get new ones") from error
    return keys


def _create(path: Path) -> Keys:
    keys = Keys(secrets.token_urlsafe(40), secrets.token_urlsafe(40))
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"functionKey": keys.function_key, "masterKey": keys.master_key}, file, indent=2)
    draft.replace(path)
    return keys
