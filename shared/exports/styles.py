"""How a file of sessions is written: for programs, or so that a spreadsheet set to a language reads it by double click.

Excel takes the separator, the decimal sign and the order of a date from the region of the machine, and knows UTF-8 by
its byte order mark only (SAP Community Wiki, "Excel files - CSV format").

Norwegian and German headings are the words of Zaptec's own help in these languages (help.zaptec.com, "Ladehistorikk og
rapport i Zaptec Portal": anlegg, lader, bruker, ladebrikke; "Installation im Zaptec Portal hinzufügen" and "Zugriff mit
dem Zaptec Portal steuern": Anlage, Ladestation, Benutzer) and, where it has none, of German charging portals
(hilfe.heimladen.de, "Übersicht zum neuen HEIMLADEN Portal": Ladevorgang, Ladekarte).
"""

from enum import StrEnum

import msgspec


class StyleName(StrEnum):
    PLAIN = "plain"
    """Comma, decimal point, times in UTC."""
    NORWEGIAN = "no"
    GERMAN = "de"


class Style(msgspec.Struct, frozen=True, kw_only=True):
    """`time_zone` is the one that local times are in unless another is asked for; None: all times are in UTC.

    `headings` are those of `shared.exports.session_table`, in its order; `{zone}` in one stands for the time zone.
    """

    separator: str
    decimal: str
    byte_order_mark: bool
    time_zone: str | None
    yes: str
    no: str
    headings: tuple[str, ...]


PLAIN = Style(
    separator=",",
    decimal=".",
    byte_order_mark=False,
    time_zone=None,
    yes="true",
    no="false",
    headings=(
        "sessionId",
        "installationId",
        "installation",
        "chargerId",
        "charger",
        "driver",
        "tokenName",
        "status",
        "start",
        "end",
        "minutes",
        "energyKwh",
        "billable",
        "flags",
        "source",
        "signature",
        "replacedBy",
        "externalId",
    ),
)
NORWEGIAN = Style(
    separator=";",
    decimal=",",
    byte_order_mark=True,
    time_zone="Europe/Oslo",
    yes="ja",
    no="nei",
    headings=(
        "Ladeøkt-ID",
        "Anleggs-ID",
        "Anlegg",
        "Lader-ID",
        "Lader",
        "Bruker",
        "Ladebrikke",
        "Status",
        "Start ({zone})",
        "Slutt ({zone})",
        "Start (UTC)",
        "Slutt (UTC)",
        "Minutter",
        "Energi (kWh)",
        "Fakturerbar",
        "Merknader",
        "Kilde",
        "Signatur",
        "Erstattet av",
        "Ekstern ID",
    ),
)
GERMAN = Style(
    separator=";",
    decimal=",",
    byte_order_mark=True,
    time_zone="Europe/Berlin",
    yes="ja",
    no="nein",
    headings=(
        "Ladevorgangs-ID",
        "Anlagen-ID",
        "Anlage",
        "Ladestations-ID",
        "Ladestation",
        "Benutzer",
        "Ladekarte",
        "Status",
        "Beginn ({zone})",
        "Ende ({zone})",
        "Beginn (UTC)",
        "Ende (UTC)",
        "Minuten",
        "Energie (kWh)",
        "Abrechenbar",
        "Hinweise",
        "Quelle",
        "Signatur",
        "Ersetzt durch",
        "Externe ID",
    ),
)
STYLES = {StyleName.PLAIN: PLAIN, StyleName.NORWEGIAN: NORWEGIAN, StyleName.GERMAN: GERMAN}
