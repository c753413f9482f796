"""An app without settings says so every minute, whether or not anybody calls it."""

import json
import logging

import pytest

from functions.maintenance import sweep
from functions.services import services


async def test_the_sweep_of_an_app_without_settings_names_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    services.cache_clear()
    for name in ("ZAPBRIDGE_TABLES", "ZAPBRIDGE_IDENTITY_KEY"):
        monkeypatch.delenv(name, raising=False)
    with caplog.at_level(logging.INFO, logger="zapbridge"):
        await sweep.build().get_user_function()(None)
    (record,) = caplog.records
    said = json.loads(record.getMessage())
    assert (said["event"], record.levelname) == ("app.not_configured", "WARNING")
    assert "ZAPBRIDGE_IDENTITY_KEY" in said["reason"]
