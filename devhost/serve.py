"""`make serve`: the local stack in real time, until interrupted."""

import argparse
import asyncio
import json
import os
import signal
from pathlib import Path

from devhost.stack import ZAPCLOUD_USERNAME, Ports, Site, Stack, running_stack

FOLDER = Path(".local")
SETUP = (
    """python3 -c 'import json; print(json.load(open("{description}"))["zapcloud_password"])' """
    "| ./zapctl setup --all --zapcloud-username {username} --password-stdin"
)
LOOK_SECONDS = 5.0
"""How often it is looked whether the streams' credentials have changed."""


async def serve(folder: Path, ports: Ports, chargers: int, *, first_boot: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    description = folder / "stack.json"
    description.unlink(missing_ok=True)
    streams = {"fjordveien": Site("Fjordveien", chargers)}
    async with running_stack(folder.resolve(), ports=ports, streams=streams, configured=not first_boot) as stack:
        write_private(description, stack)
        print(f"app        {stack.host.api}   (function key in {description})")
        print(f"streams    http://127.0.0.1:{ports.streams}/   (Service Bus on port {ports.service_bus})")
        print(f"simulator  {stack.simulator.url}/sim/   (see simulator/README.md)")
        print(f"logs       {folder}/logs/")
        if first_boot:
            print("nothing is set up yet; an operator's first command:")
            print(f"  {SETUP.format(description=description, username=ZAPCLOUD_USERNAME)}")
        print("ready; Ctrl-C stops it", flush=True)
        try:
            while not await _is_set(stop, LOOK_SECONDS):
                if stack.description() != json.loads(description.read_text()):  # after a rotation
                    write_private(description, stack)
        finally:
            description.unlink(missing_ok=True)


async def _is_set(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event comes within so many seconds."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


def write_private(path: Path, stack: Stack) -> None:
    """It holds secrets, if only of this machine: nobody else may read it, and it appears complete or not at all."""
    draft = path.with_suffix(".draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(stack.description(), file, indent=2)
    draft.replace(path)


def _chargers(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError("must be from 1 to 100")
    return int(text)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m devhost.serve", description="Run the local stack.")
    names = Ports.__struct_fields__
    for name in names:
        default = int(os.environ.get(f"{name.upper()}_PORT", getattr(Ports(), name)))
        parser.add_argument(f"--{name.replace('_', '-')}-port", f"--{name}-port", type=int, default=default, dest=name)
    parser.add_argument("--chargers", type=_chargers, default=4, help="1 to 100")
    parser.add_argument("--first-boot", action="store_true", help="nothing is set up yet; ./zapctl setup does it")
    found = parser.parse_args()
    ports = Ports(**{name: getattr(found, name) for name in names})
    for name, port in ports.taken().items():
        parser.error(f"something listens on port {port} already; stop it, or choose another by {name.upper()}_PORT")
    asyncio.run(serve(FOLDER, ports, found.chargers, first_boot=found.first_boot))


if __name__ == "__main__":
    main()
