"""What the Bicep files would deploy with given parameters: every resource with its values worked out.

What only Azure knows (a client id, a connection string) becomes a text in angle brackets that says what it is.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.infra.bicep import INFRA, File, Parameter, Sources, read
from tests.infra.syntax import (
    Access,
    Array,
    Call,
    Expression,
    Index,
    Literal,
    Loop,
    Name,
    Object,
    Operation,
    Text,
    When,
)

SUFFIX = "abcdefghijklm"
"""What stands for uniqueString(…), as long as it is."""

SUBSCRIPTION = "/subscriptions/<subscription>"
GROUP = f"{SUBSCRIPTION}/resourceGroups/<group>"
_CLOUD = {
    "resourceManager": "https://management.azure.com/",
    "suffixes": {"storage": "core.windows.net", "keyvaultDns": ".vault.azure.net"},
}
_SCOPES = {
    "subscription": {"id": SUBSCRIPTION, "tenantId": "<tenant>"},
    "resource_group": {"id": GROUP, "location": "<location>"},
    "tenant": {"tenantId": "<tenant>"},
}


@dataclass(frozen=True)
class Deployed:
    """A resource as it would be sent to Azure; `scope` and `parent` are resources themselves."""

    file: str
    symbol: str
    type: str
    api_version: str
    existing: bool
    values: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.values["name"])

    @property
    def id(self) -> str:
        parent = self.values.get("parent")
        return f"{parent.id}/{self.name}" if parent is not None else f"{GROUP}/providers/{self.type}/{self.name}"

    @property
    def properties(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.values.get("properties", {})
        return found


@dataclass
class Deployment:
    resources: list[Deployed] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def of(self, kind: str) -> list[Deployed]:
        return [one for one in self.resources if one.type == kind and not one.existing]

    def one(self, kind: str, name: str) -> Deployed:
        (found,) = [one for one in self.of(kind) if one.name == name]
        return found


def deploy(sources: Sources, parameters: Mapping[str, Any]) -> Deployment:
    deployment = Deployment()
    deployment.outputs = _Scope(sources, read("main.bicep", sources["main.bicep"]), parameters, deployment).outputs()
    return deployment


def worked_out(file: File) -> dict[str, Any]:
    """The values of a file's variables."""
    scope = _Scope({}, file, {}, Deployment())
    return {name: scope.value(value, {}) for name, (value, _) in file.variables.items()}


