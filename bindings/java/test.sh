#!/usr/bin/env bash
# The Java binding: built as its artefact, then the list of behaviours and Java's own tests.
set -euo pipefail
cd "$(dirname "$0")"
export MAVEN_OPTS="${MAVEN_OPTS:-} -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
build() { mvn -q -B "$@" package -Dhearth.bundle="$(dirname "$HEARTH_LIBRARY")"; }
build -o >/dev/null 2>&1 || build >&2 # without the network where all is there
# What people get: the library whole, where a link stood for it, and whose it is.
(cd target && jar xf openhearth-0.1.0.jar META-INF linux-x86-64)
cmp target/linux-x86-64/libhearth.so "$HEARTH_LIBRARY"
cmp target/META-INF/LICENSE ../../LICENSE
cmp target/META-INF/THIRD-PARTY ../../THIRD-PARTY
# A small heap, laid out at once: what grows is the library's.
java -XX:+UseSerialGC -Xms64m -Xmx64m -XX:+AlwaysPreTouch \
  -cp 'target/openhearth-0.1.0.jar:target/test-classes:target/dependency/*' org.openhearth.Main
