"""Which triggers there are when the app starts: those of streams that can be opened, and nothing stops the rest."""

import json
from typing import Any

import azure.functions as func
import pytest

from functions.streams import stream_triggers
from shared.stream import Stream

INSTALLATION = "6f1c2d3e-4b5a-4978-8c6d-5e4f3a2b1c0d"
OPEN, SHUT = Stream("harbour", INSTALLATION), Stream("hill", INSTALLATION)
STREAMS = {"ZAPBRIDGE_STREAMS": json.dumps({name: {"installation": INSTALLATION} for name in ("harbour", "hill")})}
LEAST = {"ZAPBRIDGE_TABLES": "UseDevelopmentStorage=true", "ZAPBRIDGE_IDENTITY_KEY": "0123456789abcdef" * 4}
RESOLVED = LEAST | dict.fromkeys(OPEN.settings, "a value")


def registered(environment: dict[str, str]) -> list[str]:
    app = func.FunctionApp()
    app.register_functions(stream_triggers(environment))
    return [function.get_function_name() for function in app.get_functions()]


@pytest.mark.parametrize(
    "rest", [{}, {SHUT.topic_setting: "@Microsoft.KeyVault(VaultName=v;SecretName=stream-hill-topic)"}]
)
def test_a_stream_whose_secrets_are_not_there_yet_waits_and_the_others_are_opened(
    rest: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    assert registered(STREAMS | RESOLVED | rest) == ["stream_harbour"]
    event: dict[str, Any] = json.loads(caplog.messages[0])
    assert (event["event"], event["stream"]) == ("stream.not_configured", "hill")


def test_a_setting_that_makes_no_sense_stops_no_host() -> None:
    assert registered(LEAST | {"ZAPBRIDGE_STREAMS": '{"Harbour!": {}}'}) == []


def test_an_app_that_cannot_store_anything_takes_no_message(caplog: pytest.LogCaptureFixture) -> None:
    unresolved = {"ZAPBRIDGE_IDENTITY_KEY": "@Microsoft.KeyVault(VaultName=v;SecretName=identity-key)"}
    assert registered(STREAMS | RESOLVED | unresolved) == []
    assert json.loads(caplog.messages[0])["event"] == "app.not_configured"
