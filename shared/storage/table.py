"""One table, as the repositories use it: guarded writes, typed outcomes, and no exception of the SDK's getting out.

A table that does not exist yet reads as empty and is made by the first write to it.
"""

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, Self

from azure.core import MatchConditions
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.data.tables import (
    EdmType,
    EntityProperty,
    RequestTooLargeError,
    TableTransactionError,
    UpdateMode,
)
from azure.data.tables.aio import TableClient, TableServiceClient

from shared.errors import ConfigurationError, Conflict, LimitExceeded, StorageUnavailable
from shared.storage import guard

_RETRIES = 1
_RETRIES_UNSENT = 2
"""Of a request that never reached the service: nothing can have been done twice, and the answer is soon known."""
_BACKOFF_SECONDS = 0.1
_MEANINGFUL = {404, 409, 412}
_REQUEST_ID = "x-ms-request-id"
_TOO_LARGE = ("EntityTooLarge", "PropertyValueTooLarge", "RequestBodyTooLarge", "TooManyProperties")
"""Error codes of the Table service for which trying again is of no use (Azure Storage REST reference)."""
_INT32 = range(-(2**31), 2**31)


class Row(NamedTuple):
    """An entity as stored: its keys, its properties, and the ETag to change it by."""

    partition: str
    key: str
    properties: Mapping[str, Any]
    etag: str


class Change(NamedTuple):
    """One step of a transaction; `etag` makes it hold only for the row as it was read."""

    kind: Literal["insert", "replace", "upsert", "merge", "delete"]
    partition: str
    key: str
    properties: Mapping[str, Any] = {}
    etag: str | None = None


