"""Drives Microsoft's Python worker library in this process and on this event loop.

The library (`azure-functions-runtime`) is what Azure runs behind the real host: it indexes `function_app.py`,
converts bindings and calls the functions. It keeps state per process, so there is one worker, and one app, per process.
"""

import asyncio
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as library  # type: ignore[import-untyped]

from devhost import logs
from devhost.functions import Function
from devhost.protos import protos

SCRIPT = "function_app.py"


class WorkerError(Exception):
    """The app cannot be run: the message is what the worker said, its stack trace included."""


class InvocationError(Exception):
    """A function raised; `str()` is `ExceptionType: message`. Already logged."""


def _message(**request: Any) -> Any:
    """What the library expects of a message: the request, and how to answer it."""
    properties = {"host": "127.0.0.1", "protos": protos}
    return SimpleNamespace(request=SimpleNamespace(**request), properties=properties)


def _check(result: Any) -> None:
    if result.status != protos.StatusResult.Success:
        raise WorkerError(f"{result.exception.message}\n{result.exception.stack_trace}".strip())


class Worker:
    """The app's functions, callable. Invocations run concurrently, each in a task of its own."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    async def start(self, app: Path) -> list[Any]:
        """Index the app and return the `RpcFunctionMetadata` of each of its functions.

        Raises:
            WorkerError: there is no app, it fails to import, or a binding is wrong.
        """
        if not (app / SCRIPT).is_file():
            raise WorkerError(f"there is no {SCRIPT} in {app}")
        library.start_threadpool_executor()
        init = protos.WorkerInitRequest(host_version="devhost", function_app_directory=str(app))
        started = await library.worker_init_request(_message(worker_init_request=init))
        _check(started.result)
        if "HttpUri" in started.capabilities:
            raise WorkerError(
                "the app uses HTTP streaming (azurefunctions-extensions-http-*), which devhost cannot run"
            )
        asked = protos.FunctionsMetadataRequest(function_app_directory=str(app))
        indexed = await library.functions_metadata_request(_message(functions_metadata_request=asked))
        _check(indexed.result)
        for metadata in indexed.function_metadata_results:
            load = protos.FunctionLoadRequest(function_id=metadata.function_id, metadata=metadata)
            loaded = await library.function_load_request(_message(function_load_request=load))
            _check(loaded.result)
        return list(indexed.function_metadata_results)

    async def invoke(self, function: Function, data: Any, metadata: Mapping[str, Any] | None = None) -> Any:
        """Run a function with its trigger's value (`TypedData`) and return the `InvocationResponse`.

        A caller that goes away does not stop the function.

        Raises:
            InvocationError: the function raised, or its result does not fit its bindings.
        """
        invocation_id = str(uuid.uuid4())
        request = protos.InvocationRequest(
            invocation_id=invocation_id,
            function_id=function.id,
            input_data=[protos.ParameterBinding(name=function.trigger["name"], data=data)],
            trigger_metadata=metadata,
        )
        name = function.name
        task = asyncio.create_task(library.invocation_request(_message(invocation_request=request)), name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            response = await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.cancelled():
                raise
            logs.host.error("Function '%s' failed (invocation %s): it was cancelled", name, invocation_id)
            raise InvocationError("CancelledError: ") from None
        result = response.result
        if result.status != protos.StatusResult.Success:
            trace = result.exception.stack_trace.strip()
            logs.host.error("Function '%s' failed (invocation %s)\n%s", name, invocation_id, trace)
            raise InvocationError(result.exception.message)
        return response

    async def stop(self, grace_seconds: float) -> None:
        """Wait for the invocations under way, but no longer than the grace time."""
        if self._running:
            _, unfinished = await asyncio.wait(self._running, timeout=grace_seconds)
            for task in unfinished:
                logs.host.error("Function '%s' did not finish in %g s; it is cut off", task.get_name(), grace_seconds)
        if not self._running:
            library.stop_threadpool_executor()
