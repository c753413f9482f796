"""Every query of infra/queries is one that Azure Monitor takes, and asks only for what the app logs.

There is no Kusto engine here: that a query is right is read by Microsoft's parser, what it brings is not seen.
"""

import functools
import re

import pytest

from shared import telemetry
from tests.monitoring.kusto import QUERIES, READING_EVENTS, ROOT, Query, faults_of, parse, parsed

EVENTS = "\n".join(READING_EVENTS)


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_of_the_workbook_or_an_alert_can_be_run_and_uses_the_catalogue_only(name: str) -> None:
    assert list(faults_of(parsed()[name])) == []


@pytest.mark.parametrize("name", QUERIES)
def test_it_says_in_its_first_line_what_it_shows(name: str) -> None:
    assert re.match(r"// [A-Z].+", QUERIES[name])
    assert max(map(len, QUERIES[name].splitlines())) <= 120


@pytest.mark.parametrize("name", QUERIES)
def test_it_looks_at_the_range_of_time_that_the_workbook_or_the_alert_gives(name: str) -> None:
    assert "ago(" not in QUERIES[name]
    assert "TimeGenerated >= " not in QUERIES[name]


@pytest.mark.parametrize("name", [name for name, query in parsed().items() if query.fields])
def test_it_reads_events_as_all_others_do(name: str) -> None:
    lines = iter(QUERIES[name].replace("= AppTraces", "=\nAppTraces").splitlines())
    assert all(step in lines for step in READING_EVENTS)  # in this order, with what is said in between


def test_a_logged_line_begins_as_the_queries_expect(caplog: pytest.LogCaptureFixture) -> None:
    telemetry.event("stream.progress", stream="fjordveien")
    (prefix,) = re.findall(r"startswith '(.+)'", EVENTS)
    assert caplog.messages[-1].startswith(prefix)


@pytest.mark.parametrize("name", [name for name, query in parsed().items() if "AppRequests" in query.tables])
def test_it_counts_the_requests_that_were_sampled_away_too(name: str) -> None:
    assert "sum(ItemCount)" in QUERIES[name]
    assert "percentile(" not in QUERIES[name]
    assert "percentiles(" not in QUERIES[name]


@pytest.mark.parametrize("guide", ["events.md", "runbook.md"])
def test_what_a_guide_tells_to_type_can_be_run_too(guide: str) -> None:
    typed = re.findall(r"^```kql\n(.*?)^```", (ROOT / "docs" / guide).read_text(), re.MULTILINE | re.DOTALL)
    assert typed
    assert [fault for query in parse({query: query for query in typed}).values() for fault in faults_of(query)] == []


WRONG = {
    "AppTraces | wherex": "Query operator expected",
    "AppTrace | count": "'AppTrace' does not refer to any known table",
    "AppTraces | where Mesage == 'a'": "'Mesage' does not refer to any known column",
    "AppRequests | where Name contains 3": "'contains' is not defined for the operand types string and long",
    "AppRequests | where Name == 'session_begin'": "no such function: session_begin",
    f"{EVENTS} | where event == 'stream.quiet'": "no such event: stream.quiet",
    f"{EVENTS} | where event in ('stream.silent', 'stream.quiet')": "no such event: stream.quiet",
    f"{EVENTS} | summarize countif(event == 'stream.quiet')": "no such event: stream.quiet",
    f"{EVENTS} | where event startswith 'stream.'": "cannot be checked: event startswith 'stream.'",
    f"{EVENTS} | where event == 'stream.silent' | project toreal(body.minutes)": "none of the events has minutes",
    f"{EVENTS} | where event == 'stream.silent' | project tostring(body.kind)": "none of the events has kind",
    f"{EVENTS} | project tostring(body.colour)": "none of the events has colour",
    f"{EVENTS} | project body['colour']": "cannot be checked: body['colour']",
    f"{EVENTS} | where event == 'stream.silent' | project tobool(body.seconds)": "is number, and is read by tobool",
    f"{EVENTS} | where event == 'stream.silent' and body.stream == 'a'": "is text, and is read by no conversion",
}
RIGHT = f"{EVENTS} | where event == 'stream.silent' | summarize max(toreal(body.seconds)) by tostring(body.stream)"


@functools.cache
def parsed_examples() -> dict[str, Query]:
    return parse({query: query for query in (*WRONG, RIGHT)})


@pytest.mark.parametrize(("query", "fault"), WRONG.items())
def test_the_check_finds_what_is_wrong(query: str, fault: str) -> None:
    (told,) = faults_of(parsed_examples()[query])
    assert fault in told


def test_the_check_has_nothing_against_a_right_query() -> None:
    query = parsed_examples()[RIGHT]
    assert list(faults_of(query)) == []
    assert (query.tables, query.events) == (("AppTraces",), ("stream.silent",))
