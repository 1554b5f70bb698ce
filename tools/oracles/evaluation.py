#!/usr/bin/env python3
"""What EleutherAI's evaluation harness says of a small model, by its rules (lm_eval/api/model.py, task.py, utils.py; 0.4.13)
in PyTorch. Needs torch, transformers and tokenizers.

    python tools/oracles/evaluation.py tests/golden/models/llama_tied tests/golden/evaluation

writes a tokenizer.json for the model's 29 tokens, tasks of each kind, and expected.json: the metrics, and of each item the log
likelihoods or the text that was written. Choices, texts and prompts of every length are drawn: longer than the context, empty,
with white space where context and choice meet, and across words that are one token.
"""
import json
import math
import pathlib
import random
import re
import sys

import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

model_folder, out = map(pathlib.Path, sys.argv[1:3])
BEGIN = 27


def make_tokenizer(path):
    merges = [("Ġ", "a"), ("t", "h"), ("Ġ", "t"), ("th", "e"), ("a", "n"), ("Ġ", "the")]
    pieces = ["Ċ", "Ġ", ".", "?", *"abcdefghilmnorstu", *map("".join, merges)]
    assert len(pieces) == BEGIN
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    begin = {"id": BEGIN, "content": "<s>", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    post = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [BEGIN], "tokens": ["<s>"]}}}
    path.write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [begin], "normalizer": None, "pre_tokenizer": level,
        "post_processor": post, "decoder": level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False,
                  "byte_fallback": False, "ignore_merges": False, "vocab": {p: i for i, p in enumerate(pieces)}, "merges": [" ".join(m) for m in merges]}}))


out.mkdir(parents=True, exist_ok=True)
make_tokenizer(out / "tokenizer.json")
(out / "tokenizer_config.json").write_text(json.dumps({"bos_token": {"content": "<s>"}, "tokenizer_class": "PreTrainedTokenizerFast"}) + "\n")
tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(out / "tokenizer.json"))
model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32).eval()
most = model.config.max_position_embeddings
draw = random.Random(5)


def ids(text, special=False):
    return tokenizer.encode(text, add_special_tokens=special)


def log_probabilities(tokens, targets):
    """Of the last targets, each after what is before it."""
    with torch.no_grad():
        rows = torch.log_softmax(model(torch.tensor([tokens])).logits[0].double(), -1)[-len(targets):]
    return float(sum(row[t] for row, t in zip(rows, targets)))


def log_likelihood(context, choice, special):
    if context == "":
        before, after = [BEGIN], ids(choice)
        if after[0] == BEGIN:
            before, after = after[:1], after[1:]
    else:
        spaces = len(context) - len(context.rstrip())
        if spaces:
            context, choice = context[:-spaces], context[-spaces:] + choice
        whole, before = ids(context + choice, special), ids(context, special)
        after = whole[len(before):]
    cut = len(before) + len(after) > most + 1
    return log_probabilities((before + after)[-(most + 1):][:-1], after), cut


def rolling(text):
    """Windows of loglikelihood_rolling, disjoint, with a context of one token at least."""
    tokens, total = ids(text), 0.0
    first = min(most, len(tokens))
    total += log_probabilities([BEGIN] + tokens[: first - 1], tokens[:first])
    done = first
    while done < len(tokens):
        count = min(len(tokens) - done, most)
        end = done + count
        a, b = tokens[end - most - 1 : end - 1], tokens[end - count : end]
        total += log_probabilities((a[: len(a) - (len(b) - 1)] + b)[:-1], b)
        done = end
    return total, len(tokens)


def greedy(prompt, until, tokens, special):
    given = ids(prompt, special)[-(most - tokens):]
    row, written = list(given), []
    for _ in range(tokens):
        with torch.no_grad():
            best = int(model(torch.tensor([row])).logits[0, -1, : len(tokenizer)].argmax())
        if best in STOPS:
            break
        row.append(best)
        written.append(best)
        text = tokenizer.decode(written)
        if any(u in text for u in until):
            return text[: min(text.index(u) for u in until if u in text)]
    return tokenizer.decode(written)


