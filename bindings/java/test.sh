#!/usr/bin/env bash
# The Java binding: built as its artefact, then the list of behaviours and Java's own tests.
set -euo pipefail
cd "$(dirname "$0")"
export MAVEN_OPTS="${MAVEN_OPTS:-} -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
build() { mvn -q -B "$@" package; }
build -o >/dev/null 2>&1 || build >&2 # without the network where all is there
jar tf target/openhearth-0.1.0.jar | grep -x META-INF/LICENSE >/dev/null
# A small heap, laid out at once: what grows is the library's.
java -XX:+UseSerialGC -Xms64m -Xmx64m -XX:+AlwaysPreTouch \
  -cp 'target/openhearth-0.1.0.jar:target/test-classes:target/dependency/*' org.openhearth.Main
