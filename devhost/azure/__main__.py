"""`python -m devhost.azure --port N --world FILE`: the stand-ins, until interrupted. The file is a World as JSON."""

import argparse
from pathlib import Path

import msgspec
from aiohttp import web

from devhost.azure.app import Azure
from devhost.azure.shapes import World


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m devhost.azure", description="Stand-ins for Azure's control plane.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--world", type=Path, required=True, metavar="FILE")
    found = parser.parse_args()
    azure = Azure(msgspec.json.decode(found.world.read_bytes(), type=World))
    web.run_app(azure.application(), host="127.0.0.1", port=found.port, access_log=None, print=None)


if __name__ == "__main__":
    main()
