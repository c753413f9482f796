"""What every cold start waits for: importing the app, against importing azure.functions alone."""

import asyncio
import sys
from pathlib import Path

from bench.figures import Figure, Pairs, interleaved

_ROOT = Path(__file__).parent.parent
_PROGRAM = "import time; began = time.perf_counter(); import {}; print(time.perf_counter() - began)"


async def import_time(rounds: int) -> Figure:
    """Each import in a fresh interpreter, timed inside it, so that the interpreter's own start does not count."""
    await _milliseconds("function_app")
    await _milliseconds("azure.functions")
    pairs = await interleaved(
        rounds, lambda _: _milliseconds("function_app"), lambda _: _milliseconds("azure.functions")
    )
    return Pairs(pairs).figure("import of function_app, against azure.functions (lower is better)", "ms")


async def _milliseconds(module: str) -> float:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PROGRAM.format(module), cwd=_ROOT, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, f"import {module} failed"
    return float(output) * 1000