ends = model.config.eos_token_id
STOPS = set(ends if isinstance(ends, list) else [] if ends is None else [ends])


def phrase(n):
    return " ".join(draw.choice(["the", "than", "cat", "a", "hen", "then", "an", "tree", "sun", "other", "and", "is"]) for _ in range(n))


def lines(name, items):
    (out / name).write_text("".join(json.dumps(i) + "\n" for i in items))


def error(values):
    return torch.tensor(values, dtype=torch.float64).std().item() / math.sqrt(len(values))


choices = []
for i in range(24):
    context = ["", phrase(2) + " ", phrase(40)][i % 3] if i < 6 else phrase(draw.randint(1, 6)) + draw.choice(["", "", "?", " \n", "."])
    item = {"context": context, "choices": [phrase(draw.randint(1, 3)) for _ in range(draw.randint(2, 4))]}
    item["answer"] = draw.randrange(len(item["choices"]))
    if i % 5 == 4:
        item["delimiter"] = draw.choice(["", "\n"])
    choices.append(item)
lines("choices.jsonl", choices)
texts = [{"text": t} for t in (phrase(3), " " + phrase(60) + "\n\n", phrase(31), phrase(9) + "\n a ?")]
lines("texts.jsonl", texts)
prompts = []
for i in range(10):
    item = {"prompt": phrase(draw.randint(1, 30)), "target": phrase(1), "max_tokens": draw.randint(1, 12)}
    if i % 2:
        item["until"] = [draw.choice(["e", "s", "a", " t"]), "o"]
    said = greedy(item["prompt"], item.get("until", ["\n"]), item["max_tokens"], False)
    if i % 3 and said.strip():
        item["target"] = [item["target"], " " + said.strip() + "\n"] if i % 2 else said
    prompts.append(item)
lines("answers.jsonl", prompts)

expected = {}
for special in (False, True):
    samples, cuts = [], 0
    for item in choices:
        both = [log_likelihood(item["context"], item.get("delimiter", " ") + c, special) for c in item["choices"]]
        cuts += any(cut for _, cut in both)
        samples.append([v for v, _ in both])
    metrics = {}
    for name, length in (("acc", lambda c: 1), ("acc_norm", len), ("acc_bytes", lambda c: len(c.encode()))):
        right = []
        for item, values in zip(choices, samples):
            scores = [v / length(c) for v, c in zip(values, item["choices"])]
            right.append(float(scores.index(max(scores)) == item["answer"]))
        metrics |= {name: sum(right) / len(right), name + "_stderr": error(right)}
    expected["choices_special" if special else "choices"] = {"metrics": metrics, "cut": cuts, "samples": samples}
sums = [rolling(t["text"]) for t in texts]
total, tokens = sum(s for s, _ in sums), sum(n for _, n in sums)
words = sum(len(re.split(r"\s+", t["text"])) for t in texts)
size = sum(len(t["text"].encode()) for t in texts)
expected["texts"] = {"metrics": {"token_perplexity": math.exp(-total / tokens), "word_perplexity": math.exp(-total / words),
                                 "byte_perplexity": math.exp(-total / size), "bits_per_byte": -total / size / math.log(2)},
                     "samples": [s for s, _ in sums]}
said = [greedy(p["prompt"], p.get("until", ["\n"]), p["max_tokens"], False) for p in prompts]
right = [float(s.strip() in [t.strip() for t in (p["target"] if isinstance(p["target"], list) else [p["target"]])]) for s, p in zip(said, prompts)]
expected["answers"] = {"metrics": {"exact_match": sum(right) / len(right), "exact_match_stderr": error(right)}, "samples": said}
(out / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
print({k: v["metrics"] for k, v in expected.items()})
