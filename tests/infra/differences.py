"""How what is found differs from what is wanted, name by name."""

from collections.abc import Iterator, Mapping
from typing import Any


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{name} is {found.get(name)}" for name, value in wanted.items() if found.get(name) != value)
