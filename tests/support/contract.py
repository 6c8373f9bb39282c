"""The API's own document as a judge: every answer that a test sees is one that /openapi.json promises.

A node serves its document; each answer is held against the operation that it belongs to, with schemas made strict (no
member that is not described). An undocumented status, code, media type or member fails the test that met it.
"""

import copy
import json
import re

from jsonschema import Draft202012Validator


def strict(schema):
    """A copy of a schema in which objects have no members that are not described."""
    schema = copy.deepcopy(schema)

    def close(node):
        if isinstance(node, dict):
            if node.get("type") == "object" and "properties" in node:
                node["additionalProperties"] = False
            for value in node.values():
                close(value)
        elif isinstance(node, list):
            for value in node:
                close(value)

    close(schema)
    return schema


class Contract:
    def __init__(self, document):
        self.document = document
        self.schemas = strict({"components": document["components"]})
        self.paths = [(re.compile(re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(path)) + r"\Z"), methods)
                      for path, methods in document["paths"].items()]
        self.validators = {}

    def operation(self, method, path):
        for pattern, methods in self.paths:
            if pattern.match(path.split("?")[0]):
                return methods.get(method.lower()), sorted(name.upper() for name in methods)
        return None, None

    def check(self, method, path, answer):
        """Raises AssertionError for an answer that the document does not promise."""
        where = f"{method} {path} answered {answer.status} {answer.body[:500]!r}"
        assert answer.headers.get("X-Request-Id"), f"{where} without X-Request-Id"
        operation, methods = self.operation(method, path)
        if operation is None:
            self.check_unknown(methods, answer, where)
            return
        response = operation["responses"].get(str(answer.status))
        assert response, f"{where}, a status that {operation['operationId']} does not document"
        content = response.get("content")
        if content is None:
            assert not answer.body, f"{where}, documented without a body"
            return
        media = answer.headers["Content-Type"].split(";")[0]
        assert media in content, f"{where} as {media}, documented: {list(content)}"
        if media == "application/json":
            self.validate(f"{operation['operationId']} {answer.status}", content[media]["schema"], json.loads(answer.body), where)

    def check_unknown(self, methods, answer, where):
        if methods is None:
            assert (answer.status, answer.json["code"]) == (404, "not_found"), where
        else:
            assert (answer.status, answer.json["code"]) == (405, "method_not_allowed"), where
            assert sorted(answer.headers["Allow"].split(", ")) == methods, where

    def validate(self, key, schema, value, where):
        if key not in self.validators:
            self.validators[key] = Draft202012Validator({**self.schemas, **schema})
        errors = [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in self.validators[key].iter_errors(value)]
        assert not errors, f"{where}\n" + "\n".join(errors)
