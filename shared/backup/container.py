"""The blob container of the backups. A blob is written once, in one request, and never again.

One request (Put Blob) for a whole blob has two merits: there is no half of a blob, whatever happens, and the right to
add new blobs suffices for it, without that to overwrite or delete any (Azure Storage REST reference, "Put Blob":
Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action).
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.core.pipeline.transport import AsyncHttpTransport

from shared.errors import ConfigurationError, Conflict, StorageUnavailable

if TYPE_CHECKING:
    from azure.storage.blob.aio import ContainerClient

LOCAL_NAME = "backups"
"""The container where a connection string says only which account; it is made if it is missing."""
_LARGEST_BLOB_BYTES = 64 * 1024 * 1024
_RETRIES = 2
_BACKOFF_SECONDS = 0.5


class BackupsUnavailable(StorageUnavailable):
    """The container did not answer, or refused; `reason` is the message without its hint of what to do."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(f"{reason}; {hint}" if hint else reason)
        self.reason = reason


class BackupContainer:
    """`address` is https://<account>.blob.core.windows.net/<container>, to which `credential` says who we are, or the
    connection string of an account. Every method raises BackupsUnavailable where storage does not answer or refuses.

    `transport` carries the requests in the place of the SDK's own, which is how tests break them. `patience` is how
    long one try of a call may take; there are three.
    """

    def __init__(
        self,
        address: str,
        credential: AsyncTokenCredential | None = None,
        transport: AsyncHttpTransport[Any, Any] | None = None,
        patience: timedelta = timedelta(seconds=60),
    ) -> None:
        self._address = address
        self._credential = credential
        self._transport = transport
        self._patience = patience
        self._opened: ContainerClient | None = None

    @property
    def _is_address(self) -> bool:
        return self._address.startswith("https://")

    def _client(self) -> "ContainerClient":
        from azure.storage.blob.aio import ContainerClient

        if self._opened is None:
            options: dict[str, Any] = {
                "max_single_put_size": _LARGEST_BLOB_BYTES,
                "max_single_get_size": _LARGEST_BLOB_BYTES,
                "connection_timeout": self._patience.total_seconds(),
                "read_timeout": self._patience.total_seconds(),
                "retry_total": _RETRIES,
                "initial_backoff": _BACKOFF_SECONDS,
                "increment_base": 2,
                "random_jitter_range": 0,
            }
            if self._transport:
                options["transport"] = self._transport
            try:
                if self._is_address:
                    self._opened = ContainerClient.from_container_url(self._address, self._credential, **options)
                else:
                    self._opened = ContainerClient.from_connection_string(self._address, LOCAL_NAME, **options)
            except ValueError as error:
                reason = "ZAPBRIDGE_BACKUPS is neither the address of a blob container nor a connection string"
                raise ConfigurationError(reason) from error
        return self._opened

    async def prepare(self) -> None:
        """Make the container where only the account was named."""
        if not self._is_address:
            try:
                await self._attempt(lambda client: client.create_container())
            except ResourceNotFoundError as error:
                raise BackupsUnavailable("there is no such account for the backups") from error
            except ResourceExistsError:
                return

    async def add(self, name: str, content: bytes) -> None:
        """A new blob; raises Conflict where there is one of that name."""
        try:
            await self._attempt(lambda client: client.upload_blob(name, content, overwrite=False))
        except ResourceExistsError as error:
            raise Conflict(f"there is a blob {name} already; a backup overwrites nothing") from error
        except ResourceNotFoundError as error:
            raise _missing() from error

    async def get(self, name: str) -> bytes | None:
        async def read(client: "ContainerClient") -> bytes:
            return await (await client.download_blob(name)).readall()

        try:
            return await self._attempt(read)
        except ResourceNotFoundError:
            return None

    async def names(self) -> list[str]:
        """Of all blobs, in order; none where the container was not made yet by whoever named the account only."""

        async def read(client: "ContainerClient") -> list[str]:
            return [name async for name in client.list_blob_names()]

        try:
            return await self._attempt(read)
        except ResourceNotFoundError as error:
            if self._is_address:
                raise _missing() from error
            return []

    async def _attempt[T](self, operation: "Callable[[ContainerClient], Awaitable[T]]") -> T:
        try:
            return await operation(self._client())
        except (ResourceExistsError, ResourceNotFoundError):
            raise
        except ClientAuthenticationError as error:
            raise BackupsUnavailable("the backups' container refused our credential", "check its role there") from error
        except HttpResponseError as error:
            refused = error.status_code == HTTPStatus.FORBIDDEN
            raise BackupsUnavailable(
                f"the backups' container answered {error.status_code} ({type(error).__name__})",
                "check our role there, or the connection string" if refused else "",
            ) from error
        except AzureError as error:
            raise BackupsUnavailable(f"the backups' container did not answer ({type(error).__name__})") from error

    async def close(self) -> None:
        if self._opened is not None:
            await self._opened.close()
            self._opened = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _missing() -> BackupsUnavailable:
    return BackupsUnavailable("there is no such container for the backups", "check its name at the end of the address")
