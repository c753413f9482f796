"""Sessions as CSV (RFC 4180): a line each, ended by CR LF, in UTF-8."""

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from shared.exports.formulas import safe
from shared.exports.styles import Style
from shared.storage.session_index import SessionEntry

_LOCAL = "%d.%m.%Y %H:%M:%S"
_BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"


def written(
    sessions: Iterable[SessionEntry],
    names: Mapping[str, str],
    style: Style,
    zone: ZoneInfo | None,
    *,
    heading: bool,
) -> bytes:
    """The sessions as lines of the style. With the heading it is a file, or the beginning of one, and has the style's
    byte order mark; without, it is what may follow on a file.

    `names` are those of installations and chargers, by their ids. Local times are those of `zone`; None is for a style
    whose times are in UTC alone.
    """
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=style.separator, lineterminator="\r\n")
    if heading:
        file.write(_BYTE_ORDER_MARK if style.byte_order_mark else "")
        writer.writerow(text.format(zone=zone.key if zone else "") for text in style.headings)
    writer.writerows(_cells(session, names, style, zone) for session in sessions)
    return file.getvalue().encode()


def _cells(session: SessionEntry, names: Mapping[str, str], style: Style, zone: ZoneInfo | None) -> list[str]:
    """Whatever others may have written is made safe; numbers and times are ours, and stay that to a spreadsheet."""
    return [
        _text(session.session_id),
        _text(session.installation_id),
        _text(names.get(session.installation_id or "")),
        _text(session.charger_id),
        _text(names.get(session.charger_id or "")),
        _text(session.driver),
        _text(session.token_name),
        _text(session.status),
        *([_local(session.start, zone), _local(session.end, zone)] if zone else []),
        _utc(session.start),
        _utc(session.end),
        _number(_minutes(session), style),
        _number(session.energy_kwh, style),
        style.yes if session.billable else style.no,
        _text(" ".join(session.flags)),
        _text(session.source),
        _text(session.signature),
        _text(session.replaced_by),
        _text(session.external_id),
    ]


def _text(text: str | None) -> str:
    return safe(text) if text else ""


def _utc(instant: datetime | None) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z") if instant else ""


def _local(instant: datetime | None, zone: ZoneInfo) -> str:
    """To the second; which of two equal times in autumn it is, the column in UTC tells."""
    return instant.astimezone(zone).strftime(_LOCAL) if instant else ""


def _minutes(session: SessionEntry) -> float | None:
    if session.start is None or session.end is None:
        return None
    return round((session.end - session.start).total_seconds() / 60, 2)


def _number(number: float | None, style: Style) -> str:
    """Every digit of it, and never an exponent."""
    return "" if number is None else format(Decimal(str(number)), "f").replace(".", style.decimal)