class _Scope:
    """One file being deployed; a name is worked out when it is first asked for."""

    def __init__(self, sources: Sources, file: File, parameters: Mapping[str, Any], deployment: Deployment) -> None:
        self._sources = sources
        self._file = file
        self._parameters = parameters
        self._deployment = deployment
        self._known: dict[str, Any] = {}

    def outputs(self) -> dict[str, Any]:
        for symbol in (*self._file.resources, *self._file.modules):
            self._name(symbol, {})
        return {name: self.value(output.value, {}) for name, output in self._file.outputs.items()}

    def _name(self, name: str, loops: Mapping[str, Any]) -> Any:
        if name in loops:
            return loops[name]
        if name not in self._known:
            self._known[name] = self._declared(name)
        return self._known[name]

    def _declared(self, name: str) -> Any:
        file = self._file
        if name in file.parameters:
            return self._parameter(file.parameters[name])
        if name in file.variables:
            return self.value(file.variables[name][0], {})
        if name in file.modules:
            return self._each(file.modules[name].body, lambda values: self._module(name, values))
        if name in file.resources:
            return self._each(file.resources[name].body, lambda values: self._resource(name, values))
        raise ValueError(f"{file.path}: {name} is declared nowhere")

    def _parameter(self, parameter: Parameter) -> Any:
        """What is given, or else the default; raises ValueError where Azure would refuse it."""
        where = f"{self._file.path}: {parameter.name}"
        if parameter.name in self._parameters:
            value = self._parameters[parameter.name]
        elif parameter.default is not None:
            value = self.value(parameter.default, {})
        else:
            raise ValueError(f"{where} is not given")
        if type(value) is not _TYPES[parameter.type]:
            raise ValueError(f"{where} is no {parameter.type}")
        for demand, wanted in parameter.demands.items():
            if not _DEMANDS[demand](value, self.value(wanted, {})):
                raise ValueError(f"{where} must not be {value}")
        return value

    def _each(self, body: Expression, make: Callable[[Mapping[str, Any]], Any]) -> Any:
        """What a body makes: one, none where its condition fails, or a list of them."""
        match body:
            case When(condition, inner):
                return make(self.value(inner, {})) if self.value(condition, {}) else None
            case Loop():
                return [make(values) for values in self.value(body, {})]
        return make(self.value(body, {}))

    def _resource(self, symbol: str, values: Mapping[str, Any]) -> Deployed:
        declared = self._file.resources[symbol]
        made = Deployed(self._file.path, symbol, declared.type, declared.api_version, declared.existing, values)
        self._deployment.resources.append(made)
        return made

    def _module(self, symbol: str, values: Mapping[str, Any]) -> dict[str, Any]:
        path = self._file.target(self._file.modules[symbol])
        inner = _Scope(self._sources, read(path, self._sources[path]), values["params"], self._deployment)
        return {"name": values["name"], "outputs": inner.outputs()}

    def value(self, one: Expression, loops: Mapping[str, Any]) -> Any:
        match one:
            case Literal(value):
                return value
            case Name(name):
                return self._name(name, loops)
            case Text(parts):
                return "".join(_as_text(self.value(part, loops)) for part in parts)
            case Array(items):
                return [self.value(item, loops) for item in items]
            case Object(pairs):
                return {_as_text(self.value(key, loops)): self.value(value, loops) for key, value in pairs}
            case Access(of, name):
                return _taken(self.value(of, loops), name)
            case Index(of, index):
                return self.value(of, loops)[self.value(index, loops)]
            case Loop(item, index, over, of_items, body):
                found = self.value(over, loops)
                walked = [{"key": key, "value": found[key]} for key in sorted(found)] if of_items else found
                return [
                    self.value(body, {**loops, item: value, **({index: i} if index else {})})
                    for i, value in enumerate(walked)
                ]
            case Operation(operator, operands):
                return self._operation(operator, operands, loops)
            case Call(function, arguments):
                return self._call(function, [self.value(argument, loops) for argument in arguments])
        raise ValueError(f"{self._file.path}: {one}")

    def _operation(self, operator: str, operands: tuple[Expression, ...], loops: Mapping[str, Any]) -> Any:
        def value(place: int) -> Any:
            return self.value(operands[place], loops)

        match operator:
            case "conditional":
                return value(1) if value(0) else value(2)
            case "coalesce":
                first = value(0)
                return first if first is not None else value(1)
            case "and_op":
                return value(0) and value(1)
            case "or_op":
                return value(0) or value(1)
            case "not_op":
                return not value(0)
            case "equals":
                return value(0) == value(1)
            case "not_equals":
                return value(0) != value(1)
            case "add":
                return value(0) + value(1)
        raise ValueError(f"{self._file.path}: operator {operator}")

    def _call(self, function: str, arguments: list[Any]) -> Any:
        if function in _SCOPES:
            return _SCOPES[function]
        if function == "load_text_content":
            return (INFRA / self._file.path).parent.joinpath(arguments[0]).read_text()
        if function in _FUNCTIONS:
            return _FUNCTIONS[function](*arguments)
        raise ValueError(f"{self._file.path}: function {function}")


def _taken(of: Any, name: str) -> Any:
    if isinstance(of, Deployed):
        if name in {"id", "name", "type"}:
            return getattr(of, name)
        found = of.values.get(name, {})
        return found if not isinstance(found, Mapping) else {"<of>": of, **found}
    if isinstance(of, Mapping):
        if name not in of and "<of>" in of:
            return f"<{of['<of>'].name}.{name}>"
        return of[name]
    return f"{of}.{name}"


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value)


def _string(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _format(pattern: str, *values: Any) -> str:
    return re.sub(r"\{(\d+)\}", lambda found: _as_text(values[int(found[1])]), pattern)


_TYPES = {"string": str, "int": int, "bool": bool, "object": dict, "array": list}
_DEMANDS: dict[str, Callable[[Any, Any], bool]] = {
    "deco_allowed": lambda value, wanted: value in wanted,
    "deco_min_val": lambda value, wanted: value >= wanted,
    "deco_max_val": lambda value, wanted: value <= wanted,
    "deco_min_len": lambda value, wanted: len(value) >= wanted,
    "deco_max_len": lambda value, wanted: len(value) <= wanted,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "bool_func": lambda value: {"true": True, "false": False}[value],
    "concat": lambda *parts: "".join(parts) if isinstance(parts[0], str) else [item for part in parts for item in part],
    "contains": lambda container, item: item in container,
    "empty": lambda value: not value,
    "environment": lambda: _CLOUD,
    "flatten": lambda nested: [item for part in nested for item in part],
    "format": _format,
    "guid": lambda *parts: f"<guid of {', '.join(map(_as_text, parts))}>",
    "join": lambda items, between: between.join(items),
    "length": len,
    "replace": lambda value, old, new: value.replace(old, new),
    "string_func": _string,
    "subscription_resource_id": lambda kind, name: f"{SUBSCRIPTION}/providers/{kind}/{name}",
    "to_lower": str.lower,
    "to_upper": str.upper,
    "union": lambda *parts: {key: value for part in parts for key, value in part.items()},
    "unique_string": lambda *_: SUFFIX,
}
