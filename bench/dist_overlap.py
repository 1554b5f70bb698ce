#!/usr/bin/env python3
"""How much of adding up gradients data parallel hides behind the backward pass: 2 ranks of one thread, TCP on a loopback of their own
that is as slow as it takes for the sums to last half as long as backward. As root, with mpirun, unshare and tc:

    bench/dist_overlap.py [--zero STAGE] [--repeat N] [FLAG of train...]     a line of JSON

hidden: (update without overlap - with) / (update without overlap - of one rank with half of the sequences); medians, in turns.
"""
import argparse
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BATCH, UPDATES = 8, 24
MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none", "--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include", "lo"]


def milliseconds(out, ranks, batch, rate, flags):
    """The median of an update, and how many parameters there are."""
    words = [ROOT / "tools/fauna", "train", "--out-dir", out, "--overwrite", "true", "--threads", 1, "--batch-size", batch, "--eval-interval", 0,
             "--log-interval", 1, "--max-iters", UPDATES, *flags]
    words = [*(MPIRUN + ["-n", ranks] if ranks > 1 else []), *words]
    if rate:
        words = ["unshare", "-n", "sh", "-c", f"ip link set lo up && tc qdisc add dev lo root tbf rate {rate} burst 1mb latency 200ms && exec "
                 + shlex.join(map(str, words))]
    environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    done = subprocess.run([*map(str, words)], env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="ascii").splitlines()]
    parameters = json.loads((out / "summary.json").read_text(encoding="ascii"))["parameters"]
    return statistics.median([r["milliseconds"] for r in records if "milliseconds" in r][4:]), parameters


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--zero", type=int, default=0)
    options.add_argument("--repeat", type=int, default=3)
    chosen, flags = options.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out"
        alone, parameters = milliseconds(out, 1, BATCH // 2, "", flags)
        # Forward takes a third; each rank sends a sum's bytes twice over half of the parameters, on one wire.
        rate = round(2 * 4 * parameters * 8 / (alone / 3 / 1e3))
        flags += ["--zero", chosen.zero]
        times = {"alone": [], "false": [], "true": []}
        for _ in range(chosen.repeat):
            times["alone"].append(milliseconds(out, 1, BATCH // 2, "", flags)[0])
            for overlap in ("false", "true"):
                times[overlap].append(milliseconds(out, 2, BATCH, f"{rate}bit", flags + ["--overlap", overlap])[0])
    alone, without, overlapped = (statistics.median(times[key]) for key in ("alone", "false", "true"))
    print(json.dumps({"figure": "dist_overlap", "hidden": round((without - overlapped) / (without - alone), 3), "alone_ms": alone,
                      "without_ms": without, "with_ms": overlapped, "megabit_s": round(rate / 1e6)}))


if __name__ == "__main__":
    main()
