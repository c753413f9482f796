"""One Service Bus trigger per message stream, registered in a loop."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import List  # the worker's check of annotations does not take list[…] for a list

import azure.functions as func

from functions.services import services
from shared import telemetry
from shared.errors import ConfigurationError
from shared.settings import read_settings
from shared.stream import Stream

Trigger = Callable[[List[func.ServiceBusMessage]], Awaitable[None]]


def stream_triggers(environment: Mapping[str, str]) -> func.Blueprint:
    """A trigger for every stream whose three settings are there.

    One that lacks some is left out and said in an event: it is so at every first boot, before the credentials have
    been fetched, and must not keep the app from starting. An app that could not store what a message tells has none:
    it would throw each message back until it is lost.
    """
    blueprint = func.Blueprint()
    try:
        streams = read_settings(environment).stream_list
    except ConfigurationError as error:
        telemetry.warning("app.not_configured", reason=str(error))
        return blueprint
    for stream in streams:
        if missing := stream.missing(environment):
            telemetry.warning("stream.not_configured", stream=stream.name, missing=", ".join(missing))
        else:
            _register(blueprint, stream)
    return blueprint


def _register(blueprint: func.Blueprint, stream: Stream) -> None:
    register = blueprint.service_bus_topic_trigger(
        arg_name="messages",
        connection=stream.connection_setting,
        topic_name=f"%{stream.topic_setting}%",
        subscription_name=f"%{stream.subscription_setting}%",
        data_type=func.DataType.BINARY,
        cardinality=func.Cardinality.MANY,
    )
    blueprint.function_name(stream.function_name)(register(_trigger(stream)))


def _trigger(stream: Stream) -> Trigger:
    async def observations(messages: List[func.ServiceBusMessage]) -> None:
        from shared.streams.intake import lock_left

        now = services().clock()
        batch = [(message.get_body(), _in_utc(message.enqueued_time_utc, now)) for message in messages]
        locked_until = messages[0].locked_until if messages else None
        left = lock_left(_in_utc(locked_until, now), now)
        await services().streams.intake.take(stream.name, batch, left)

    return observations


def _in_utc(instant: datetime | None, otherwise: datetime) -> datetime:
    if instant is None:
        return otherwise
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
