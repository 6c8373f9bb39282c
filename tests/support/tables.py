"""Configuration files of tests: keys by table; a list is an array of tables."""

import json


def merge(tables, more):
    """Lays the keys of `more` over those of `tables`."""
    for table, keys in (more or {}).items():
        if isinstance(keys, list):
            tables[table] = keys
        else:
            tables.setdefault(table, {}).update(keys)
    return tables


def toml_text(tables):
    lines = []
    for table, keys in tables.items():
        for item in keys if isinstance(keys, list) else [keys]:
            lines.append(f"[[{table}]]" if isinstance(keys, list) else f"[{table}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in item.items()]
    return "\n".join(lines) + "\n"
