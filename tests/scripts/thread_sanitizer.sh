#!/usr/bin/env bash
# thread_sanitizer.sh SOURCE WORK CLANGXX FILE [FLAG...]: the doctest FILE under ThreadSanitizer. Without OpenMP,
# of whose runtime it knows nothing.
set -euo pipefail
source=$1 work=$2 clangxx=$3 file=$4
mkdir -p "$work"
for unit in "$source/tests/main.cpp" "$file"; do
  "$source/tools/cached" "$clangxx" -std=c++20 -O1 -g -fsanitize=thread "-I$source" "-I$source/include" "-I$source/tests" \
    "${@:5}" -c "$unit" -o "$work/$(basename "$unit").o"
done
"$clangxx" -fsanitize=thread "$work/main.cpp.o" "$work/$(basename "$file").o" -o "$work/test"
"$work/test" --no-intro
