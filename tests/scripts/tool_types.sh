#!/usr/bin/env bash
# tool_types.sh FAUNA MODELS: the type in each golden folder, which is tested, is what `fauna type` makes of its config.json.
set -euo pipefail
failed=0
for folder in "$2"/*/; do
  "$1" type "$folder" | diff - "$folder/type.txt" || failed=1
done
exit $failed
