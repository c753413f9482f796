"""docs/deploy.md tells the operator of every parameter and every role as they are."""

import re

from tests.infra.bicep import ROOT, read, sources
from tests.infra.deployment import SUFFIX
from tests.infra.parameters import parameters, variables
from tests.infra.roles import GRANTED
from tests.infra.syntax import Literal

GUIDE = (ROOT / "docs" / "deploy.md").read_text()
MAIN = read("main.bicep", sources()["main.bicep"])
PARAMETERS_FILE = (ROOT / "infra" / "main.bicepparam").read_text()
EMPTY = {"*nobody*", "*empty*", "*none*"}

DESCRIBED = {
    name: (default, variable)
    for name, default, variable in re.findall(r"^\| `(\w+)` \| (\S+) \| (?:`(\w+)`)? ?\|", GUIDE, re.MULTILINE)
}


def test_every_parameter_is_described_and_no_other() -> None:
    assert set(DESCRIBED) == set(MAIN.parameters)


def test_the_defaults_are_those_that_are_described() -> None:
    written = {name: one.default.value for name, one in MAIN.parameters.items() if isinstance(one.default, Literal)}
    defaults = written | parameters({})
    said = {name: "" if default in EMPTY else default.strip("`") for name, (default, _) in DESCRIBED.items()}

    assert said == {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in defaults.items()
    }


def test_the_environment_variables_are_those_that_are_described() -> None:
    reads = dict(re.findall(r"^param (\w+) = .*?readEnvironmentVariable\('(\w+)'", PARAMETERS_FILE, re.MULTILINE))

    assert {name: variable for name, (_, variable) in DESCRIBED.items() if variable} == reads
    assert set(reads.values()) == variables(PARAMETERS_FILE)


def test_the_roles_are_those_that_are_described() -> None:
    rows = re.findall(r"^\| (hooks|streams|you)\b[^|]*\| \*?([^|*:]+?)\*?(?:: [^|]*)? \| the ", GUIDE, re.MULTILINE)
    described = {("operator" if who == "you" else who, role) for who, role in rows}

    assert described == {(who, role.removesuffix(f" {SUFFIX}")) for who, role, _ in GRANTED}
