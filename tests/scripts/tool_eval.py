#!/usr/bin/env python3
"""tool_eval.py FAUNA WORK GOLDEN: `fauna eval` gives the numbers that tools/oracles/evaluation.py has for a small model, metric
by metric and item by item; the tasks of the examples are read; what is wrong is said before anything is compiled.
"""
import json
import pathlib
import shutil
import sys

from fauna_tool import Tool

work, golden = pathlib.Path(sys.argv[2]).resolve(), pathlib.Path(sys.argv[3])
tool = Tool(sys.argv[1], work)
tasks = golden / "evaluation"
expected = json.loads((tasks / "expected.json").read_text())
model = work / "model"
shutil.copytree(golden / "models/llama_tied", model)
for name in ("tokenizer.json", "tokenizer_config.json"):
    shutil.copy(tasks / name, model)


def measured(task, *flags):
    said = tool.says("eval", model, "--task", task, "--json", "found.json", "--threads", 1, *flags)
    return said, json.loads((work / "found.json").read_text())


def near(a, b, bound):
    assert abs(a - b) <= bound * max(1, abs(b)), (a, b)


# Sums of f32 losses, which two libraries add in different orders.
for name, flags in (("choices", ()), ("choices_special", ("--add-special",)), ("texts", ()), ("answers", ())):
    want = expected[name]
    said, found = measured(tasks / f"{name.removesuffix('_special')}.jsonl", *flags)
    assert list(found["metrics"]) == list(want["metrics"]), found["metrics"]
    for metric, value in want["metrics"].items():
        near(found["metrics"][metric], value, 1e-3 if metric.endswith("perplexity") else 1e-5)
        assert metric.endswith("stderr") or f"| {metric} | {found['metrics'][metric]:.4f} |" in said, said
    assert len(found["samples"]) == len(want["samples"]) == found["items"]
    for ours, theirs in zip(found["samples"], want["samples"]):
        if name == "answers":
            assert ours["written"] == theirs, (ours, theirs)
        elif name == "texts":
            near(ours["log_likelihood"], theirs, 1e-5)
        else:
            assert len(ours["log_likelihoods"]) == len(theirs)
            for a, b in zip(ours["log_likelihoods"], theirs):
                near(a, b, 1e-5)
    if "cut" in want:
        assert found["cut"] == want["cut"] > 0 and f"; {want['cut']} cut at a context of 32" in said, said

_, some = measured(tasks / "choices.jsonl", "--limit", 5)
assert some["items"] == 5 and some["samples"][4]["acc"] in (0, 1)
near(some["samples"][4]["log_likelihoods"][0], expected["choices"]["samples"][4][0], 1e-5)

(work / "broken.jsonl").write_text('{"text": "a"}\n{"txt": "a"}\n')
tool.refused("broken.jsonl:2 has txt", "eval", model, "--task", "broken.jsonl")
tool.refused(["there is no task nowhere", "common, prose, sums"], "eval", model, "--task", "nowhere")
tool.refused("no --task", "eval", model)
tool.refused("--context 33", "eval", model, "--task", tasks / "texts.jsonl", "--context", 33)
tool.refused("--prefix 29", "eval", model, "--task", tasks / "texts.jsonl", "--prefix", 29)
tool.refused("has no tokenizer.json", "eval", golden / "models/llama_tied", "--task", "sums")
# The examples' letters are not in this vocabulary; that they are read, the context says.
tool.refused("sums.jsonl:1", "eval", model, "--task", "sums", "--context", 3, early=False)
