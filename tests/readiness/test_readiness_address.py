"""Where the addresses in Zaptec Portal lead."""

import pytest

from shared.errors import InvalidInput
from shared.readiness.address import Leads, leads, our_addresses

START = "https://zap.example/api/hooks/session-start"
LOCAL = "http://127.0.0.1:7071/api/hooks/session-start"


@pytest.mark.parametrize(
    ("configured", "ours", "expected"),
    [
        ("", START, Leads.NOWHERE),
        (START, START, Leads.TO_US),
        ("HTTPS://Zap.Example:443/api/hooks/session-start", START, Leads.TO_US),
        (f"{START}?code=abc", START, Leads.TO_US),
        ("http://zap.example/api/hooks/session-start", START, Leads.NOT_HTTPS),
        ("http://zap.example/", START, Leads.NOT_HTTPS),
        ("https://zap.example/api/hooks/session-end", START, Leads.WRONG_PATH),
        ("https://zap.example/api/hooks/session-start/", START, Leads.WRONG_PATH),
        ("https://zap.example", START, Leads.WRONG_PATH),
        ("https://other.example/api/hooks/session-start", START, Leads.ELSEWHERE),
        ("http://other.example/api/hooks/session-start", START, Leads.ELSEWHERE),
        ("https://zap.example.evil.example/api/hooks/session-start", START, Leads.ELSEWHERE),
        ("https://zap.example@evil.example/api/hooks/session-start", START, Leads.ELSEWHERE),
        ("https://zap.example:8443/api/hooks/session-start", START, Leads.ELSEWHERE),
        ("zap.example/api/hooks/session-start", START, Leads.ELSEWHERE),
        ("https://zap.example:port/api/hooks/session-start", START, Leads.ELSEWHERE),
        ("https://[zap/api", START, Leads.ELSEWHERE),
        ("paste the address here", START, Leads.ELSEWHERE),
        ("https://login.microsoftonline.com/t/oauth2/v2.0/token", START, Leads.TO_ENTRA),
        (LOCAL, LOCAL, Leads.TO_US),
        ("http://127.0.0.1:7072/api/hooks/session-start", LOCAL, Leads.ELSEWHERE),
        ("https://127.0.0.1:7071/api/hooks/session-start", LOCAL, Leads.ELSEWHERE),
    ],
)
def test_where_an_address_leads(configured: str, ours: str, expected: Leads) -> None:
    assert leads(configured, ours) is expected


@pytest.mark.parametrize(
    ("base", "start"),
    [
        ("https://zap.example", START),
        ("https://zap.example/", START),
        ("http://zap.example", START),
        ("http://127.0.0.1:7071", LOCAL),
        ("http://localhost:7071", "http://localhost:7071/api/hooks/session-start"),
    ],
)
def test_our_addresses_are_encrypted_unless_they_stay_on_this_machine(base: str, start: str) -> None:
    ours = our_addresses(base)
    assert ours.session_start_url == start
    assert ours.session_end_url == start.replace("start", "end")
    assert ours.authentication_url == start.replace("hooks/session-start", "oauth/token")


@pytest.mark.parametrize(
    "base",
    ["zap.example", "ftp://zap.example", "https://", "https://zap.example/api", "https://zap.example?x=1", "https://a:b",
     "https://zap.example#x", "https://user@zap.example", "https://zap.example:99999", "javascript:alert(1)", "https://["],
)  # fmt: skip
def test_a_base_is_scheme_and_host(base: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        our_addresses(base)
    assert set(refused.value.fields) == {"base"}
