#!/usr/bin/env python3
"""Make docs/API.md, on standard output, from docs/openapi.yaml.

With --rows: a line for each route instead, as tests/lint/print_routes prints
the route table.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

Node = dict[str, Any]

METHODS = ("get", "post", "put", "patch", "delete")
WHO = {"admin": "operator's token", "open": "anybody", "key": "key",
       "operator": "operator"}


class Api:
    """The document, with its references followed."""

    def __init__(self, path: Path) -> None:
        self.doc: Node = yaml.safe_load(path.read_text(encoding="utf-8"))

    def follow(self, node: Node) -> Node:
        while "$ref" in node:
            found: Any = self.doc
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            node = found
        return node

    def routes(self) -> list[tuple[str, str, Node]]:
        return [
            (method.upper(), path, item[method])
            for path, item in self.doc["paths"].items()
            for method in METHODS
            if method in item
        ]


def one_line(text: str) -> str:
    return " ".join(text.split())


def name_of(node: Node) -> str:
    """The name of a schema that is only referred to."""
    return node["$ref"].rsplit("/", 1)[1] if "$ref" in node else ""


def type_of(api: Api, node: Node) -> str:
    name = name_of(node)
    if name in api.doc["components"]["schemas"]:
        return f"[{name}](#{name.lower()})"
    node = api.follow(node)
    if "const" in node:
        return f"`{node['const']}`"
    if "enum" in node:
        return ", ".join(f"`{value}`" for value in node["enum"])
    if "anyOf" in node:
        return " or ".join(type_of(api, part) for part in node["anyOf"])
    kind = node.get("type", "any")
    return ", ".join(kind) if isinstance(kind, list) else kind


def table_of_fields(api: Api, schema: Node, prefix: str = "") -> list[str]:
    rows = []
    required = schema.get("required", [])
    for name, node in schema.get("properties", {}).items():
        target = api.follow(node)
        need = "yes" if name in required else "no"
        text = one_line(target.get("description", ""))
        rows.append(
            f"| `{prefix}{name}` | {type_of(api, node)} | {need} | {text} |"
        )
        if "$ref" in node:
            continue
        if target.get("type") == "object":
            rows += table_of_fields(api, target, f"{prefix}{name}.")
    return rows


def fields(api: Api, schema: Node) -> list[str]:
    head = ["| Field | Type | Required | Meaning |", "|---|---|---|---|"]
    return [*head, *table_of_fields(api, schema), ""]


def route_table(api: Api) -> list[str]:
    out = ["| Route | Who | Scope | Purpose |", "|---|---|---|---|"]
    for method, path, op in api.routes():
        policy = op["x-watchllm"]
        scope = f"`{policy['scope']}`" if policy["scope"] else ""
        out.append(
            f"| `{method} {path}` | {WHO[policy['who']]} | {scope} "
            f"| {op['summary']} |"
        )
    return [*out, ""]


def responses(api: Api, op: Node) -> list[str]:
    out = ["| Status | Body | When |", "|---|---|---|"]
    for status, node in op["responses"].items():
        node = api.follow(node)
        bodies = [
            f"{type_of(api, content['schema'])} (`{media}`)"
            for media, content in node.get("content", {}).items()
        ]
        word = "other" if status == "default" else status
        out.append(
            f"| {word} | {'; '.join(bodies)} "
            f"| {one_line(node['description'])} |"
        )
    return [*out, ""]


def route(api: Api, method: str, path: str, op: Node) -> list[str]:
    out = [f"### {method} {path}", "", op["summary"], ""]
    if "description" in op:
        out += [op["description"].strip(), ""]
    if op.get("parameters"):
        out += ["| Header or parameter | Meaning |", "|---|---|"]
        for node in op["parameters"]:
            node = api.follow(node)
            out.append(f"| `{node['name']}` | {one_line(node['description'])} |")
        out.append("")
    if "requestBody" in op:
        schema = op["requestBody"]["content"]["application/json"]["schema"]
        out += ["Body:", "", *fields(api, api.follow(schema))]
    return [*out, "Answers:", "", *responses(api, op)]


def authentication(api: Api) -> list[str]:
    out = ["## Authentication", ""]
    for node in api.doc["components"]["securitySchemes"].values():
        where = (
            f"`{node['name']}: …`"
            if node["type"] == "apiKey"
            else "`Authorization: Bearer …`"
        )
        out.append(f"- {where} {one_line(node['description'])}")
    return [*out, ""]


def headers(api: Api) -> list[str]:
    out = ["## Headers of responses", "", "| Header | Meaning |", "|---|---|"]
    for name, node in api.doc["components"]["headers"].items():
        out.append(f"| `{name}` | {one_line(node['description'])} |")
    return [*out, ""]


def schemas(api: Api) -> list[str]:
    out = ["## Objects", ""]
    for name, node in api.doc["components"]["schemas"].items():
        if name.endswith("Request"):
            continue
        out += [f"### {name}", ""]
        if "description" in node:
            out += [one_line(node["description"]), ""]
        out += fields(api, node)
    return out


def document(api: Api) -> str:
    info = api.doc["info"]
    out = [
        "<!-- Made by docs/api.py from docs/openapi.yaml: change that. -->",
        f"# {info['title']} — API",
        "",
        info["description"].strip(),
        "",
        "`HEAD` is answered where `GET` is, and `OPTIONS` everywhere.",
        "",
        "## Routes",
        "",
        *route_table(api),
        *authentication(api),
        *headers(api),
    ]
    for tag in api.doc["tags"]:
        out += [f"## {tag['name']}", "", tag["description"].strip(), ""]
        for method, path, op in api.routes():
            if tag["name"] in op["tags"]:
                out += route(api, method, path, op)
    return "\n".join([*out, *schemas(api)]).rstrip() + "\n"


def rows(api: Api) -> str:
    lines = []
    for method, path, op in api.routes():
        policy = op["x-watchllm"]
        lines.append(
            f"{method} {path} {policy['who']} {policy['scope'] or '-'} "
            f"{policy['limiter']} {op['summary']}"
        )
    return "\n".join(sorted(lines)) + "\n"


def main() -> int:
    api = Api(Path(__file__).with_name("openapi.yaml"))
    sys.stdout.write(rows(api) if sys.argv[1:] == ["--rows"] else document(api))
    return 0


if __name__ == "__main__":
    sys.exit(main())
