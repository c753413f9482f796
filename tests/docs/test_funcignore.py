"""What is deployed: all that the app needs, nothing else, and never a secret of this machine."""

import ast
import functools
import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path

import pathspec
import pytest

ROOT = Path(__file__).parents[2]
IGNORED = pathspec.GitIgnoreSpec.from_lines((ROOT / ".funcignore").read_text().splitlines())
LIBRARY = sorted((ROOT / "shared").rglob("*.py"))
DATA = sorted((ROOT / "shared").rglob("*.json"))
CODE = [ROOT / "function_app.py", *sorted((ROOT / "functions").rglob("*.py")), *LIBRARY]


def deployed(folder: Path = ROOT) -> Iterator[str]:
    """Every file that .funcignore leaves, by its path below the root."""
    for entry in sorted(folder.iterdir()):
        path = entry.relative_to(ROOT).as_posix()
        if entry.is_dir():
            if not IGNORED.match_file(f"{path}/"):
                yield from deployed(entry)
        elif not IGNORED.match_file(path):
            yield path


def imported(file: Path) -> Iterator[str]:
    """The full names of all modules a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@functools.cache
def installable() -> set[str]:
    """The packages that requirements.txt brings, by the names they are imported under."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pinned = {line.partition("==")[0] for line in lines if "==" in line and not line.startswith((" ", "#"))}
    providers = importlib.metadata.packages_distributions()
    return {name for name, brought_by in providers.items() if {one.lower() for one in brought_by} & pinned}


def test_exactly_the_app_is_deployed() -> None:
    code = [path.relative_to(ROOT).as_posix() for path in (*CODE, *DATA)]
    assert sorted(deployed()) == sorted(["host.json", "requirements.txt", *code])


@pytest.mark.parametrize(
    "path",
    [
        "local.settings.json",
        "local.settings.sample.json",
        ".local/stack.json",
        ".local/host-keys.json",
        ".env",
        ".git/config",
    ],
)
def test_secrets_and_settings_of_a_machine_stay_on_it(path: str) -> None:
    assert IGNORED.match_file(path)


@pytest.mark.parametrize("file", CODE, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_what_is_deployed_needs_only_what_is_deployed(file: Path) -> None:
    there = {"functions", "shared"} | installable() | sys.stdlib_module_names
    assert {name.partition(".")[0] for name in imported(file)} <= there


@pytest.mark.parametrize("file", LIBRARY, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_the_library_knows_nothing_of_azure_functions(file: Path) -> None:
    names = list(imported(file))
    assert not [name for name in names if name.startswith(("azure.functions", "functions", "function_app"))]
