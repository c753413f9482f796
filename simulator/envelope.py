"""The envelope of ZapCloud's messages: .NET binary XML around one JSON text.

It is what .NET's DataContractSerializer writes for a string with a binary XML writer: the element `string`, its
namespace, the text with its length in bytes, and the end of the element, which may be folded into the text's record.
Source: [MC-NBFX], .NET Binary Format: XML Data Structure, records 0x40, 0x08, 0x98 to 0x9D and 0x01.
"""

HEADER = b"\x40\x06string\x08\x33http://schemas.microsoft.com/2003/10/Serialization/"
END_ELEMENT = b"\x01"
CHARS_8, CHARS_16, CHARS_32 = 0x98, 0x9A, 0x9C
WITH_END_ELEMENT = 1
"""Added to a text's record type where the end of the element is folded into it."""


def wrap(text: bytes, *, folded_end: bool = False) -> bytes:
    """A message body that holds the UTF-8 `text`."""
    size = len(text)
    record, width = (CHARS_8, 1) if size < 1 << 8 else (CHARS_16, 2) if size < 1 << 16 else (CHARS_32, 4)
    length = size.to_bytes(width, "little")
    if folded_end:
        return b"%b%c%b%b" % (HEADER, record | WITH_END_ELEMENT, length, text)
    return b"%b%c%b%b%b" % (HEADER, record, length, text, END_ELEMENT)
