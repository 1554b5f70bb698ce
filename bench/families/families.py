"""The table of families: recurrent ones, mixtures of experts and hybrids beside GPT, each of about 0.8 M parameters, or as many that a
token goes through, on Tiny Shakespeare.

    tools/bench families [NAME...]               all families, or those; goes on where it stopped
    tools/bench families --rate 1e-3 [NAME...]   only seed 0 with that rate, of each: a first look at all of them
    tools/bench families --tokens 7680 NAME      a short run, which the table does not count
    tools/bench families --table                 only writes docs/families.md and its two figures anew

1.5 M tokens in batches of 12 x 64; of three learning rates the one with the lowest validation loss on seed 0, then seeds
1 and 2 with it; the mean of the three counts. What is trained once is kept in bench/results/families.json under a hash of
the headers that the family uses, and not trained again before one of them changes; until it is, the table has what it was and
says so. What is not there yet is said to be missing.
"""
import argparse
import datetime
import hashlib
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench/results/families.json"
RATES, SEEDS, TOKENS = (5e-4, 1e-3, 2e-3), (0, 1, 2), 1_500_000
LINEAR = {"RetNet": "RetNet", "GLA": "Gla", "DeltaNet": "DeltaNet", "Gated DeltaNet": "GatedDeltaNet", "KDA": "Kda", "mLSTM": "Mlstm",
          "RG-LRU": "RgLru", "Mamba-3": "Mamba3"}
MAMBA = ".layers = 7, .width = 128, .inner = 256, .states = 16, .rank = 8, .vocab = 65"
# Name -> header under fauna/models, and type.
FAMILIES = {
    "GPT": ("gpt", "NanoGptCpu"),
    "Mamba": ("mamba", f"Mamba<MambaConfig{{{MAMBA}}}>"),
    "Mamba-2": ("mamba2", "Mamba2Shakespeare"),
    "FalconMamba": ("falcon_mamba", f"FalconMamba<FalconMambaConfig{{{MAMBA}, .tied = true}}>"),
    "RWKV-4": ("rwkv4", "Rwkv4Shakespeare"),
    "RWKV-5": ("rwkv5", "Rwkv5Shakespeare"),
    "RWKV-6": ("rwkv6", "Rwkv6Shakespeare"),
    "RWKV-7": ("rwkv7", "Rwkv7Shakespeare"),
    "Mixtral": ("mixtral", "MixtralShakespeare"),
    "OLMoE": ("olmoe", "OlmoeShakespeare"),
    "Switch": ("switch_lm", "SwitchShakespeare"),
    "Qwen3-MoE": ("qwen3_moe", "Qwen3MoeShakespeare"),
    "DeepSeek-V3": ("deepseek", "DeepseekV3Shakespeare"),
    "Jamba": ("jamba", "JambaShakespeare"),
    "RecurrentGemma": ("recurrent_gemma", "RecurrentGemmaShakespeare"),
    "LFM2": ("lfm2", "Lfm2Shakespeare"),
    "Samba": ("samba", "SambaShakespeare"),
    "Qwen3-Next": ("qwen3_next", "Qwen3NextShakespeare"),
    "Qwen3.5": ("qwen3_5", "Qwen35Shakespeare"),
    "Kimi Linear": ("kimi_linear", "KimiLinearShakespeare"),
    "Granite 4": ("granite_hybrid", "GraniteHybridShakespeare"),
    "Falcon-H1": ("falcon_h1", "FalconH1Shakespeare"),
    "Zamba2": ("zamba2", "Zamba2Shakespeare"),
    "Llama": ("llama", "LlamaShakespeare"),
    "gpt-oss": ("gpt_oss", "GptOssShakespeare"),
    "Llama 4": ("llama4", "Llama4Shakespeare"),
    **{name: ("linear_lm", f"{model}Shakespeare") for name, model in LINEAR.items()},
}
FLAGS = ["-std=c++20", "-O2", "-march=native", "-fopenmp", "-Iinclude"]


def say(text):
    print(f"tools/bench families: {text}", flush=True)


def compiler_command(family):
    header, model = FAMILIES[family]
    return ["g++", *FLAGS, f'-DFAMILY_HEADER="fauna/models/{header}.hpp"', f"-DFAMILY_MODEL={model}", "bench/families/train.cpp"]


