"""What stands in docs, for tests that use it as it is."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def block_of(document, language, word):
    """The one block of code in this language that has this word."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", (DOCS / document).read_text(), re.MULTILINE | re.DOTALL)
    found = [block for block in blocks if word in block]
    assert len(found) == 1, f"{len(found)} blocks of {document} have {word}"
    return found[0]
