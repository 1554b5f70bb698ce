#!/usr/bin/env python3
"""What training on several ranks costs and gains on this machine, by tools/fauna and mpirun. For tools/bench; alone:

    bench/ranks.py [FIGURE...]     a line of JSON for each: dist_overhead_dp ordered_reduce_2 ...

Both sides of a ratio run in turns. dist_overlap is over TCP on a loopback of its own that is as slow as it takes for the sums to last half
as long as the backward pass; it takes root, unshare and tc.
"""
import array
import json
import os
import pathlib
import random
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIGURES = ("dist_overhead_dp", "dist_overhead_zero3", "dist_overlap", "ordered_reduce_2", "ordered_reduce_4", "zero3_memory", "ring_balance",
           "plan_s", "checkpoint_stall")
ENVIRONMENT = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none"]
GPT2 = ["--model", "gpt2", "--block-size", 256, "--batch-size", 4]
ROUNDS = 3


def run(words):
    done = subprocess.run([*map(str, words)], env=ENVIRONMENT, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{shlex.join(map(str, words))}\n{done.stdout}{done.stderr}")
    return done.stdout


def tokens(folder, vocabulary=50257):
    """A folder of random ids, and a tokenizer of so many tokens: bytes, and pairs of them."""
    codes = [*range(33, 127), *range(161, 173), *range(174, 256)]  # GPT-2's letters for bytes; those that cannot be printed come from 256 on
    letters = [chr(b if b in codes else 256 + sum(c not in codes for c in range(b))) for b in range(256)]
    pairs = [(a, b) for a in letters for b in letters][:vocabulary - 256]
    names = letters + [a + b for a, b in pairs]
    (folder / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "post_processor": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": False, "byte_fallback": False, "vocab": {n: i for i, n in enumerate(names)},
                  "merges": [f"{a} {b}" for a, b in pairs]}}), encoding="utf-8")
    draw = random.Random(1)
    for part, count in ("train", 200000), ("val", 2000):
        array.array("H", [draw.randrange(vocabulary) for _ in range(count)]).tofile(open(folder / f"{part}.bin", "wb"))


