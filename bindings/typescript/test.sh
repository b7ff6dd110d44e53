#!/usr/bin/env bash
# The TypeScript binding: compiled, then the list of behaviours and its own tests.
set -euo pipefail
cd "$(dirname "$0")"
[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --silent --no-audit --no-fund >&2
npx tsc -p . >&2
node=(node)
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || node=(npx --yes node@20.18.0)  # Debian 12 has 18
"${node[@]}" test/run.mjs
