"""Structs as table entities: one property per field in camelCase; None is absent; lists and maps are JSON text."""

import functools
from collections.abc import Mapping
from datetime import datetime
from typing import Any, get_args, get_origin

import msgspec

from shared.errors import StorageUnavailable

_NATIVE = (datetime, bytes)
_NESTED = (tuple, list, dict)


def to_properties(value: msgspec.Struct) -> dict[str, Any]:
    """The entity's properties for a Struct that was declared with `rename="camel"`."""
    built = msgspec.to_builtins(value, builtin_types=_NATIVE)
    return {
        name: msgspec.json.encode(part).decode() if isinstance(part, (*_NESTED,)) else part
        for name, part in built.items()
        if part is not None
    }


def from_properties[T: msgspec.Struct](kind: type[T], properties: Mapping[str, Any]) -> T:
    """The Struct an entity holds, unknown properties ignored; raises StorageUnavailable where a property cannot be
    read, which the row of a newer version may have."""
    nested = _nested_fields(kind)
    try:
        values = {
            name: msgspec.json.decode(part) if name in nested and isinstance(part, str) else part
            for name, part in properties.items()
        }
        return msgspec.convert(values, kind, builtin_types=_NATIVE)
    except msgspec.MsgspecError as error:
        raise StorageUnavailable(f"a stored {kind.__name__} cannot be read: {error}") from error


@functools.cache
def _nested_fields(kind: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(field.encode_name for field in msgspec.structs.fields(kind) if _is_nested(field.type))


def _is_nested(annotation: Any) -> bool:
    options = get_args(annotation) if get_origin(annotation) not in _NESTED else ()
    return get_origin(annotation) in _NESTED or any(get_origin(option) in _NESTED for option in options)
