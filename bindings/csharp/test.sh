#!/usr/bin/env bash
# The C# binding on Mono: the list of behaviours, its own tests, the example as the README has it.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p bin
compile=(mcs -langversion:7 -warn:4 -warnaserror -optimize+)
"${compile[@]}" -target:library -doc:bin/OpenHearth.xml -out:bin/OpenHearth.dll src/*.cs >&2
"${compile[@]}" -r:bin/OpenHearth.dll -out:bin/Chat.exe examples/Chat.cs >&2
diff <(sed -n '/^```csharp$/,/^```$/{/^```/!p}' README.md) examples/Chat.cs >&2
"${compile[@]}" -r:bin/OpenHearth.dll -out:bin/Conformance.exe tests/*.cs >&2
export LD_LIBRARY_PATH="$(dirname "$HEARTH_LIBRARY")${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
exec mono bin/Conformance.exe
