"""Stacks that start at the same time, in any number of processes, never get the same ports."""

import subprocess
import sys

from devhost.processes import ROOT, Ports

ASKING = """
import msgspec
from devhost.processes import Ports
print(*(port for _ in range(20) for port in msgspec.structs.astuple(Ports.free())), flush=True)
input()
"""


def test_no_port_is_given_to_two_processes_that_live() -> None:
    command = [sys.executable, "-c", ASKING]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    asking = [subprocess.Popen(command, cwd=ROOT, **pipes) for _ in range(3)]  # type: ignore[call-overload]  # noqa: S603
    given = [port for one in asking for port in one.stdout.readline().split()]
    for one in asking:
        one.communicate("\n")
    assert len(given) == len(set(given)) == 3 * 20 * len(Ports.__struct_fields__)


def test_they_are_not_among_those_the_system_gives_to_connections() -> None:
    assert max(getattr(Ports.free(), name) for name in Ports.__struct_fields__) < 32768