class Tables:
    """The account that holds the tables; connects when first used, closed by `close`.

    `account` is the address of its Table service, such as https://mytables.table.core.windows.net, to which
    `credential` says who we are, or a connection string.

    `transport` carries the requests in the place of the SDK's own, which is how tests watch and break them (policies
    will not do: the SDK hands a client's own policies to none of its tables). `patience` is how long one try of a call
    may take; there are two, and a third where no connection came about.
    """

    def __init__(
        self,
        account: str,
        transport: AsyncHttpTransport[Any, Any] | None = None,
        patience: timedelta = timedelta(seconds=2),
        credential: AsyncTokenCredential | None = None,
    ) -> None:
        self._account = account
        self._credential = credential
        self._patience = patience
        self._transport = transport
        self._service: TableServiceClient | None = None

    def __getitem__(self, name: str) -> "Table":
        return Table(self, name)

    def service(self) -> TableServiceClient:
        if self._service is None:
            self._service = self._connect()
        return self._service

    def _connect(self) -> TableServiceClient:
        options: dict[str, Any] = {
            "retry_total": _RETRIES_UNSENT,
            "retry_connect": _RETRIES_UNSENT,
            "retry_read": _RETRIES,
            "retry_status": _RETRIES,
            "retry_backoff_factor": _BACKOFF_SECONDS,
            "connection_timeout": self._patience.total_seconds(),
            "read_timeout": self._patience.total_seconds(),
            "use_env_settings": False,  # else ~/.netrc and the proxy variables are read again for every request
        }
        if self._transport:
            options["transport"] = self._transport
        try:
            if self._account.startswith("https://"):
                if self._credential is None:
                    raise ConfigurationError("ZAPBRIDGE_TABLES is an address, and nobody says who we are")
                return TableServiceClient(self._account, credential=self._credential, **options)
            return TableServiceClient.from_connection_string(self._account, **options)
        except ValueError as error:
            raise ConfigurationError(
                "ZAPBRIDGE_TABLES is neither the address of a Table service nor a connection string"
            ) from error

    async def close(self) -> None:
        if self._service is not None:
            await self._service.close()
            self._service = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class Table:
    """Every method raises StorageUnavailable where storage does not answer, LimitExceeded where Azure would refuse."""

    def __init__(self, tables: Tables, name: str) -> None:
        self._tables = tables
        self._name = name
        self._opened: TableClient | None = None

    async def get(self, partition: str, key: str) -> Row | None:
        guard.check_key("PartitionKey", partition)
        guard.check_key("RowKey", key)
        entity = await self._read(lambda client: client.get_entity(partition, key))
        return _row(entity) if entity is not None else None

    async def partition(
        self,
        partition: str,
        *,
        after: str = "",
        before: str | None = None,
        where: tuple[str, str | bool] | None = None,
        limit: int | None = None,
        select: Sequence[str] = (),
    ) -> list[Row]:
        """Rows of a partition in order of their keys, greater than `after` and less than `before`, at most `limit`.

        `where` keeps only rows whose property, named by our own code, equals the value; `select` names the only
        properties that are asked for.
        """
        guard.check_key("PartitionKey", partition)
        terms = ["PartitionKey eq @partition"]
        values: dict[str, Any] = {"partition": partition}
        if after:
            guard.check_key("RowKey", after)
            terms.append("RowKey gt @after")
            values["after"] = after
        if before is not None:
            terms.append("RowKey lt @before")
            values["before"] = before
        if where is not None:
            terms.append(f"{where[0]} eq @value")
            values["value"] = where[1]
        return await self._query(" and ".join(terms), values, limit, select)

    async def scan(
        self,
        *,
        key: str | None = None,
        beyond: str = "",
        since: tuple[str, datetime] | None = None,
        where: tuple[str, str] | None = None,
        limit: int | None = None,
    ) -> list[Row]:
        """Rows of the whole table in order of partition and key, after the whole partition `beyond`.

        `key` keeps only rows of that RowKey, `since` only those whose property is an instant not before the given one,
        `where` those whose property equals the value; the properties are named by our own code.
        """
        terms: list[str] = []
        values: dict[str, Any] = {}
        if beyond:
            terms.append("PartitionKey gt @beyond")
            values["beyond"] = beyond
        if key is not None:
            terms.append("RowKey eq @key")
            values["key"] = key
        if since is not None:
            terms.append(f"{since[0]} ge @since")
            values["since"] = since[1]
        if where is not None:
            terms.append(f"{where[0]} eq @value")
            values["value"] = where[1]
        return await self._query(" and ".join(terms), values, limit)

    async def page(self, after: tuple[str, str] | None, limit: int) -> list[Row]:
        """Up to `limit` rows of the whole table in order, after the row `after` (None for the first ones).

        The rest of its partition is asked for first, and then what lies beyond, since the table service treats no
        filter with `or` as a range of its index (Microsoft Learn, "Design for querying").
        """
        if after is None:
            return await self.scan(limit=limit)
        partition, key = after
        rows = await self.partition(partition, after=key, limit=limit)
        if len(rows) < limit:
            rows += await self.scan(beyond=partition, limit=limit - len(rows))
        return rows

    async def insert(self, partition: str, key: str, properties: Mapping[str, Any]) -> bool:
        """True if the row is new; False, and nothing changed, if there is one already."""
        entity = _entity(partition, key, properties)
        guard.check_entity(entity)

        try:
            await self._write(lambda client: client.create_entity(_typed(entity)))
        except ResourceExistsError:
            return False
        return True

    async def upsert(self, partition: str, key: str, properties: Mapping[str, Any]) -> None:
        """There afterwards, with these properties and no others."""
        entity = _entity(partition, key, properties)
        guard.check_entity(entity)
        await self._write(lambda client: client.upsert_entity(_typed(entity), mode=UpdateMode.REPLACE))

    async def delete(self, partition: str, key: str) -> None:
        """Gone afterwards, whether or not it was there."""
        guard.check_key("PartitionKey", partition)
        guard.check_key("RowKey", key)
        await self._read(lambda client: client.delete_entity(partition, key))

    async def transact(self, changes: Sequence[Change]) -> list[str | None]:
        """All of the changes, or none and Conflict: a row was there, was missing, or had changed since it was read.

        Returns the rows' new ETags in the order of the changes; None for one that is gone.
        """
        guard.check_transaction([_entity(change.partition, change.key, change.properties) for change in changes])

        operations = [_operation(change) for change in changes]
        alone = (
            len(changes) == 1 and changes[0].kind != "delete"
        )  # of which the SDK does not tell that nothing is there
        written: Sequence[Mapping[str, Any]]
        try:
            if alone:
                written = [await self._write(lambda client: _operate(client, *operations[0]))]
            else:
                written = await self._write(lambda client: client.submit_transaction(operations))
        except (TableTransactionError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError) as error:
            raise Conflict(f"a change of {self._name} was refused with {error.status_code}; read again") from error
        return [result.get("etag") for result in written]

    async def _query(
        self, terms: str, values: Mapping[str, Any], limit: int | None, select: Sequence[str] = ()
    ) -> list[Row]:
        named = ["PartitionKey", "RowKey", *select] if select else None

        async def run(client: TableClient) -> list[Row]:
            pages = client.query_entities(
                terms, parameters=dict(values), results_per_page=min(limit or 1000, 1000), select=named
            )
            rows: list[Row] = []
            async for entity in pages:
                rows.append(_row(entity))
                if limit is not None and len(rows) >= limit:
                    break
            return rows

        return await self._read(run) or []

    async def _read[T](self, operation: Callable[[TableClient], Awaitable[T]]) -> T | None:
        """None where the row or the whole table is missing."""

        try:
            return await self._attempt(operation)
        except ResourceNotFoundError:
            return None

    async def _write[T](self, operation: Callable[[TableClient], Awaitable[T]]) -> T:

        try:
            return await self._attempt(operation)
        except HttpResponseError as error:
            if "TableNotFound" not in str(error):
                raise
        with contextlib.suppress(ResourceExistsError):  # another instance made it first
            await self._attempt(lambda _: self._tables.service().create_table(self._name))
        return await self._attempt(operation)

    async def _attempt[T](self, operation: Callable[[TableClient], Awaitable[T]]) -> T:
        """Run one call of the SDK; what it raises besides conflicts and missing rows becomes one of our errors."""
        if self._opened is None:
            self._opened = self._tables.service().get_table_client(self._name)
        try:
            return await operation(self._opened)
        except RequestTooLargeError as error:
            raise LimitExceeded(f"Table Storage found the request on {self._name} too large") from error
        except ClientAuthenticationError as error:
            raise StorageUnavailable("Table Storage refused our credential; check its role and the account") from error
        except HttpResponseError as error:
            if _is_the_services_own(error):
                raise
            if any(code in str(error) for code in _TOO_LARGE):
                raise LimitExceeded(f"Table Storage found a row of {self._name} too large") from error
            raise StorageUnavailable(f"Table Storage answered {error.status_code} for {self._name}") from error
        except (AzureError, AttributeError, ValueError) as error:
            # AttributeError: the SDK looks for details in the response that an answer cut in the middle does not have;
            # ValueError: the page of a proxy that it cannot decode
            raise StorageUnavailable(f"Table Storage did not answer ({type(error).__name__})") from error


