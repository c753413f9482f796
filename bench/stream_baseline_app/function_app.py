"""A function with the binding of a message stream, which does nothing with what it is given."""

from typing import List  # the worker's check of annotations does not take list[…] for a list

import azure.functions as func

app = func.FunctionApp()


@app.service_bus_topic_trigger(
    arg_name="messages",
    connection="NOWHERE",
    topic_name="nothing",
    subscription_name="nothing",
    data_type=func.DataType.BINARY,
    cardinality=func.Cardinality.MANY,
)
async def nothing(messages: List[func.ServiceBusMessage]) -> None:
    assert messages
