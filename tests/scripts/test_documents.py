"""What the documents promise is there: error words, metrics."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def words_of_the_error_table():
    return re.findall(r'X\(k\w+, "(\w+)", \d+\)', (ROOT / "base/include/secbeat/base/error.hpp").read_text())


def test_every_error_word_is_explained():
    explained = set(re.findall(r"`(\w+)`", "\n".join(
        line.split("|")[1] for line in (ROOT / "docs/errors.md").read_text().splitlines() if line.startswith("|"))))
    words = words_of_the_error_table()
    assert len(words) > 30
    assert sorted(set(words) - explained) == []
