"""Bicep files as plain trees of expressions, read with pycep's grammar.

pycep knows no order of operators: it nests whatever is not in brackets to the right. `_bound` turns that into the
order that Bicep has (Microsoft Learn, "Bicep operators"). A bracketed right operand cannot be told from an unbracketed
one, so the files here do without those.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pycep
from lark import Token, Tree

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

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"

DEMANDS = {"deco_allowed", "deco_min_val", "deco_max_val", "deco_min_len", "deco_max_len"}
"""The decorators that say what a parameter may be, by their names in pycep's grammar."""


@dataclass(frozen=True)
class Parameter:
    name: str
    type: str
    default: Expression | None
    demands: Mapping[str, Expression]
    """What its decorators demand."""
    line: int


@dataclass(frozen=True)
class Resource:
    symbol: str
    type: str
    api_version: str
    existing: bool
    body: Expression
    line: int


@dataclass(frozen=True)
class Module:
    symbol: str
    path: str
    body: Expression
    line: int


@dataclass(frozen=True)
class Output:
    name: str
    value: Expression
    line: int


@dataclass
class File:
    """What one file declares; `path` is below infra/."""

    path: str
    text: str
    scope: str = "resourceGroup"
    parameters: dict[str, Parameter] = field(default_factory=dict)
    variables: dict[str, tuple[Expression, int]] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)
    modules: dict[str, Module] = field(default_factory=dict)
    outputs: dict[str, Output] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)

    def target(self, module: Module) -> str:
        """The path of the file that one of this file's modules deploys."""
        return (PurePosixPath(self.path).parent / module.path).as_posix()


Sources = Mapping[str, str]
"""The texts of all files by their paths below infra/."""


def sources() -> dict[str, str]:
    return {path.relative_to(INFRA).as_posix(): path.read_text() for path in sorted(INFRA.rglob("*.bicep"))}


@functools.cache
def _parser() -> pycep.BicepParser:
    return pycep.BicepParser()


@functools.cache
def read(path: str, text: str) -> File:
    """Raises lark's UnexpectedInput where the text is not Bicep as far as pycep knows it."""
    file = File(path, text)
    for element in _parser().lark_parser.parse(text).children:
        kind, parts = element.data, element.children
        if kind == "scope":
            file.scope = str(parts[0]).strip("'")
            continue
        name, line = str(parts[1]), parts[1].line
        if name in {**file.parameters, **file.variables, **file.resources, **file.modules} and kind != "output":
            file.repeated.append(f"{path}:{line}: {name} is declared twice")
        if kind == "param":
            file.parameters[name] = Parameter(
                name,
                str(parts[2].children[0]),
                expression(parts[3]) if parts[3] is not None else None,
                _demands(parts[0]),
                line,
            )
        elif kind == "var":
            file.variables[name] = (expression(parts[2]), line)
        elif kind == "resource":
            kind_of, version = str(parts[2].children[0])[1:-1].split("@")
            file.resources[name] = Resource(name, kind_of, version, parts[3] is not None, expression(parts[4]), line)
        elif kind == "module":
            file.modules[name] = Module(name, str(parts[2].children[0])[1:-1], expression(parts[3]), line)
        elif kind == "output":
            file.outputs[name] = Output(name, expression(parts[3]), line)
        else:
            raise ValueError(f"{path}:{line}: {kind} is not used in these files")
    return file


def _demands(decorators: Tree[Token] | None) -> dict[str, Expression]:
    found = decorators.children if decorators is not None else []
    return {one.data: _demanded(one.children[0]) for one in found if isinstance(one, Tree) and one.data in DEMANDS}


def _demanded(part: Tree[Token] | Token) -> Expression:
    return expression(part) if isinstance(part, Tree) else Literal(int(part))


def expression(tree: Tree[Token]) -> Expression:
    kind, parts = tree.data, tree.children
    match kind:
        case "null" | "true" | "false":
            return Literal({"null": None, "true": True, "false": False}[kind])
        case "int":
            return Literal(int(parts[0]))
        case "string":
            return Name(str(parts[0])) if parts[0].type == "STRING" else text(str(parts[0])[1:-1])
        case "multi_line_string":
            return Literal("".join(map(str, parts)).strip("'"))
        case "array":
            return Array(tuple(expression(part) for part in parts))
        case "object":
            return Object(tuple(_pair(part) for part in parts))
        case "function":
            return _call(parts[0])
        case "operator":
            return _operation(parts[0])
        case "loop":
            return _loop(parts)
        case "deploy_condition":
            return When(expression(parts[0]), expression(parts[1]))
    raise ValueError(f"{kind} is not used in these files")


