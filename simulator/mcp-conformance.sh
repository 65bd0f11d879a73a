#!/usr/bin/env bash
# Runs the official conformance suite of MCP (npm: @modelcontextprotocol/conformance), for example against the built-in world:
#   cargo run -p simulator -- serve builtin:mcp-conformance --listen 127.0.0.1:3901
#   simulator/mcp-conformance.sh server --url http://127.0.0.1:3901/mcp --requirements 2025-11-25
# The first call installs the suite, and the node that it needs, in the user's cache folder. Exit code 69: it cannot be installed.
set -euo pipefail
version=${MCP_CONFORMANCE_VERSION:-0.2.0-alpha.12}
home=${XDG_CACHE_HOME:-$HOME/.cache}/mcp-conformance/$version

if [[ ! -x $home/node_modules/.bin/node ]]; then
    if ! command -v npm >/dev/null; then
        echo "the conformance suite of MCP needs npm, which is not installed" >&2
        exit 69
    fi
    mkdir -p "$(dirname "$home")"
    # Whole or not at all, also when several install it at once.
    new=$(mktemp -d "$home.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    if ! (cd "$new" && npm init -y && npm install --no-audit --no-fund "@modelcontextprotocol/conformance@$version" node@22) >"$new/log" 2>&1; then
        echo "the conformance suite of MCP cannot be installed: $(tail -n 1 "$new/log")" >&2
        exit 69
    fi
    if [[ ! -x $home/node_modules/.bin/node ]]; then
        rm -rf "$home"
        mv "$new" "$home"
    fi
    rm -rf "$new"
fi
exec "$home/node_modules/.bin/node" "$home/node_modules/@modelcontextprotocol/conformance/dist/index.js" "$@"
