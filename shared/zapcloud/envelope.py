"""The envelope of ZapCloud's Service Bus messages: .NET binary XML around one JSON text.

A body is what DataContractSerializer writes for a string: element `string` (ShortElement 0x40), its namespace
(ShortXmlns 0x08), the text (Chars8/16/32, 0x98/0x9A/0x9C, or one more when the element's end is folded in) with its
length in bytes, and the end of the element (0x01).

Source: [MC-NBFX], .NET Binary Format: XML Data Structure; the records seen on the wire are those that
custom-components/zaptec decodes (utils.py and its test vectors). A length byte can be a brace, so the header is parsed
before any brace is looked for.
"""

_ELEMENT, _XMLNS, _XMLNS_PREFIXED, _END = 0x40, 0x08, 0x09, 0x01
_HEADER = b"\x40\x06string\x08\x33http://schemas.microsoft.com/2003/10/Serialization/"
_TEXT_AT = len(_HEADER)
_LENGTH_BYTES = {0x98: 1, 0x99: 1, 0x9A: 2, 0x9B: 2, 0x9C: 4, 0x9D: 4}
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def unwrap(body: bytes) -> bytes | None:
    """The JSON text in a body, or the body itself where it is plain JSON; None where it is neither. Never raises."""
    if body.startswith(_HEADER):
        text = _text(body, _TEXT_AT)
        if text is not None:
            return text
    plain = body.removeprefix(_BYTE_ORDER_MARK).strip()
    if plain.startswith(b"{"):
        return plain
    return _text(body, _after_header(body))


def span_of_braces(body: bytes) -> bytes | None:
    """What looks like a JSON object in a body whose envelope is damaged, as by a host that took it for text."""
    start, end = body.find(b'{"'), body.rfind(b"}")
    return body[start : end + 1] if 0 <= start < end else None


def _text(body: bytes, at: int | None) -> bytes | None:
    """The text records from `at` to the end of the element, joined; None where they do not fill the body."""
    if at is None:
        return None
    parts: list[bytes] = []
    size = len(body)
    while at < size:
        record = body[at]
        if record == _END:
            return b"".join(parts) if at + 1 == size else None
        width = _LENGTH_BYTES.get(record)
        if width is None:
            return None
        begin = at + 1 + width
        end = begin + int.from_bytes(body[at + 1 : begin], "little")
        if begin > size or end > size:
            return None
        if not parts and not record & 1 and end + 1 == size and body[end] == _END:
            return body[begin:end]  # as every message on the wire so far
        parts.append(body[begin:end])
        if record & 1:
            return b"".join(parts) if end == size else None
        at = end
    return None


def _after_header(body: bytes) -> int | None:
    """Where the text begins behind an element and its namespaces, whatever they are called."""
    if not body or body[0] != _ELEMENT:
        return None
    at = _after_string(body, 1)
    while at is not None and at < len(body) and body[at] in {_XMLNS, _XMLNS_PREFIXED}:
        prefixed = body[at] == _XMLNS_PREFIXED
        at = _after_string(body, at + 1)
        if prefixed and at is not None:
            at = _after_string(body, at)
    return at


def _after_string(body: bytes, at: int) -> int | None:
    """Behind a string of MultiByteInt31 length that begins at `at`; None where the body is too short for it."""
    length = shift = 0
    while shift <= 28 and at < len(body):
        length |= (body[at] & 0x7F) << shift
        shift += 7
        at += 1
        if body[at - 1] < 0x80:
            return at + length if at + length <= len(body) else None
    return None
