#!/usr/bin/env python3
"""bench_families.py FOLDER: what tools/bench families trains next, and what its table says, with losses made up here."""
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import families as f

failed = []


def check(what, got, want):
    if got != want:
        failed.append(what)
        print(f"{what}: {got!r}, not {want!r}")


def record(rate, seed, loss, hashed="now", tokens=f.TOKENS):
    return {"family": "Mamba", "hash": hashed, "rate": rate, "seed": seed, "tokens": tokens, "loss": loss, "seconds": 90, "parameters": 800000, "active": 800000, "curve": [[0, 4.2], [1953, loss]],
            "processor": "zen9", "date": "2026-01-01"}


keys = {family: "now" for family in f.FAMILIES}
losses = {(5e-4, 0): 2.0, (1e-3, 0): 1.8, (2e-3, 0): 1.9, (1e-3, 1): 1.7, (1e-3, 2): 1.75}
records, order = [], []
while (wanted := f.plan(records, "Mamba", "now")) is not None and len(order) < 9:
    order.append(wanted)
    records.append(record(*wanted, losses.get(wanted, 9)))
    check("the best rate", f.best_rate(records, "Mamba", "now"), 1e-3 if len(order) > 2 else None)
check("what is trained", order, list(losses))
line = next(l for l in f.table(records, keys).splitlines() if l.startswith("| Mamba |"))
check("the row", line, "| Mamba | 800,000 | 2.000 | 1.800 | 1.900 | 0.001 | 1.700 | 1.750 | **1.750** | 1.5 | zen9, 2026-01-01 |")
check("a dot for what is there", f.figure(records, keys).count("<circle"), 1)
check("the others are missing", f.figure(records, keys).count(">missing<"), len(f.FAMILIES) - 1)
check("other headers", f.plan(records, "Mamba", "later"), (5e-4, 0))
check("other tokens", f.plan(records, "Mamba", "now", 7680), (5e-4, 0))
partial = next(l for l in f.table(records[:4], keys).splitlines() if l.startswith("| Mamba |"))
check("a cell that is not there", partial.count("missing"), 2)
later = keys | {"Mamba": "later"}
stale = next(l for l in f.table(records + [record(5e-4, 0, 1.0, "later")], later).splitlines() if l.startswith("| Mamba |"))
check("until all is trained anew", stale, line.replace("2026-01-01", "2026-01-01; headers changed since"))
first = next(l for l in f.table(records[1:2], later).splitlines() if l.startswith("| Mamba |"))
check("one training under other headers", first.count("1.800"), 1)
mixture = record(5e-4, 0, 2.0) | {"parameters": 2400000}
check("what a token goes through", f.counts(mixture), "2,400,000, 800,000 at work")
check("a curve for what is there, over GPT's", f.curves(records, keys).count("<polyline"), 2)
dense = record(1e-3, 0, 2.0) | {"family": "Llama", "seconds": 100, "curve": [[0, 4.0], [100, 2.5], [200, 2.0]]}
sparse = record(1e-3, 0, 1.5) | {"family": "Mixtral", "seconds": 200, "curve": [[0, 4.0], [100, 2.0], [200, 1.5]]}
check("a mixture that needs half the tokens", f.tokens_to_loss([dense, sparse], "Mixtral", "Llama"), {"tokens": 2.0, "time": 1.0})
check("the other way round", f.tokens_to_loss([dense, sparse], "Llama", "Mixtral"), {"tokens": 0.5, "time": 1.0})
check("one that was not trained", f.tokens_to_loss([dense], "Mixtral", "Llama"), None)
check("its line", f.sparse([dense, sparse])[-1], "| Mixtral | 2.00 | 1.00 |")
check("a hollow dot", f.figure([dense], keys).count('fill="white" stroke'), 1)
sys.exit(bool(failed))