def _is_the_services_own(error: HttpResponseError) -> bool:
    """Whether the Table service itself says that a row or a table is missing, is there, or has changed, and not
    something on the way to it: that gives none of the service's codes, and no id of the request (Azure Storage REST
    reference, "Status and error codes", x-ms-request-id)."""
    if error.status_code not in _MEANINGFUL:
        return False
    return bool(getattr(error, "error_code", None)) or _REQUEST_ID in getattr(error.response, "headers", {})


def _operation(change: Change) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """A change as the SDK's transactions take it."""
    entity = _typed(_entity(change.partition, change.key, change.properties))
    held: dict[str, Any] = {}
    if change.etag is not None:
        held = {"etag": change.etag, "match_condition": MatchConditions.IfNotModified}
    match change.kind:
        case "insert":
            return "create", entity, {}
        case "delete":
            return "delete", entity, held
        case "upsert":
            return "upsert", entity, {"mode": UpdateMode.REPLACE}
        case "replace":
            return "update", entity, {"mode": UpdateMode.REPLACE, **held}
        case "merge":
            return "update", entity, {"mode": UpdateMode.MERGE, **held}


async def _operate(
    client: TableClient, name: str, entity: dict[str, Any], options: dict[str, Any]
) -> Mapping[str, Any]:
    """One operation without the envelope of a transaction, which is more work to write and to read than the row. Like
    a transaction, it is not sent again where no answer came, since what it did itself would be a conflict; but aiohttp
    sends a PUT a second time where the connection was closed."""
    operations = {"create": client.create_entity, "upsert": client.upsert_entity, "update": client.update_entity}
    return await operations[name](entity, retry_connect=0, retry_read=0, **options)


def _entity(partition: str, key: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"PartitionKey": partition, "RowKey": key, **properties}


def _typed(entity: Mapping[str, Any]) -> dict[str, Any]:
    """Integers beyond 32 bits marked as Int64, which the SDK asks for."""

    return {
        name: EntityProperty(value, EdmType.INT64)
        if isinstance(value, int) and not isinstance(value, bool) and value not in _INT32
        else value
        for name, value in entity.items()
    }


def _row(entity: Any) -> Row:

    properties = {name: _plain(value) for name, value in entity.items() if name not in ("PartitionKey", "RowKey")}
    return Row(entity["PartitionKey"], entity["RowKey"], properties, entity.metadata["etag"])


def _plain(value: Any) -> Any:
    """Python's own type where the SDK has one of its own."""
    if isinstance(value, EntityProperty):
        return value.value
    if isinstance(value, datetime):
        return datetime.combine(value.date(), value.time(), value.tzinfo)
    return value
