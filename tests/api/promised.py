"""docs/openapi.yaml as the judge of every answer to an operator in these tests."""

from pathlib import Path

import httpx
import schemathesis

DOCUMENT = schemathesis.openapi.from_path(Path(__file__).parents[2] / "docs" / "openapi.yaml")


async def check_promised(response: httpx.Response) -> None:
    """An event hook of httpx: fails where the document knows the call and promises no such answer."""
    await response.aread()
    path = response.request.url.path.removeprefix("/api")
    operation = DOCUMENT.find_operation_by_path(response.request.method, path)
    if operation is not None:
        assert str(response.status_code) in operation.definition.raw["responses"], f"{response.status_code} to {path}"
        operation.validate_response(response)
