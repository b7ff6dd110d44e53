#!/usr/bin/env bash
# The Go binding: its own tests and the list of behaviours, under the race detector.
set -euo pipefail
cd "$(dirname "$0")"
folder=$(dirname "$HEARTH_LIBRARY")
export CGO_CFLAGS="-I$HEARTH_INCLUDE" CGO_LDFLAGS="-L$folder -Wl,-rpath,$folder" GOFLAGS=-buildvcs=false
go vet ./... >&2
go test -race -count=1 . >&2
go run -race ./conformance