_PIECE = re.compile(r"\$\{((?:[^{}']|'[^']*'|\{[^{}]*\})*)\}")
_ESCAPED = {r"\'": "'", r"\\": "\\", r"\n": "\n", r"\$": "$"}


def text(inside: str) -> Expression:
    """A string by what stands between its quotes."""
    parts: list[Expression] = []
    end = 0
    for piece in _PIECE.finditer(inside):
        if piece.start() > end:
            parts.append(Literal(_unescaped(inside[end : piece.start()])))
        (statement,) = _parser().lark_parser.parse(f"var inside = {piece[1]}").children
        parts.append(expression(statement.children[2]))
        end = piece.end()
    if not parts:
        return Literal(_unescaped(inside))
    return Text((*parts, Literal(_unescaped(inside[end:]))) if end < len(inside) else tuple(parts))


def _unescaped(inside: str) -> str:
    return re.sub(r"\\['\\n$]", lambda found: _ESCAPED[found[0]], inside)


def _pair(tree: Tree[Token]) -> tuple[Expression, Expression]:
    if tree.data != "pair":
        raise ValueError(f"{tree.data} is not used in these files")
    key, value = str(tree.children[0].children[0]), expression(tree.children[1])
    return (text(key[1:-1]) if key.startswith("'") else Literal(key)), value


def _call(tree: Tree[Token]) -> Expression:
    """A function's arguments are trees; a property that is taken from what it returns is a bare token."""
    taken = [part for part in tree.children if isinstance(part, Token)]
    called = Call(str(tree.data), tuple(expression(part) for part in tree.children if isinstance(part, Tree)))
    return Access(called, str(taken[0])) if taken else called


_TIGHTNESS = {
    "conditional": 0,
    "coalesce": 1,
    "or_op": 2,
    "and_op": 3,
    **dict.fromkeys(("equals", "not_equals", "equals_case_insens", "not_equals_case_insens"), 4),
    **dict.fromkeys(("less_than", "less_than_or_equals", "greater_than", "greater_than_or_equals"), 5),
    **dict.fromkeys(("add", "substract"), 6),
    **dict.fromkeys(("multiply", "divide", "modulo"), 7),
    **dict.fromkeys(("not_op", "minus"), 8),
}
_TIGHTEST = 9


def _operation(tree: Tree[Token]) -> Expression:
    operator, parts = str(tree.data), [part for part in tree.children if part is not None]
    if operator == "function_accessor":
        return Call(str(parts[1]), tuple(expression(part) for part in (parts[0], *parts[2:])))
    operands = [expression(part) for part in parts]
    if operator in {"property_accessor", "index_accessor"}:
        return _accessed(operator, operands[0], operands[1])
    return _bound(operator, operands)


def _accessed(operator: str, left: Expression, right: Expression) -> Expression:
    """What is taken from `left`, where pycep has taken the rest of the expression for its right operand."""
    if operator == "index_accessor":
        return Index(left, right)
    match right:
        case Name(name):
            return Access(left, name)
        case Access(of, name):
            return Access(_accessed(operator, left, of), name)
        case Index(of, index):
            return Index(_accessed(operator, left, of), index)
        case Operation(other, (first, *rest)):
            return Operation(other, (_accessed(operator, left, first), *rest))
    raise ValueError(f"{right} cannot be taken from {left}")


def _bound(operator: str, operands: list[Expression]) -> Expression:
    last = operands[-1]
    if operator != "conditional" and isinstance(last, Operation) and _tightness(last) < _TIGHTNESS[operator]:
        first, *rest = last.operands
        return Operation(last.operator, (_bound(operator, [*operands[:-1], first]), *rest))
    return Operation(operator, tuple(operands))


def _tightness(operation: Operation) -> int:
    return _TIGHTNESS.get(operation.operator, _TIGHTEST)


def _loop(parts: list[Tree[Token]]) -> Loop:
    head, condition, body = parts
    if condition is not None or head.data == "loop_range":
        raise ValueError("loops with a condition or over a range are not used in these files")
    *names, over = head.children
    inside = expression(body)
    return Loop(
        str(names[0]), str(names[1]) if len(names) > 1 else None, expression(over), head.data == "loop_object", inside
    )
