"""MCP Inspector's command line as a client: each step is a run of it."""

import json
import subprocess
from typing import Any

from .install import Installed

PROGRAM = "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"


def play(installed: Installed, script: dict[str, Any], environment: dict[str, str]) -> list[dict[str, Any]]:
    """Plays a script as the programs in `typescript` and `python` do."""
    command = [str(installed.node), str(installed.typescript / PROGRAM), "--cli", "--format", "json", "--stored-auth-only"]
    command += ["--server-url", script["url"], "--transport", "sse" if script["transport"] == "sse" else "http"]
    command += ["--protocol-era", script["era"]]
    for name, value in script["headers"].items():
        command += ["--header", f"{name}: {value}"]

    def run(arguments: list[str]) -> dict[str, Any]:
        try:
            ran = subprocess.run(
                [*command, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                env=environment,
                timeout=script["timeout"],
            )
        except subprocess.TimeoutExpired:
            return {"error": {"message": f"no answer within {script['timeout']} s"}}
        for line in (ran.stdout + ran.stderr).splitlines():
            if line.startswith('{"result"') or line.startswith('{"error"'):
                return json.loads(line)
        return {"error": {"message": f"ended with {ran.returncode}: {(ran.stderr.strip().splitlines() or [''])[-1]}"}}

    connected = run(["--method", "initialize"])
    if "error" in connected:
        return [{"step": "connect", **connected}]
    answer = connected["result"]
    said = [{"step": "connect", "result": {"revision": answer["protocolVersion"], "server": answer["serverInfo"]["name"]}}]
    for step in script["steps"]:
        arguments = _arguments(step)
        if arguments is None:
            said.append({"step": step["name"], "unsupported": "its command line has no command for it"})
            continue
        told = run(arguments)
        if step["do"] == "list" and "result" in told:
            (items,) = (told["result"][kind] for kind in [step["of"]])
            told = {"result": {"names": [item.get("uri") or item.get("uriTemplate") or item["name"] for item in items]}}
        said.append({"step": step["name"], **told})
    return said


def _arguments(step: dict[str, Any]) -> list[str] | None:
    """What makes the command line do a step."""
    match step["do"]:
        case "list":
            kind = "resources/templates" if step["of"] == "resourceTemplates" else step["of"]
            return ["--method", f"{kind}/list"]
        case "call":
            arguments = json.dumps(step.get("arguments", {}))
            return ["--method", "tools/call", "--tool-name", step["tool"], "--tool-args-json", arguments]
        case "get":
            pairs = [f"{name}={value}" for name, value in step.get("arguments", {}).items()]
            return ["--method", "prompts/get", "--prompt-name", step["prompt"], *(["--prompt-args", *pairs] if pairs else [])]
        case "read":
            return ["--method", "resources/read", "--uri", step["uri"]]
        case _:
            return None
