#!/usr/bin/env python3
"""memory.py LOG LIMIT_MB: no translation unit of the build takes more memory than LIMIT_MB to compile."""
import collections
import os
import sys

log, limit = sys.argv[1], float(sys.argv[2])
latest = {}
with open(log, encoding="utf-8") as lines:
    for line in lines:
        name, seconds, peak, how = line.rstrip("\n").split("\t")
        if os.path.exists(os.path.join(os.path.dirname(log), name)):
            latest[name] = (float(peak), float(seconds), how)
if not latest:
    sys.exit(f"{log} names no object of this build")
ranked = sorted(((*measured, name) for name, measured in latest.items()), reverse=True)
counts = collections.Counter(how for _, _, how, _ in ranked)
print(f"{len(ranked)} translation units, {counts['measured']} measured and {counts['remembered']} remembered by the cache, "
      f"limit {limit:.0f} MB; the largest:")
for peak, seconds, how, name in ranked[:5]:
    print(f"  {peak:5.0f} MB {seconds:6.1f} s  {name} ({how})")
sys.exit(1 if ranked[0][0] > limit else 0)
