"""Which HTTP function answers a path: Azure's route templates.

Segments are literal or hold parameters: `{id}`, `{id:guid}`, `{id?}`, `{page=1}`, `file-{n:int}.json`, and last
`{*rest}`. Literals match in any case. Where several templates fit, segments decide from left to right: literal before
constrained parameter before parameter before catch-all (Microsoft Learn, "Azure Functions HTTP trigger", and
"Routing in ASP.NET Core", route templates and precedence). A method that is not registered is no match.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
PARAMETER = re.compile(r"(?P<star>\*{0,2})(?P<name>\w+)(?P<constraints>(?::[a-z]+(?:\([^()]*\))?)*)(?P<rest>\?|=.*)?")
CONSTRAINT = re.compile(r":([a-z]+)(?:\(([^()]*)\))?")
GUID = re.compile(r"\{[0-9a-f-]{36}\}|\([0-9a-f-]{36}\)|[0-9a-f-]{36}|[0-9a-f]{32}", re.IGNORECASE)
GUID_HYPHENS = re.compile(r"\W?\w{8}-\w{4}-\w{4}-\w{4}-\w{12}\W?")

LITERAL, CONSTRAINED, PLAIN, CONSTRAINED_REST, REST = 1, 2, 3, 4, 5

Check = Callable[[str], bool]


class RouteError(ValueError):
    """The template is not one devhost can serve; the message says what is wrong."""


def _integer(bits: int) -> Check:
    limit = 2 ** (bits - 1)
    return lambda text: bool(re.fullmatch(r"[+-]?\d+", text, re.ASCII)) and -limit <= int(text) < limit


def _bounds(lowest: str, highest: str = "9223372036854775807") -> Check:
    whole, first, last = _integer(64), int(lowest), int(highest)
    return lambda text: whole(text) and first <= int(text) <= last


def _length(lowest: str, highest: str | None = None) -> Check:
    shortest, longest = int(lowest), int(highest or lowest)
    return lambda text: shortest <= len(text) <= longest


def _pattern(pattern: str) -> Check:
    compiled = re.compile(pattern, re.ASCII | re.IGNORECASE)
    return lambda text: bool(compiled.fullmatch(text))


def _is_guid(text: str) -> bool:
    return bool(GUID.fullmatch(text)) and ("-" not in text or bool(GUID_HYPHENS.fullmatch(text)))


CONSTRAINTS: dict[str, Callable[..., Check]] = {
    "int": lambda: _integer(32),
    "long": lambda: _integer(64),
    "bool": lambda: _pattern("true|false"),
    "alpha": lambda: _pattern("[a-z]*"),
    "guid": lambda: _is_guid,
    "decimal": lambda: _pattern(r"[+-]?(\d+\.?\d*|\.\d+)"),
    "double": lambda: _pattern(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?"),
    "float": lambda: _pattern(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?"),
    "required": lambda: bool,
    "min": lambda lowest: _bounds(lowest),
    "max": lambda highest: _bounds("-9223372036854775808", highest),
    "range": lambda lowest, highest: _bounds(lowest, highest),
    "length": _length,
    "minlength": lambda lowest: _length(lowest, "2147483647"),
    "maxlength": lambda highest: _length("0", highest),
}


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    checks: tuple[Check, ...]
    optional: bool
    default: str | None
    catch_all: bool

    @property
    def precedence(self) -> int:
        if self.catch_all:
            return CONSTRAINED_REST if self.checks else REST
        return CONSTRAINED if self.checks else PLAIN


@dataclass(frozen=True, slots=True)
class Template:
    """One route, compiled. `text` is as the app wrote it, without slashes at its ends."""

    text: str
    pattern: re.Pattern[str]
    parameters: tuple[Parameter, ...]
    precedence: tuple[int, ...]

    def match(self, path: str) -> dict[str, str] | None:
        """The route values of a decoded path (leading slash, no trailing one), or None."""
        found = self.pattern.fullmatch(path)
        if not found:
            return None
        values: dict[str, str] = {}
        for parameter, value in zip(self.parameters, found.groups(), strict=True):
            text = value or parameter.default
            if text is None:
                continue
            if not all(check(text) for check in parameter.checks):
                return None
            values[parameter.name] = text
        return values


def compile_template(text: str) -> Template:
    """Compile a route template, prefix included.

    Raises:
        RouteError: unknown constraint, malformed parameter, or an optional part that is not last.
    """
    pattern, parameters, precedence = "", [], []
    segments = [segment for segment in text.strip("/").split("/") if segment]
    for position, segment in enumerate(segments, start=1):
        pieces = PLACEHOLDER.split(segment)
        found = [_parameter(text, piece) for piece in pieces[1::2]]
        if any("{" in piece or "}" in piece for piece in pieces[::2]):
            raise RouteError(f"route '{text}': unbalanced braces in '{segment}'")
        parameters += found
        if not found:
            pattern += "/" + re.escape(segment)
            precedence.append(LITERAL)
            continue
        alone = len(found) == 1 and pieces[0] == pieces[2] == ""
        special = any(p.catch_all or p.optional or p.default is not None for p in found)
        if special and not alone:
            raise RouteError(f"route '{text}': '{segment}' mixes text with an optional or catch-all parameter")
        if special and position < len(segments):
            raise RouteError(f"route '{text}': '{segment}' can only be the last segment")
        precedence.append(found[0].precedence if alone else CONSTRAINED)
        if special:
            pattern += "(?:/(.*))?" if found[0].catch_all else "(?:/([^/]+))?"
        else:
            literals = [re.escape(piece) for piece in pieces[::2]]
            pattern += "/" + "([^/]+)".join(literals)
    names = [parameter.name.lower() for parameter in parameters]
    if len(set(names)) < len(names):
        raise RouteError(f"route '{text}': a parameter appears twice")
    compiled = re.compile(pattern, re.IGNORECASE | re.DOTALL)
    return Template(text.strip("/"), compiled, tuple(parameters), tuple(precedence))


def _parameter(route: str, text: str) -> Parameter:
    match = PARAMETER.fullmatch(text)
    if not match:
        raise RouteError(f"route '{route}': '{{{text}}}' is not a parameter devhost can read")
    checks = []
    for name, arguments in CONSTRAINT.findall(match["constraints"]):
        if name not in CONSTRAINTS:
            raise RouteError(f"route '{route}': devhost does not know the constraint '{name}'")
        try:
            checks.append(CONSTRAINTS[name](*(a.strip() for a in arguments.split(",") if a.strip())))
        except (TypeError, ValueError) as error:
            raise RouteError(f"route '{route}': wrong arguments in '{{{text}}}'") from error
    rest = match["rest"] or ""
    default = rest[1:] if rest.startswith("=") else None
    return Parameter(match["name"], tuple(checks), rest == "?", default, bool(match["star"]))


@dataclass(frozen=True, slots=True)
class Route[Target]:
    template: Template
    methods: frozenset[str]
    """Upper-case; empty means any."""
    target: Target

    def accepts(self, method: str) -> bool:
        return not self.methods or method in self.methods


class Match[Target](NamedTuple):
    target: Target
    values: dict[str, str]


class RouteTable[Target]:
    def __init__(self, routes: Iterable[Route[Target]]) -> None:
        self._literal: dict[str, list[Route[Target]]] = {}
        self._other: list[Route[Target]] = []
        for route in sorted(routes, key=lambda route: route.template.precedence):
            if route.template.parameters:
                self._other.append(route)
            else:
                path = f"/{route.template.text}".rstrip("/").lower()
                self._literal.setdefault(path, []).append(route)

    def match(self, method: str, path: str) -> Match[Target] | None:
        """The function for a decoded path; a trailing slash does not matter."""
        path = path.rstrip("/")
        for route in self._literal.get(path.lower(), ()):
            if route.accepts(method):
                return Match(route.target, {})
        for route in self._other:
            if route.accepts(method) and (values := route.template.match(path)) is not None:
                return Match(route.target, values)
        return None
