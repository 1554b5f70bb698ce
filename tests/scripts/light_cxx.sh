#!/usr/bin/env bash
# g++ at -O1, as $CXX of tools/fauna: a test's models are small and soon done, compiling them is what takes long. Its
# version is its own, so that tools/fauna never takes a program of a test for a user's.
set -euo pipefail
if [[ $* == --version ]]; then
  g++ --version
  echo "at -O1, for tests"
else
  exec g++ "$@" -O1
fi
