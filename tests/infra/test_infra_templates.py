"""The templates of infra/, which nobody can compile here: read with pycep and worked out, held against the code.

Each check is also shown templates with one fault each (faults.yaml), which it must report: what none of them is about
is not checked.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from lark.exceptions import UnexpectedInput

from tests.infra import availability, roles, sites, stores, symbols
from tests.infra.bicep import Sources, read, sources

CHECKS = {
    "symbols": symbols.faults,
    "sites": sites.faults,
    "roles": roles.faults,
    "stores": stores.faults,
    "availability": availability.faults,
}
FAULTS = yaml.safe_load(Path(__file__).with_name("faults.yaml").read_text())


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_nothing_is_wrong(check: Callable[[Sources], list[str]]) -> None:
    assert check(sources()) == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault['check']}-{fault['says']}")
def test_a_fault_is_reported(fault: dict[str, str]) -> None:
    texts, file = sources(), fault["file"]
    assert fault["old"] in texts[file]
    broken = {**texts, file: texts[file].replace(fault["old"], fault["new"], 1)}

    assert [said for said in CHECKS[fault["check"]](broken) if fault["says"] in said]


@pytest.mark.parametrize("path", sources())
def test_what_is_no_bicep_is_not_read(path: str) -> None:
    with pytest.raises(UnexpectedInput):
        read(path, sources()[path] + "\nresource = {")


def test_a_function_bicep_does_not_have_is_not_read() -> None:
    with pytest.raises(UnexpectedInput):
        read("some.bicep", "var shouted = toShout('quiet')")
