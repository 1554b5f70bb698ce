#!/usr/bin/env python3
"""harness_client.py FAUNA [DIR]: EleutherAI's evaluation harness (PyPI: lm-eval) against tools/fauna serve, through its
`local-completions`: its numbers, and its log-likelihoods and answers item by item, are those of tools/fauna eval on the same model
and tasks (examples/tasks). DIR: a model directory with its tokenizer, or that of tools/smollm2. Left out, with exit 77, where there is
no package lm_eval, or no model.
"""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

try:
    import lm_eval
    from lm_eval.tasks import TaskManager
    from lm_eval.api.task import ConfigurableTask
except ImportError:
    print("left out: there is no Python package lm_eval here (pip install lm-eval[api])")
    sys.exit(77)

root = pathlib.Path(__file__).resolve().parents[2]
fauna, where = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else str(root / "data/smollm2/bf16")
if not os.path.isdir(where):
    print(f"left out: there is no model directory {where} (tools/smollm2 makes one)")
    sys.exit(77)

SHARED = {"dataset_path": "json", "test_split": "test", "metadata": {"version": 1}}
TASKS = {
    "common": {"output_type": "multiple_choice", "doc_to_text": "context", "doc_to_choice": "choices", "doc_to_target": "answer",
               "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}]},
    "sums": {"output_type": "generate_until", "doc_to_text": "prompt", "doc_to_target": "target",
             "generation_kwargs": {"until": ["\n"], "max_gen_toks": 4, "do_sample": False},
             "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
             "filter_list": [{"name": "none", "filter": [{"function": "remove_whitespace"}, {"function": "take_first"}]}]},
    "prose": {"output_type": "loglikelihood_rolling", "doc_to_text": "", "doc_to_target": "text",
              "metric_list": [{"metric": "word_perplexity"}, {"metric": "byte_perplexity"}, {"metric": "bits_per_byte"}]},
}


@contextlib.contextmanager
def server():
    process = subprocess.Popen([fauna, "serve", where, "--port", "0", "--dtype", "bf16"], stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        assert line.startswith("listening on "), line
        yield line.split()[-1] + "/v1"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()


def harness(url, names):
    """What the harness makes of these tasks, with every sample."""
    tasks = [ConfigurableTask(config=SHARED | TASKS[name] | {"task": name, "dataset_kwargs": {"data_files": {"test": str(root / f"examples/tasks/{name}.jsonl")}}})
             for name in names]
    return lm_eval.simple_evaluate(
        model="local-completions", tasks=tasks, task_manager=TaskManager(include_defaults=False), log_samples=True, bootstrap_iters=0,
        model_args={"model": pathlib.Path(where).name, "base_url": f"{url}/completions", "tokenizer": where, "tokenizer_backend": "huggingface",
                    "num_concurrent": 4, "max_retries": 1, "max_length": 2048})


def ours(name):
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        subprocess.run([fauna, "eval", where, "--task", name, "--dtype", "bf16", "--json", file.name], check=True, stdout=subprocess.DEVNULL)
        return json.loads(pathlib.Path(file.name).read_text())


def near(a, b, tolerance=1e-4):
    return abs(a - b) <= tolerance * max(1, abs(a))


def main():
    with server() as url:
        theirs = harness(url, list(TASKS))
    for name in TASKS:
        mine = ours(name)
        found = {key.removesuffix(",none"): value for key, value in theirs["results"][name].items()}
        compared = [m for m in mine["metrics"] if m in found and not m.endswith("_stderr")]
        assert compared, (found, mine["metrics"])
        for metric in compared:
            assert near(mine["metrics"][metric], found[metric]), (name, metric, mine["metrics"][metric], found[metric])
        samples = sorted(theirs["samples"][name], key=lambda s: s["doc_id"])
        assert len(samples) == len(mine["samples"]), (name, len(samples), len(mine["samples"]))
        for sample, own in zip(samples, mine["samples"]):
            if name == "common":
                pairs = list(zip(own["log_likelihoods"], (r[0] for r in sample["filtered_resps"]), strict=True))
                assert all(near(a, float(b)) for a, b in pairs), (sample["doc_id"], pairs)
            elif name == "sums":
                assert own["exact_match"] == sample["exact_match"], (sample["doc_id"], own, sample["resps"])
        print(f"{name}: {len(samples)} items, {', '.join(f'{m} {found[m]:.4f}' for m in compared)}: equal")


if __name__ == "__main__":
    main()
