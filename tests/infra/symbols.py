"""What is wrong with the names in a set of Bicep files, as sentences; none where all is right.

A function needs no list here: pycep's grammar knows Bicep's functions by name, and does not parse another one.
"""

from collections.abc import Iterator

from tests.infra.bicep import File, Sources, read
from tests.infra.syntax import Access, Expression, Loop, Name, within

_OUTPUTS = "outputs"
_BESIDE_PARAMS = {"name", "scope", "params", "dependsOn"}


def faults(sources: Sources) -> list[str]:
    files = {path: read(path, text) for path, text in sources.items()}
    found = [fault for file in files.values() for fault in (*file.repeated, *_names(file), *_modules(file, files))]
    reached = {file.target(module) for file in files.values() for module in file.modules.values()}
    return found + [f"{path}: no module uses it" for path in files if path != "main.bicep" and path not in reached]


def _declarations(file: File) -> Iterator[Expression]:
    for parameter in file.parameters.values():
        if parameter.default is not None:
            yield parameter.default
    yield from (value for value, _ in file.variables.values())
    yield from (resource.body for resource in file.resources.values())
    yield from (module.body for module in file.modules.values())
    yield from (output.value for output in file.outputs.values())


def _names(file: File) -> Iterator[str]:
    declared = {**file.parameters, **file.variables, **file.resources, **file.modules}
    used = [name for one in _declarations(file) for name in free(one, frozenset())]
    yield from (f"{file.path}: {name} is declared nowhere" for name in used if name not in declared)
    optional = {**file.parameters, **file.variables}
    yield from (f"{file.path}: {name} is never used" for name in optional if name not in used)
    leaves = {symbol for symbol, resource in file.resources.items() if resource.existing}
    yield from (f"{file.path}: {name} is never used" for name in leaves if name not in used)


def free(one: Expression, bound: frozenset[str]) -> Iterator[str]:
    """The names in an expression that no loop around them gives a meaning to."""
    match one:
        case Name(name):
            if name not in bound:
                yield name
        case Loop(item, index, over, _, body):
            yield from free(over, bound)
            yield from free(body, bound | {item} | ({index} if index else set()))
        case _:
            for part in within(one):
                yield from free(part, bound)


def _modules(file: File, files: dict[str, File]) -> Iterator[str]:
    for module in file.modules.values():
        where = f"{file.path}:{module.line}: module {module.symbol}"
        target = files.get(file.target(module))
        if target is None:
            yield f"{where}: {module.path} does not exist"
            continue
        body = getattr(module.body, "body", module.body)
        given = {str(key.value) for key, _ in body.get("params").pairs}
        wanted = {name for name, parameter in target.parameters.items() if parameter.default is None}
        yield from (f"{where}: {name} is not given" for name in sorted(wanted - given))
        yield from (f"{where}: {target.path} takes no {name}" for name in sorted(given - set(target.parameters)))
        beside = {str(key.value) for key, _ in body.pairs}
        yield from (f"{where}: {name} is no part of a module" for name in sorted(beside - _BESIDE_PARAMS))
        if target.scope != file.scope and body.get("scope") is None:
            yield f"{where}: has no scope, and {target.path} is deployed to another one than {file.path}"
    for one in _declarations(file):
        yield from _taken(one, file, files)


def _taken(one: Expression, file: File, files: dict[str, File]) -> Iterator[str]:
    """Outputs that are taken from a module which has none of that name."""
    match one:
        case Access(Access(Name(symbol), "outputs"), name) if symbol in file.modules:
            target = files.get(file.target(file.modules[symbol]))
            if target is not None and name not in target.outputs:
                yield f"{file.path}: {target.path} has no output {name}"
        case Access(Name(symbol), name) if symbol in file.modules and name not in {_OUTPUTS, "name"}:
            yield f"{file.path}: {symbol}.{name} is nothing a module has"
    for part in within(one):
        yield from _taken(part, file, files)
