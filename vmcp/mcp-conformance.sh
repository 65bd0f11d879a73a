#!/usr/bin/env bash
# Runs the official conformance suite of MCP against a gateway that stands before the simulator's built-in world for it, with names as
# they are. What follows goes to the suite:
#   vmcp/mcp-conformance.sh --requirements 2025-11-25
#   ERA=legacy vmcp/mcp-conformance.sh --requirements 2026-07-28
# ERA is that of the simulated server, legacy or modern; it has both without. What clients cannot have of a server of the other era stands
# in mcp-conformance-legacy.yaml, with the reasons: it must fail. Exit code 69: the suite cannot be installed.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --quiet --package simulator --package vmcp --bins
programs=${CARGO_TARGET_DIR:-target}/debug
work=$(mktemp -d)
# shellcheck disable=SC2046 # each job is one word
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$work"' EXIT

"$programs/simulator" serve builtin:mcp-conformance --listen 127.0.0.1:3981 ${ERA:+--era "$ERA"} >"$work/simulator.log" 2>&1 &
cat >"$work/vmcp.yaml" <<CONFIG
name: mcp-conformance
groupRef: mcp-conformance
incomingAuth: {type: anonymous}
outgoingAuth: {source: inline}
aggregation: {conflictResolution: priority, conflictResolutionConfig: {priorityOrder: [server]}}
backends:
  - {name: server, url: "http://127.0.0.1:3981/mcp", transport: streamable-http}
CONFIG
"$programs/vmcp" serve --config "$work/vmcp.yaml" --port 3982 >"$work/vmcp.log" 2>&1 &
for url in http://127.0.0.1:3981/mcp http://127.0.0.1:3982/health; do
    curl --silent --output /dev/null --retry 50 --retry-connrefused --retry-delay 1 "$url"
done
expected=()
if [[ ${ERA:-} == legacy && " $* " == *" 2026-07-28 "* ]]; then
    expected=(--expected-failures vmcp/mcp-conformance-legacy.yaml)
fi
simulator/mcp-conformance.sh server --url http://127.0.0.1:3982/mcp -o "$work/results" ${expected[@]+"${expected[@]}"} "$@"
