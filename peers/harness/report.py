"""Tables of what came of the runs, in Markdown, which a terminal shows as well."""

from itertools import groupby

from .judge import Outcome
from .matrix import Run


def tables(runs: list[Run]) -> str:
    """A table per route, of steps by clients, each with the reasons below it, and a closing line."""
    parts = [_table(route, list(of_route)) for route, of_route in groupby(runs, lambda run: run.route)]
    verdicts = [verdict for run in runs for verdict in run.verdicts]
    counts = {outcome: sum(verdict.outcome is outcome for verdict in verdicts) for outcome in Outcome}
    parts.append(
        f"{counts[Outcome.PASSED]} passed, {counts[Outcome.FAILED]} failed, {counts[Outcome.NOT_APPLICABLE]} not applicable"
    )
    return "\n\n".join(parts)


def _table(route: str, runs: list[Run]) -> str:
    steps = list(dict.fromkeys(verdict.step for run in runs for verdict in run.verdicts))
    rows = [["", *(run.peer for run in runs)]]
    if any(run.revision for run in runs):
        rows.append(["revision", *(run.revision for run in runs)])
    for step in steps:
        rows.append([step, *(_cell(run, step) for run in runs)])
    lines = [f"## {route}", "", *_aligned(rows)]
    reasons = _reasons(runs)
    if reasons:
        lines += ["", *reasons]
    return "\n".join(lines)


def _cell(run: Run, step: str) -> str:
    return next((verdict.outcome.value for verdict in run.verdicts if verdict.step == step), "")


def _reasons(runs: list[Run]) -> list[str]:
    """The reasons, each with the steps and clients that it is of."""
    reasons: dict[tuple[Outcome, str], dict[str, None]] = {}
    for run in runs:
        # Without an era there is one client, which the table names.
        client = f" ({run.peer}, {run.era} era)" if run.era else ""
        for verdict in run.verdicts:
            if verdict.reason:
                reasons.setdefault((verdict.outcome, verdict.reason), {})[f"{verdict.step}{client}"] = None
    return [f"* {outcome.value} {'; '.join(where)}: {reason}" for (outcome, reason), where in reasons.items()]


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]
