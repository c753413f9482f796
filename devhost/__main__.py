"""`python -m devhost`: the command line."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from devhost import logs, references, settings
from devhost.host import Ending, Host, Options
from devhost.keys import KeysError, load_or_create
from devhost.worker import WorkerError

DEFAULT_PORT = 7071
SETTINGS_FILE = "local.settings.json"
FAILED = 1
INTERRUPTED = 130


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="devhost", description="Run an Azure Functions Python app locally.")
    parser.add_argument("--app", type=Path, default=Path(), metavar="DIR", help="folder of function_app.py")
    parser.add_argument("--port", type=int, help="0 takes a free one (default: Host.LocalHttpPort, else 7071)")
    parser.add_argument("--settings", type=Path, metavar="FILE", help=f"default: {SETTINGS_FILE} of the app, if any")
    parser.add_argument(
        "--timers",
        choices=("system", "external"),
        default="system",
        help="who fires timers: the system's clock, or only POST /admin/functions/NAME",
    )
    parser.add_argument(
        "--keys",
        type=Path,
        default=Path(".local/keys.json"),
        metavar="FILE",
        help="made at the first start (default: %(default)s)",
    )
    parser.add_argument(
        "--secrets", type=Path, metavar="FILE", help="a JSON object that stands in for Key Vault, read at every start"
    )
    return parser.parse_args(arguments)


def prepare(arguments: argparse.Namespace) -> Options:
    """Put settings into the environment and the app onto the path, as func does before it starts a worker."""
    app = arguments.app.resolve()
    file = arguments.settings or app / SETTINGS_FILE
    local = settings.LocalSettings({}, None)
    if arguments.settings or file.exists():
        local = settings.read_local_settings(file)
    settings.apply(local.values, os.environ)
    port = arguments.port if arguments.port is not None else local.port or DEFAULT_PORT
    known = {
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "AzureWebJobsScriptRoot": str(app),
        "WEBSITE_HOSTNAME": f"localhost:{port}",
    }
    settings.apply(known, os.environ)
    if arguments.secrets:
        references.resolve(os.environ, settings.read_secrets(arguments.secrets))
    keys = load_or_create(arguments.keys)
    options = Options(app, port, settings.read_host_json(app), keys, timers_by_clock=arguments.timers == "system")
    sys.path.insert(0, str(app))
    os.chdir(app)
    return options


async def serve(options: Options) -> Ending:
    return await Host(options).run()


def main() -> int:
    environment, folder = dict(os.environ), Path.cwd()
    arguments = parse_arguments(sys.argv[1:])
    try:
        options = prepare(arguments)
        logs.configure()
        ending = asyncio.run(serve(options))
    except (settings.SettingsError, KeysError, WorkerError, OSError) as error:
        print(f"devhost: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    if ending is Ending.RESTART:
        print("devhost restarts", flush=True)
        os.chdir(folder)
        os.execve(sys.executable, sys.orig_argv, environment)  # noqa: S606  (itself, with its own arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
