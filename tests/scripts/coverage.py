#!/usr/bin/env python3
"""coverage.py PERCENT <JSON: what `llvm-cov export -summary-only` says of some files. Fails where fewer lines ran."""
import json
import sys

least = float(sys.argv[1])
files = json.load(sys.stdin)["data"][0]["files"]
if not files:
    sys.exit("coverage: no files")
failed = False
for file in files:
    lines = file["summary"]["lines"]
    failed |= lines["percent"] < least
    print(f"{lines['percent']:6.2f} % of {lines['count']} lines ran, at least {least:g} % must: {file['filename']}")
sys.exit(failed)