def key(family):
    """A hash of the type and of every file of this checkout that its program is made of."""
    made_of = subprocess.run([*compiler_command(family), "-MM"], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    files = sorted(set(made_of.replace("\\\n", " ").split()[1:]))
    digest = hashlib.sha256(" ".join(compiler_command(family)).encode())
    for file in files:
        digest.update(file.encode() + b"\0" + (ROOT / file).read_bytes())
    return digest.hexdigest()[:16]


def build(family, hashed):
    program = ROOT / f"build/bench/families/{hashed}"
    if not program.exists():
        say(f"compiling {family}")
        program.parent.mkdir(parents=True, exist_ok=True)
        part = program.with_suffix(".new")
        subprocess.run([*compiler_command(family), "-o", part], check=True, cwd=ROOT)
        part.replace(program)
    return program


def find(records, family, hashed, rate, seed, tokens=TOKENS):
    return next((r for r in records if (r["family"], r["hash"], r["rate"], r["seed"], r["tokens"]) == (family, hashed, rate, seed, tokens)), None)


def plan(records, family, hashed, tokens=TOKENS):
    """The next (rate, seed) that this family wants, or None: all rates on seed 0, then the other seeds with the best."""
    for rate in RATES:
        if not find(records, family, hashed, rate, SEEDS[0], tokens):
            return rate, SEEDS[0]
    best = best_rate(records, family, hashed, tokens)
    return next(((best, seed) for seed in SEEDS if not find(records, family, hashed, best, seed, tokens)), None)


def next_of(records, family, hashed, options):
    """What the command line asks for next."""
    if options.rate is None:
        return plan(records, family, hashed, options.tokens)
    return None if find(records, family, hashed, options.rate, SEEDS[0], options.tokens) else (options.rate, SEEDS[0])


def best_rate(records, family, hashed, tokens=TOKENS):
    """Of the rates that all have been tried on seed 0; None before."""
    tried = [find(records, family, hashed, rate, SEEDS[0], tokens) for rate in RATES]
    return None if None in tried else min(tried, key=lambda r: r["loss"])["rate"]


def load():
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else []


def keep(record):
    """Written whole after each training, so that none is lost. A family that is whole needs nothing of earlier headers."""
    same = ("family", "hash", "rate", "seed", "tokens")
    records = [r for r in load() if any(r[k] != record[k] for k in same)] + [record]
    if plan(records, record["family"], record["hash"], record["tokens"]) is None:
        records = [r for r in records if (r["family"], r["tokens"]) != (record["family"], record["tokens"]) or r["hash"] == record["hash"]]
    order = list(FAMILIES)
    records.sort(key=lambda r: (order.index(r["family"]) if r["family"] in order else len(order), r["tokens"], r["rate"], r["seed"]))
    fresh = RESULTS.with_suffix(".new")
    fresh.write_text("[\n" + ",\n".join(" " + json.dumps(r) for r in records) + "\n]\n")
    fresh.replace(RESULTS)


def cell(record):
    return f"{record['loss']:.3f}" if record else "missing"


def counts(record):
    """All parameters, and where they are not the same those that a token goes through."""
    return f"{record['parameters']:,}" + (f", {record['active']:,} at work" if record["active"] != record["parameters"] else "")


def first_look(records, family):
    """The best of what seed 0 gave, with the headers of which most is there; None: nothing."""
    hashes = [r["hash"] for r in records if (r["family"], r["tokens"]) == (family, TOKENS)]
    if not hashes:
        return None
    hashed = max(hashes, key=hashes.count)
    return min((r for r in (find(records, family, hashed, rate, SEEDS[0]) for rate in RATES) if r), key=lambda r: r["loss"], default=None)


def tokens_to_loss(records, family, other):
    """How many times fewer tokens, and seconds, a family needs to the last loss of another, on its curve; below 1: it
    does not get there, and the other needs so many times fewer to its last loss. None: they have not been trained."""
    a, b = first_look(records, family), first_look(records, other)
    if a is None or b is None:
        return None
    if a["loss"] > b["loss"]:
        turned = tokens_to_loss(records, other, family)
        return {name: 1 / value for name, value in turned.items()}
    (s0, l0), (s1, l1) = next(pair for pair in zip(a["curve"], a["curve"][1:]) if pair[1][1] <= b["loss"])
    share = (s0 + (s1 - s0) * (l0 - b["loss"]) / (l0 - l1)) / a["curve"][-1][0]
    return {"tokens": 1 / share, "time": b["seconds"] / (share * a["seconds"])}


def rows(records, keys):
    """What a line of the table and the two figures need, of each family: with the headers of which most is there."""
    for family in FAMILIES:
        hashes = [r["hash"] for r in records if (r["family"], r["tokens"]) == (family, TOKENS)]
        hashed = max([keys[family], *hashes], key=hashes.count)
        tried = [find(records, family, hashed, rate, SEEDS[0]) for rate in RATES]
        best = best_rate(records, family, hashed)
        seeds = [find(records, family, hashed, best, seed) if best else None for seed in SEEDS]
        some = [r for r in tried + seeds if r]
        whole = None not in seeds
        yield {"family": family, "parameters": counts(some[0]) if some else None, "curve": min((r for r in tried if r), key=lambda r: r["loss"], default={"curve": None})["curve"], "first": min((r["loss"] for r in tried if r), default=None), "tried": tried, "best": best, "others": seeds[1:],
               "mean": statistics.mean(r["loss"] for r in seeds) if whole else None,
               "minutes": statistics.median(r["seconds"] for r in some) / 60 if some else None,
               "when": sorted({f"{r['processor']}, {r['date']}" + (f", {r['note']}" if r.get("note") else "") for r in some})
               + (["headers changed since"] if some and hashed != keys[family] else [])}


def table(records, keys):
    lines = ["# Families on Tiny Shakespeare", "", "Written by `tools/bench families`; [benchmarks.md](benchmarks.md) has everything else that is measured.",
             "Models of about 804,096 parameters (3 % more or less; of a mixture of experts, those that a token goes through), nanoGPT's recipe for its CPU model: 1.5 M tokens in batches of 12 x 64",
             "characters, AdamW, a cosine after a warm-up. The loss is that of the whole validation split, in nats a character. Of three learning",
             "rates seed 0 chooses; the mean of seeds 0 to 2 counts. What has not been trained is missing.", "",
             "![validation loss of each family](families.svg)", "", "A hollow dot is the best of seed 0 alone, where the mean is not there yet.", "",
             "The curves of seed 0 with the best of the rates tried, over GPT's in grey: validation loss estimated from 20 batches, by update; the last point is",
             "the whole split's.", "", "![validation curves of each family](families_curves.svg)", "",
             "| family | parameters | " + " | ".join(f"{r:g}, seed 0" for r in RATES) + " | rate | seed 1 | seed 2 | mean | minutes | on |", "|---" * 10 + "|"]
    for r in rows(records, keys):
        cells = [r["family"], r["parameters"] or "missing", *map(cell, r["tried"]), f"{r['best']:g}" if r["best"] else "missing",
                 *map(cell, r["others"]), f"**{r['mean']:.3f}**" if r["mean"] else "missing", f"{r['minutes']:.1f}" if r["minutes"] else "missing", "; ".join(r["when"]) or "–"]
        lines.append("| " + " | ".join(cells) + " |")
    lines += sparse(records)
    return "\n".join(lines) + "\n"


def sparse(records):
    """What experts save: beside the dense model with the same attention and as many parameters at work."""
    reached = {name: tokens_to_loss(records, name, "Llama") for name in ("Mixtral", "OLMoE", "Qwen3-MoE", "gpt-oss", "Llama 4")}
    if not any(reached.values()):
        return []
    return ["", "## Mixtures beside a dense model", "", "How many times fewer tokens a mixture needs than Llama's small model, with as many parameters at work, to the higher of their two last losses, by the",
            "curve of the lower, and how many times less time; below 1 it needs more.", "", "| mixture | tokens | time |", "|---|---|---|",
            *(f"| {name} | {r['tokens']:.2f} | {r['time']:.2f} |" for name, r in reached.items() if r)]


def figure(records, keys):
    """Means as dots on an axis of losses, a family a line; hollow: the best of seed 0 so far."""
    all_rows = list(rows(records, keys))
    known = [r["mean"] or r["first"] for r in all_rows if r["first"]]
    low, high = min([1.6, *known]), max([2.1, *known])
    width, left, line = 640, 130, 24

    def x(loss):
        return left + (width - left - 70) * (loss - low) / (high - low)

    height = line * (len(all_rows) + 2)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="13">',
           f'<rect width="{width}" height="{height}" fill="white"/>']
    for i in range(6):
        loss = low + (high - low) * i / 5
        out.append(f'<line x1="{x(loss):.1f}" y1="{line / 2}" x2="{x(loss):.1f}" y2="{height - line}" stroke="#ddd"/>'
                   f'<text x="{x(loss):.1f}" y="{height - 6}" text-anchor="middle">{loss:.2f}</text>')
    for i, r in enumerate(all_rows):
        y = line * (i + 1)
        out.append(f'<text x="{left - 10}" y="{y + 4}" text-anchor="end">{r["family"]}</text>')
        if r["first"]:
            loss, fill = r["mean"] or r["first"], "#2a6" if r["mean"] else "white"
            out.append(f'<circle cx="{x(loss):.1f}" cy="{y}" r="5" fill="{fill}" stroke="#2a6"/><text x="{x(loss) + 10:.1f}" y="{y + 4}">{loss:.3f}</text>')
        else:
            out.append(f'<text x="{left}" y="{y + 4}" fill="#999">missing</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def curves(records, keys):
    """A small picture a family: its curve on seed 0 before GPT's in grey."""
    all_rows = [r for r in rows(records, keys) if r["curve"]]
    behind = next((r["curve"] for r in all_rows if r["family"] == "GPT"), [])
    low, high, across, width, height, gap = 1.5, 4.5, 4, 150, 110, 24
    last = max((r["curve"][-1][0] for r in all_rows), default=1)

    def path(curve, colour):
        points = " ".join(f"{width * step / last:.1f},{height * (high - min(loss, high)) / (high - low):.1f}" for step, loss in curve)
        return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'

    down = -(-len(all_rows) // across)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{across * (width + gap) + gap}" height="{down * (height + 2 * gap) + gap}" '
           'font-family="sans-serif" font-size="12">', '<rect width="100%" height="100%" fill="white"/>']
    for i, r in enumerate(all_rows):
        out += [f'<g transform="translate({gap + i % across * (width + gap)} {gap + i // across * (height + 2 * gap)})">',
                f'<rect width="{width}" height="{height}" fill="none" stroke="#ddd"/>']
        for loss in (2, 3, 4):
            y = height * (high - loss) / (high - low)
            out.append(f'<line x1="0" y1="{y:.1f}" x2="{width}" y2="{y:.1f}" stroke="#eee"/><text x="-4" y="{y + 4:.1f}" text-anchor="end" fill="#999">{loss}</text>')
        out += [path(behind, "#bbb"), path(r["curve"], "#2a6"),
                f'<text x="0" y="-6">{r["family"]}</text><text x="{width}" y="-6" text-anchor="end" fill="#2a6">{r["curve"][-1][1]:.3f}</text>', "</g>"]
    return "\n".join([*out, "</svg>"]) + "\n"


def write(keys):
    records = load()
    (ROOT / "docs/families.md").write_text(table(records, keys))
    (ROOT / "docs/families.svg").write_text(figure(records, keys))
    (ROOT / "docs/families_curves.svg").write_text(curves(records, keys))
    say("wrote docs/families.md, docs/families.svg and docs/families_curves.svg")


def main(arguments, text, processor):
    parser = argparse.ArgumentParser(prog="tools/bench families", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FAMILIES))
    parser.add_argument("--tokens", type=int, default=TOKENS)
    parser.add_argument("--rate", type=float, choices=RATES)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--note", metavar="TEXT", help="kept with each training, such as: busy machine")
    options = parser.parse_args(arguments)
    unknown = [n for n in options.names if n not in FAMILIES]
    if unknown:
        parser.error(f"no family is called {' or '.join(unknown)}; they are {', '.join(FAMILIES)}")
    keys = {family: key(family) for family in FAMILIES}
    if not options.table:
        if text is None:
            sys.exit("tools/bench families: Tiny Shakespeare is not here: run tools/shakespeare once")
        for family in options.names or FAMILIES:
            while (wanted := next_of(load(), family, keys[family], options)) is not None:
                rate, seed = wanted
                done = subprocess.run([build(family, keys[family]), text, str(rate), str(seed), str(options.tokens)], stdout=subprocess.PIPE, text=True, check=True)
                record = {"family": family, "hash": keys[family], "rate": rate, "seed": seed, "tokens": options.tokens, **json.loads(done.stdout),
                          "processor": processor, "threads": int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())), "date": datetime.date.today().isoformat()}
                keep(record | ({"note": options.note} if options.note else {}))
                say(f"{family}, rate {rate:g}, seed {seed}: {record['loss']:.4f} in {record['seconds']:.0f} s")
    write(keys)
