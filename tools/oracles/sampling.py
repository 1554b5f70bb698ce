#!/usr/bin/env python3
"""What the reference library keeps of random logits, and with which probabilities, for tests/decode/test_sampling.cpp:

    python tools/oracles/sampling.py tests/golden

writes sampling.json: cases of logits [V], the ids seen before, settings, and the kept ids, most probable first, with
their probabilities. The processors are those of the PyPI package transformers, in the order of its generate. Logits are
multiples of 1/256, which f32 holds and six digits write. No rule decides by less than 1e-3: two libraries that round in
different places keep the same tokens. Needs torch and transformers.
"""
import json
import pathlib
import random
import sys

import torch
import transformers
from transformers import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

COUNT, VOCAB, MARGIN = 200, 40, 1e-3


def settings(draw):
    """Each rule is on in about two of three cases."""
    on = lambda *values: draw.choice(values) if draw.random() < 2 / 3 else None
    return {
        "penalty": on(0.7, 1.1, 1.3, 2.0) or 1.0,
        "temperature": on(0.5, 0.8, 1.5, 3.0) or 1.0,
        "top_k": on(1, 3, 8, 20) or 0,
        "top_p": on(0.3, 0.6, 0.9, 0.97) or 1.0,
        "min_p": on(0.02, 0.1, 0.3, 0.7) or 0.0,
    }


def rules(s):
    if s["penalty"] != 1:
        yield RepetitionPenaltyLogitsProcessor(s["penalty"])
    if s["temperature"] != 1:
        yield TemperatureLogitsWarper(s["temperature"])
    if s["top_k"] > 0:
        yield TopKLogitsWarper(s["top_k"])
    if s["top_p"] < 1:
        yield TopPLogitsWarper(s["top_p"])
    if s["min_p"] > 0:
        yield MinPLogitsWarper(s["min_p"])


def near(rule, scores):
    """Whether the rule would decide some token by less than MARGIN."""
    p = scores.softmax(-1)[0].sort(descending=True).values
    p = p[p > 0]
    if isinstance(rule, TopPLogitsWarper):
        return bool(((p.cumsum(0) - rule.top_p).abs() < MARGIN).any())
    if isinstance(rule, MinPLogitsWarper):
        return bool(((p / p[0] - rule.min_p).abs() < MARGIN).any())
    return False


def case(draw):
    while True:
        s = settings(draw)
        logits = [round(256 * draw.gauss(0, 2)) / 256 for _ in range(VOCAB)]
        seen = [draw.randrange(VOCAB) for _ in range(draw.randrange(1, 16))]
        ids, scores = torch.tensor([seen]), torch.tensor([logits], dtype=torch.float64)
        clear = True
        for rule in rules(s):
            clear = clear and not near(rule, scores)
            scores = rule(ids, scores)
            finite = scores[scores.isfinite()].sort().values
            clear = clear and bool((finite.diff() > MARGIN).all())
        if clear and len(set(logits)) == VOCAB:
            break
    p = scores.softmax(-1)[0]
    kept = [i for i in p.argsort(descending=True).tolist() if p[i] > 0]
    return {**s, "logits": logits, "seen": seen, "kept": kept, "probabilities": [float(f"{p[i]:.7g}") for i in kept]}


def main():
    draw = random.Random(1)
    cases = [case(draw) for _ in range(COUNT)]
    path = pathlib.Path(sys.argv[1]) / "sampling.json"
    path.write_text(json.dumps(cases, separators=(",", ":")).replace("},", "},\n") + "\n")
    print(f"{path}: {len(cases)} cases by transformers {transformers.__version__}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main()
