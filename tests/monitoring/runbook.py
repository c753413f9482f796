"""The runbook, and what its sections are linked by."""

import re
from pathlib import Path

RUNBOOK = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text()


def anchors_of(text: str) -> set[str]:
    """What a heading is linked by, as GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
