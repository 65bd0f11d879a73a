"""Judges what a client said of its steps by what the contract expects."""

from dataclasses import dataclass
from enum import Enum
from typing import Any


class Outcome(Enum):
    """What came of a step, as the tables show it."""

    PASSED = "ok"
    FAILED = "FAIL"
    NOT_APPLICABLE = "-"


@dataclass(frozen=True)
class Verdict:
    step: str
    outcome: Outcome
    reason: str = ""
    """Why it failed, or does not apply."""


def judge(step: str, said: dict[str, Any] | None, expect: dict[str, Any]) -> Verdict:
    """Compares what a client said of one step with what is expected."""
    if said is None:
        return Verdict(step, Outcome.FAILED, "the client ended before it")
    if "unsupported" in said:
        return Verdict(step, Outcome.NOT_APPLICABLE, said["unsupported"])
    if "error" in said and "error" not in expect:
        return Verdict(step, Outcome.FAILED, _short(said["error"].get("message"), said["error"].get("code")))
    difference = differs(said, expect)
    return Verdict(step, Outcome.FAILED, difference) if difference else Verdict(step, Outcome.PASSED)


def differs(found: Any, expect: Any, at: str = "") -> str:
    """Where `found` lacks what is expected, or nothing. Objects may have more members, and `names` more items."""
    if isinstance(expect, dict):
        if not isinstance(found, dict):
            return f"{at or 'the answer'} is {_short(found)}, not an object"
        for key, value in expect.items():
            path = f"{at}.{key}" if at else key
            if key == "names" and isinstance(found.get(key), list):
                missing = [name for name in value if name not in found[key]]
                if missing:
                    return f"{path} lacks {', '.join(missing)}"
            elif key not in found:
                return f"{path} is missing"
            elif difference := differs(found[key], value, path):
                return difference
        return ""
    if isinstance(expect, list):
        if not isinstance(found, list) or len(found) != len(expect):
            return f"{at} is {_short(found)}, not {_short(expect)}"
        return next(filter(None, (differs(*pair, f"{at}[{index}]") for index, pair in enumerate(zip(found, expect)))), "")
    return "" if found == expect and isinstance(found, bool) == isinstance(expect, bool) else f"{at} is {_short(found)}, not {_short(expect)}"


def _short(value: Any, code: Any = None) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(text.split())
    text = text if len(text) <= 200 else f"{text[:200]}..."
    return f"{text} ({code})" if code is not None else text