class Runs:
    """Trainings in a folder: each makes its own anew."""

    def __init__(self, folder):
        self.folder, self.out = folder, folder / "out"
        tokens(folder)

    def train(self, flags, ranks=1, threads=1, updates=12, start=()):
        """The milliseconds of updates, but for the first ones, and summary.json."""
        words = [ROOT / "tools/fauna", "train", "--data", self.folder, "--out-dir", self.out, "--overwrite", "true", "--threads", threads,
                 "--log-interval", 1, "--max-iters", updates, "--eval-iters", 1, *flags]
        run([*start, *([*MPIRUN, "-n", ranks] if ranks > 1 else []), *words])
        records = [json.loads(line) for line in (self.out / "metrics.jsonl").read_text(encoding="ascii").splitlines()]
        return [r["milliseconds"] for r in records if "milliseconds" in r][3:], json.loads((self.out / "summary.json").read_text(encoding="ascii"))

    def milliseconds(self, *arguments, **others):
        return statistics.median(self.train(*arguments, **others)[0])

    def ratio(self, numerator, denominator):
        """Of two ways to train, in turns: the record of their times' ratio."""
        over, under = [], []
        for _ in range(ROUNDS):
            over.append(numerator())
            under.append(denominator())
        return {"value": statistics.median(a / b for a, b in zip(over, under)),
                "counters": {"ms": statistics.median(over), "ms beside": statistics.median(under)}}

    def overhead(self, *flags):
        """2 ranks of one thread over one process with two."""
        quiet = [*GPT2, "--eval-interval", 0]
        return self.ratio(lambda: self.milliseconds([*quiet, *flags], ranks=2), lambda: self.milliseconds(quiet, threads=2))

    def dist_overhead_dp(self):
        return self.overhead()

    def dist_overhead_zero3(self):
        return self.overhead("--zero", 3)

    def dist_overlap(self):
        """(update without overlap - with) / (update without overlap - of one rank with half of the sequences)."""
        flags = ["--model", "gpt2", "--n-layer", 4, "--block-size", 256, "--eval-interval", 0]
        half, whole = [*flags, "--batch-size", 4], [*flags, "--batch-size", 8]
        times, summary = self.train(half)
        # Forward takes a third; each rank sends a sum's bytes twice over half of the parameters, on one wire.
        rate = round(2 * 4 * summary["parameters"] * 8 / (statistics.median(times) / 3 / 1e3))

        def two(overlap):
            words = [*MPIRUN, "--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include", "lo", "-n", 2]
            slow = f"ip link set lo up && tc qdisc add dev lo root tbf rate {rate}bit burst 1mb latency 200ms && exec " + shlex.join(map(str, words))
            return self.milliseconds([*whole, "--overlap", overlap], start=["unshare", "-n", "sh", "-c", slow + ' "$@"', "sh"])

        shares, alone, without, overlapped = [], [], [], []
        for _ in range(ROUNDS):
            alone.append(self.milliseconds(half))
            without.append(two("false"))
            overlapped.append(two("true"))
            shares.append((without[-1] - overlapped[-1]) / (without[-1] - alone[-1]))
        return {"value": statistics.median(shares), "counters": {"alone ms": statistics.median(alone), "without ms": statistics.median(without),
                                                                 "with ms": statistics.median(overlapped), "megabit/s": rate / 1e6}}

    def ordered_reduce(self, ranks):
        program = self.folder / "reduce"
        if not program.exists():
            run([os.environ.get("MPICXX", "mpicxx"), "-std=c++20", "-O3", "-march=native", "-Iinclude", "bench/reduce.cpp", "-o", program])
        told = json.loads(run([*MPIRUN, "-n", ranks, program]))
        return {"value": 100 / 1024 / told["seconds"], "peer": "MPI_Allreduce", "peer_value": 100 / 1024 / told["peer_seconds"], "ratio": told["ratio"]}

    def ordered_reduce_2(self):
        return self.ordered_reduce(2)

    def ordered_reduce_4(self):
        return self.ordered_reduce(4)

    def zero3_memory(self):
        told = self.train([*GPT2, "--eval-interval", 0, "--zero", 3], ranks=2, updates=4)[1]
        return {"value": told["peak_rss_bytes"] / told["planned_bytes"], "counters": {"resident MB": told["peak_rss_bytes"] / 1e6, "planned MB": told["planned_bytes"] / 1e6}}

    def ring_balance(self):
        """Two ranks over half of one rank's time."""
        flags = ["--model", "nanogpt-cpu", "--n-layer", 2, "--block-size", 8192, "--batch-size", 1, "--eval-interval", 0]
        record = self.ratio(lambda: self.milliseconds([*flags, "--cp", 2], ranks=2, updates=7), lambda: self.milliseconds(flags, updates=7))
        return record | {"value": 2 * record["value"]}

    def plan_s(self):
        words = ["tools/fauna", "plan", "deepseek-v3", "--gpus", 2048, "--memory", 96]
        run(words)  # which compiles what it needs
        seconds = []
        for _ in range(2 * ROUNDS + 1):
            begin = time.monotonic()
            run(words)
            seconds.append(time.monotonic() - begin)
        return {"value": statistics.median(seconds)}

    def evaluations(self, flags, iterations=1):
        """The seconds since a run's begin at which its evaluations ended."""
        self.train([*flags, "--eval-iters", iterations], threads=2, updates=24)
        records = [json.loads(line) for line in (self.out / "metrics.jsonl").read_text(encoding="ascii").splitlines()]
        return [r["seconds"] for r in records if "val_loss" in r]

    def checkpoint_stall(self):
        """Where every sixth update is followed by a checkpoint that is written meanwhile: time from one to the next, without what its
        evaluation takes, over that of six updates without checkpoints."""
        one, many = (self.evaluations([*GPT2, "--eval-only", "true"], n)[0] for n in (1, 11))

        def saving():
            ends = self.evaluations([*GPT2, "--eval-interval", 6, "--async-checkpoints", "true"])
            return 1e3 * (statistics.median(b - a for a, b in zip(ends[1:], ends[2:])) - (many - one) / 10) / 6

        return self.ratio(saving, lambda: statistics.median(self.train([*GPT2, "--eval-interval", 0], threads=2)[0]))


def measure(wanted):
    """figure -> record, one after another."""
    with tempfile.TemporaryDirectory() as folder:
        runs = Runs(pathlib.Path(folder))
        for figure in wanted:
            yield figure, getattr(runs, figure)()


if __name__ == "__main__":
    for name, record in measure(sys.argv[1:] or FIGURES):
        print(json.dumps({"figure": name} | record), flush=True)
