"""Any server, whatever it offers: the steps that fit what it lists."""

import json
from typing import Any

from .contract import CONTRACT
from .judge import Outcome, Verdict

METHOD_NOT_FOUND = -32601

LISTED = {"tool": "tools", "prompt": "prompts", "uri": "resources"}
"""By member of a step, the list that must have what it names."""


def script(prefix: str, calls: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """The contract for a server of which nothing is known, with further calls that must bring a result."""
    steps = [_unassuming(step, prefix) for step in CONTRACT["steps"]]
    for tool, arguments in calls:
        steps.append({"name": f"call {tool}", "do": "call", "tool": tool, "arguments": arguments, "expect": {"result": {}}})
    return CONTRACT | {"steps": steps}


def parse_call(text: str) -> tuple[str, dict[str, Any]]:
    """A tool with its arguments, as in `search={"text": "tea"}`."""
    tool, _, arguments = text.partition("=")
    parsed = json.loads(arguments or "{}")
    if not tool or not isinstance(parsed, dict):
        raise ValueError(text)
    return tool, parsed


def _unassuming(step: dict[str, Any], prefix: str) -> dict[str, Any]:
    if step["do"] == "list":
        return step | {"expect": {"result": {}}}
    renamed = {key: prefix + step[key] for key in ("tool", "prompt") if key in step}
    if step["do"] == "complete":
        renamed["ref"] = step["ref"] | {"name": prefix + step["ref"]["name"]}
    return step | renamed


def lists(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The steps that ask what there is."""
    return [step for step in steps if step["do"] == "list"]


def not_offered(step: dict[str, Any], said: dict[str, dict[str, Any]]) -> Verdict | None:
    """Why a step does not apply to a server that has answered the lists like this."""
    if step["do"] == "list":
        error = said.get(step["name"], {}).get("error", {})
        if error.get("code") == METHOD_NOT_FOUND or "method not found" in str(error.get("message")).lower():
            return Verdict(step["name"], Outcome.NOT_APPLICABLE, f"the server does not know {step['of']}")
        return None
    if step["do"] == "complete":
        kind, name = "prompts", step["ref"]["name"]
    else:
        kind, name = next((of, step[key]) for key, of in LISTED.items() if key in step)
    names = {of: said.get(of, {}).get("result", {}).get("names", []) for of in ("tools", "prompts", "resources", "templates")}
    if name in names[kind] or (kind == "resources" and any(_fits(template, name) for template in names["templates"])):
        return None
    return Verdict(step["name"], Outcome.NOT_APPLICABLE, f"the server has no {name} among its {kind}")


def _fits(template: str, uri: str) -> bool:
    """Whether a URI begins as a template does before its first variable."""
    return uri.startswith(template.partition("{")[0] or uri)
