"""What zapbridge is measured against: functions that make its storage calls with the SDK alone, and decide nothing.

They write rows of zapbridge's own shape into its own tables, under chargers of their own, so that storage has the same
work on both sides.
"""

import asyncio
import functools
import json
import os
import uuid
from datetime import UTC, datetime
from typing import Any

import azure.functions as func
from azure.data.tables.aio import TableClient, TableServiceClient

app = func.FunctionApp()
unlisted: list[dict[str, Any]] = []
listing: asyncio.Task[None] | None = None


@functools.cache
def table(name: str) -> TableClient:
    return service().get_table_client(name)


@functools.cache
def service() -> TableServiceClient:
    return TableServiceClient.from_connection_string(os.environ["ZAPBRIDGE_TABLES"], use_env_settings=False)


@app.route("session-start", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def session_start(req: func.HttpRequest) -> func.HttpResponse:
    """An authorization's calls: the token's row, the charger's claim, the session's two rows; then its entry."""
    global listing
    body = json.loads(req.get_body())
    charger, token, installation = body["chargerId"], body["tokenId"], body["installationId"]
    session, now = str(uuid.uuid4()), datetime.now(UTC)
    await table("Tokens").get_entity(token[:2], token)
    await table("Authorizations").create_entity(claim(session, installation, charger, token, now))
    rows = [first(session, now), fact(session, installation, charger, token, now)]
    await table("Sessions").submit_transaction([("create", row) for row in rows])
    unlisted.append(entry(session, installation, charger, now))
    if listing is None or listing.done():
        listing = asyncio.create_task(list_sessions(installation))
    return answer(200, {"sessionId": session})


@app.route("poll", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def poll(req: func.HttpRequest) -> func.HttpResponse:
    """A pending poll's call: the charger's partition."""
    charger = json.loads(req.get_body())["chargerId"]
    rows = table("Authorizations").query_entities("PartitionKey eq @charger", parameters={"charger": charger})
    found = [row async for row in rows]
    return answer(401, {"message": f"{len(found)} rows"})


@app.route("nothing", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def nothing(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001
    return answer(401, {"message": "nothing"})


async def list_sessions(installation: str) -> None:
    """Entries that gathered while the last transaction was under way go into one, as in zapbridge."""
    while unlisted:
        rows = unlisted[:100]
        del unlisted[:100]
        assert all(row["installationId"] == installation for row in rows)
        await table("SessionIndex").submit_transaction([("create", row) for row in rows])


def claim(session: str, installation: str, charger: str, token: str, now: datetime) -> dict[str, Any]:
    return {
        "PartitionKey": charger,
        "RowKey": "open",
        "sessionId": session,
        "installationId": installation,
        "chargerId": charger,
        "requestKey": f"token:{token}",
        "at": now,
        "mode": "enforce",
        "verdict": "allowed",
        "tokenId": token,
        "driver": "Ada",
        "limited": False,
        "outage": False,
        "questioned": False,
    }


def first(session: str, now: datetime) -> dict[str, Any]:
    return {"PartitionKey": session, "RowKey": "first", "listedAt": now}


def fact(session: str, installation: str, charger: str, token: str, now: datetime) -> dict[str, Any]:
    data = {
        "at": now.isoformat(),
        "chargerId": charger,
        "driver": "Ada",
        "installationId": installation,
        "mode": "enforce",
        "tokenId": token,
        "verdict": "allowed",
    }
    return {
        "PartitionKey": session,
        "RowKey": f"fact-{uuid.uuid4().hex}",
        "at": now,
        "source": "start-hook",
        "event": "authorized",
        "data00": json.dumps(data),
    }


def entry(session: str, installation: str, charger: str, now: datetime) -> dict[str, Any]:
    return {
        "PartitionKey": f"{installation}|{now:%Y%m}",
        "RowKey": f"{now:%Y%m%dT%H%M%S.%fZ}-{session}",
        "sessionId": session,
        "listedAt": now,
        "facts": 1,
        "status": "authorized",
        "startKnown": True,
        "installationId": installation,
        "chargerId": charger,
        "driver": "Ada",
        "source": "start-hook",
    }


def answer(status: int, content: dict[str, str]) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(content), status_code=status, mimetype="application/json")
