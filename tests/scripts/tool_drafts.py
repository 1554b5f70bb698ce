#!/usr/bin/env python3
"""tool_drafts.py FAUNA WORK MODELS: `fauna generate` with drafts: the texts of plain decoding, what is said of the drafts, a
second model that is linked and not compiled, and what is refused before anything is written. Three small models are compiled.
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys

fauna, work, models = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
letters = "abcdefghijklmnopqrstuvwxyzABC"


def run(*words):
    done = subprocess.run([fauna, *map(str, words)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def succeeds(*words):
    status, said, errors = run(*words)
    assert status == 0, f"{words}: {errors}"
    return said, errors


def refused(expected, *words, by_program=False):
    status, said, errors = run(*words)
    assert status != 0 and said == "" and all(w in errors for w in expected), f"{words}: {status}, {said}, {errors}"
    assert by_program or ("compil" not in errors and "program is there" not in errors), f"{words}: {errors}"


def spoken(family, name, alphabet=letters):
    """A copy of a model in which each letter is a token."""
    out = work / name
    shutil.copytree(models / family, out)  # or any folder that is named wholly
    (out / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "post_processor": None, "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {c: i for i, c in enumerate(alphabet)}, "merges": []}}))
    return out


shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
llama, mamba = spoken("llama_untied", "llama"), spoken("mamba", "mamba")

# What cannot draft is said before anything is compiled.
swapped = spoken("mamba", "swapped", letters[:3] + "ed" + letters[5:])
shorter = spoken("mamba", "shorter", letters[:-1])
wider = spoken("mamba", "wider")
config = json.loads((wider / "config.json").read_text())
(wider / "config.json").write_text(json.dumps(config | {"vocab_size": 32}))
generate = ("generate", llama, "--prompt", "zebra", "--max-new-tokens", 24)
refused(["swapped has 'e' for the token 3", "expected 'd', as"], *generate, "--draft", swapped)
refused(["shorter has a vocabulary of 28", "expected 29"], *generate, "--draft", shorter)
refused(["wider has a token table of 32 rows", "expected 29"], *generate, "--draft", wider)
for nothing in ("nothing", "ngram+nothing"):
    refused(["there is no nothing", "--draft ngram, auto, ngram-tree, pool:FILE, medusa:FILE, eagle:FILE, mtp, exit:LAYERS, lookahead:N,W,G, a model directory, or a checkpoint"], *generate, "--draft", nothing)
refused(["tokenizer.json"], *generate, "--draft", models / "mamba")
refused(["--draft-max 32", "at most 31", "a context of 32"], *generate, "--draft", "ngram", "--draft-max", 32)
refused(["--draft-max 9", "at most 8"], *generate, "--draft", "ngram", "--draft-max", 9, "--context", 9)
refused(["--draft-max 0"], *generate, "--draft", "ngram", "--draft-max", 0)
for flag in (["--draft-max", 3], ["--draft-stats"], ["--acceptance", "match"], ["--adaptive", "true"], ["--draft-nodes", 3],
             ["--draft-tree", "0.5"], ["--rewind", "copy"]):
    refused([f"{flag[0]} without --draft"], *generate, *flag)

refused(["--acceptance best", "one of match, greedy, rejection"], *generate, "--draft", "ngram", "--acceptance", "best")
refused(["a rewind by rows", "auto, copy, all_states, factors or replay"], *generate, "--draft", "ngram", "--rewind", "rows")
refused(["greedy acceptance at temperature 0.5"], *generate, "--draft", "ngram", "--acceptance", "greedy", "--temperature", 0.5)
refused(["--draft auto with drafts of a fixed length", "--adaptive"], *generate, "--draft", "auto", "--acceptance", "rejection")
refused(["--draft auto with drafts of a fixed length"], *generate, "--draft", "auto", "--adaptive", "false")
(work / "short").write_bytes(b"n-grams1")
refused(["short is no pool of n-grams"], *generate, "--draft", f"pool:{work / 'short'}")
for numbers in ("0,1,2", "1,2,2", "3,0,2", "3,2,0", "5,8,8", "9999,9999,9999"):
    refused(["[lookahead] n-grams of", "(W + G) (N - 1) of at most 63"], *generate, "--draft", f"lookahead:{numbers}")
for numbers in ("", "5", "5,7", "5,7,7,7", "5,7,x", "5;7;7", "10000,1,1", "5,7,7 "):
    refused([f"--draft lookahead:{numbers}", "lookahead:N,W,G"], *generate, "--draft", f"lookahead:{numbers}")
for layers in (0, -1, 2, 99):
    refused([f"an exit after {layers} layers, expected 1 to 1, as the model has 2"], *generate, "--draft", f"exit:{layers}")
for layers in ("", "x", "1,2", "1 ", "1.5"):
    refused([f"--draft exit:{layers}", "exit:LAYERS"], *generate, "--draft", f"exit:{layers}")
for tree in ("x", "0.5,", "1.5", "0.5;0.2", "-0.1", ",".join(["0.1"] * 17)):
    refused([f"--draft-tree {tree}", "P1,P2,..."], *generate, "--draft", mamba, "--draft-tree", tree)
for draft in ("ngram", f"ngram+{mamba}", "exit:1", "ngram-tree", "lookahead:5,7,7"):
    refused([f"--draft-tree for --draft {draft}", "medusa:FILE, or a smaller model"], *generate, "--draft", draft, "--draft-tree", "0.5")
refused(["--draft mtp for", "no layers that predict further tokens", "num_nextn_predict_layers"], *generate, "--draft", "mtp")

# The texts, by every drafter, greedy and drawn, whole and stopped.
for model, other in ((llama, mamba), (mamba, llama)):
    plain = ("generate", model, "--prompt", "zebra", "--max-new-tokens", 24)
    whole = succeeds(*plain)[0]
    if model is mamba:  # both engines are there: a pair is a link
        assert "compiling" not in succeeds(*plain, "--draft", other)[1]
    for how in ([], ["--temperature", 1, "--num-samples", 3, "--seed", 4], ["--repetition-penalty", 1.4, "--chunk", 2],
                ["--stop", whole[9:11]], ["--max-new-tokens", 99]):
        want = succeeds(*plain, *how)[0]
        for draft in ("ngram", other, model, "auto", f"pool:{work / model.name}.pool", f"ngram+{other}"):
            for most, adaptive in ((1, "true"), (4, "false"), (7, "true")):
                if draft != "auto" or adaptive == "true":
                    got = succeeds(*plain, *how, "--draft", draft, "--draft-max", most, "--adaptive", adaptive)[0]
                    assert got == want, f"{model}, {how}, {draft}, {most}:\n{got}\n{want}"

# Several texts at once, in two parts, and one after another.
for model, other in ((llama, mamba), (mamba, llama)):
    several = ("generate", model, "--prompt", "zebra", "--max-new-tokens", 24, "--temperature", 1, "--num-samples", 10, "--stop", "e")
    want = succeeds(*several)[0]
    assert len({len(t) for t in want.split("\n---------------\n")}) > 2, want
    for draft in ("ngram", other, f"ngram+{other}", "auto", "ngram-tree", "lookahead:4,3,3"):
        for how in ([], ["--adaptive", "false"], ["--draft-max", 2, "--chunk", 2, "--draft-stats"]):
            if draft == "auto" and "--adaptive" in how:
                continue
            got, errors = succeeds(*several, "--draft", draft, *how)
            assert got == want, f"{model}, {how}, {draft}:\n{got}\n{want}"
            assert ("the same text" in errors) == ("--draft-stats" in how), errors
    for rewind in ("copy", "all_states", "factors", "replay"):
        assert succeeds(*several, "--draft", other, "--rewind", rewind)[0] == want, rewind
        assert succeeds(*several, "--draft", "ngram-tree", "--rewind", rewind)[0] == want, rewind
    got, errors = succeeds(*several, "--draft", other, "--draft-tree", "0.5,0.3", "--draft-stats")
    assert got == want and "the same text" in errors and "candidates: --draft-tree" in errors, errors

# A form that the text is held to, drafts or not.
(work / "schema.json").write_text('{"enum": [true, false, null]}')
refused(["--regex and --json-schema", "one of the two"], *generate, "--regex", "a", "--json-schema", work / "schema.json")
refused(["expected ')'"], *generate, "--regex", "(a")
refused(["the empty text alone"], *generate, "--regex", "()")
refused(["cannot open nowhere"], *generate, "--json-schema", "nowhere")
refused(["held to a form"], *generate, "--regex", "a+", "--draft", "medusa:heads")
refused(["--draft-tree for a text that is held to a form"], *generate, "--regex", "a+", "--draft", mamba, "--draft-tree", "0.5")
seen = set()
for form, fits in ((("--regex", "[a-f]{3,5}(xyz)+"), "[a-f]{3,5}(xyz)+"), (("--json-schema", work / "schema.json"), "true|false|null"),
                   (("--regex", "(ab|cd|efg){2,}z"), "(ab|cd|efg){2,}z")):
    for how in ([], ["--temperature", 1, "--num-samples", 4, "--seed", 4], ["--temperature", 2, "--num-samples", 4, "--repetition-penalty", 1.3]):
        want = succeeds("generate", llama, "--prompt", "zebra", "--max-new-tokens", 25, *form, *how)[0]
        for text in want.removesuffix("\n").split("\n---------------\n"):
            said = text.removeprefix("zebra")
            assert re.fullmatch(fits, said) or (len(said) >= 24 and said != ""), (form, text)
            seen.add(said)
        for draft in ("ngram", "ngram-tree", llama, mamba):
            got = succeeds("generate", llama, "--prompt", "zebra", "--max-new-tokens", 25, *form, *how, "--draft", draft)[0]
            assert got == want, f"{form}, {how}, {draft}:\n{got}\n{want}"
assert len(seen) > 10, seen

# What is said of them: the model's own drafts are all accepted, 4 and a token of its own a step.
fixed = ("--adaptive", "false", "--draft-stats")
said, errors = succeeds(*generate, "--draft", llama, *fixed, "--max-new-tokens", 20)
assert "20 tokens in 4 steps: 5.00 a step; 16 tokens were drafted" in errors, errors
assert errors.count("100 % of 4") == 4 and "the same text" in errors, errors
# Which lengths are tried is the clock's say; that a row and a drafted token were measured is not.
assert re.search(r"one row takes [0-9.]+ ms; over( [2-5] rows [0-9.]+ times that,)* a drafted token [0-9.]+ times", succeeds(
    *generate, "--draft", llama, "--draft-stats", "--max-new-tokens", 20)[1])
assert re.search(r"[0-9.]+ ms a token, [0-9.]+ times as fast as plain decoding \([0-9.]+ ms\)", errors), errors
assert said == succeeds(*generate, "--max-new-tokens", 20)[0]
errors = succeeds(*generate, "--draft", "ngram", "--draft-max", 2, *fixed, "--num-samples", 2)[1]
assert "48 tokens in" in errors and errors.count("% of") == 2 and "the same text" in errors, errors

# A pool remembers what it has seen: the second time it drafts the whole text, which no n-gram of the text itself does.
pool = ("--draft", f"pool:{work / 'pool'}", *fixed)
first, second = (succeeds(*generate, *pool)[1] for _ in range(2))
steps = [int(re.search(r"tokens in ([0-9]+) steps", e)[1]) for e in (first, second)]
assert steps[1] < steps[0] and "the same text" in second, (first, second)
refused(["pool is of another vocabulary"], "generate", swapped, "--prompt", "zebra", *pool)

# A tree of a model's drafts, of the best shape for how often candidates are right, which is measured.
tree = ("--draft-tree", "0.5,0.3,0.2", "--draft-stats")
for draft in (mamba, llama):
    for how in ([], ["--temperature", 1], ["--stop", "q"], ["--temperature", 1, "--acceptance", "rejection"]):
        said, errors = succeeds(*generate, "--draft", draft, *tree, *how)
        law = "--acceptance" in how
        assert law or said == succeeds(*generate, *how)[0], (draft, how)
        assert ("a text by the same law" if law else "the same text") in errors, errors
        ranks = re.search(r"candidates: --draft-tree ([0-9.,]+)\n", errors)[1].split(",")
        assert len(ranks) == 3 and all(0 <= float(p) <= 1 for p in ranks), errors
        assert draft is mamba or law or ranks[0] == "1.000", errors  # the model's own drafts
errors = succeeds(*generate, "--draft", llama, "--draft-tree", "1,0,0", "--draft-stats", "--max-new-tokens", 20)[1]
assert "20 tokens in 4 steps: 5.00 a step; 16 tokens were drafted" in errors, errors  # a chain, then

# Heads: trained on what the model writes, they are right at times; the text is its own in any case.
writes = "".join(succeeds("generate", llama, "--prompt", c, "--max-new-tokens", 30)[0] for c in letters)
(work / "own.txt").write_text(writes.replace("\n", "") * 3)
heads = work / "heads.safetensors"
refused(["no --data"], "draft-train", llama)
said = succeeds("draft-train", llama, "--data", work / "own.txt", "--out", heads, "--heads", 2, "--steps", 600, "--lr", 1e-2, "--batch-size", 16,
                "--block-size", 16)[0]
losses = [[float(x) for x in line.split(": losses ")[1].split()] for line in said.splitlines() if "losses" in line]
assert all(a < b - 0.3 for a, b in zip(losses[-1], losses[0])), said
metrics = [json.loads(line) for line in (work / f"{heads.name}.metrics.jsonl").read_text().splitlines()]
assert [f"{x:.6f}" for x in metrics[-1]["heads"]] == [f"{x:.6f}" for x in losses[-1]], metrics[-1]
# Of 29 pieces, heads that have learnt nothing guess one in thirty.
assert len(metrics[-1]["acceptance"]) == 4 and metrics[-1]["acceptance"][0] > 0.15 and metrics[-1]["tokens_per_step"] > 1, metrics
refused(["--own-heads with --kind eagle", "--kind medusa"], "draft-train", llama, "--kind", "eagle", "--data", work / "own.txt", "--own-heads")
refused(["--hidden with --kind medusa2", "--kind medusa"], "draft-train", llama, "--kind", "medusa2", "--data", work / "own.txt", "--hidden", "x")
rows = ("draft-train", llama, "--data", work / "own.txt", "--out", work / "rows.safetensors", "--hidden", work / "rows", "--steps", 60, "--block-size", 16)
said = [succeeds(*rows)[0] for _ in range(2)]
read = [int(re.search(r"(\d+) windows were read by the model", text)[1]) for text in said]
assert read[0] > 20 and read[1] == 0, said
assert [line for line in said[0].splitlines() if "losses" in line] == [line for line in said[1].splitlines() if "losses" in line], said
refused(["is of 16 tokens a window, expected 8"], *rows, "--block-size", 8, by_program=True)
own = work / "own.safetensors"
succeeds("draft-train", llama, "--data", work / "own.txt", "--out", own, "--own-heads", "--heads", 2, "--steps", 200, "--lr", 1e-2, "--block-size", 16)
assert b'"1.1.weight"' in own.read_bytes() and b'"1.1.weight"' not in heads.read_bytes()
said, errors = succeeds(*generate, "--draft", f"medusa:{own}", "--draft-stats")
assert said == succeeds(*generate)[0] and "the same text" in errors and " 0 tokens were drafted" not in errors, errors
said, errors = succeeds(*generate, "--draft", f"medusa:{heads}", "--draft-tree", "0.3,0.3,0.3,0.3", "--draft-stats")
assert said == succeeds(*generate)[0] and "the same text" in errors, errors
assert len(re.search(r"candidates: --draft-tree ([0-9.,]+)\n", errors)[1].split(",")) == 4, errors
for draft in (f"medusa:{heads}", "ngram-tree", "lookahead:5,7,7", "lookahead:2,1,1"):
    for how in ([], ["--temperature", 1, "--draft-nodes", 5], ["--stop", "q"], ["--temperature", 1, "--num-samples", 3]):
        said, errors = succeeds(*generate, "--draft", draft, "--draft-stats", *how)
        assert said == succeeds(*generate, *[h for h in how if h not in ("--draft-nodes", 5)])[0], (draft, how)
        assert "the same text" in errors, errors
        assert ("--draft-tree" in errors) == ("medusa" in draft), errors  # others refuse it
assert float(re.search(r"([0-9.]+) a step", succeeds(*generate, "--draft", "lookahead:4,4,4", "--draft-stats")[1])[1]) > 1
cut = work / "cut.safetensors"
cut.write_bytes(heads.read_bytes()[:-4])
refused(["cut.safetensors"], *generate, "--draft", f"medusa:{cut}")

# Heads and model together: a model of its own, of which its heads know more.
joint = work / "joint"
train = ("draft-train", llama, "--kind", "medusa2", "--data", work / "own.txt")
for flag in ("--heads-first", "--model-lr", "--heads-weight"):
    refused([f"{flag} with --kind medusa", "--kind medusa2"], "draft-train", llama, "--data", work / "own.txt", flag, 1)
refused(["--heads-first 300", "0 to 200"], *train, "--heads-first", 300)
refused(["--model-lr -1", "0 or more"], *train, "--model-lr=-1")
refused(["the model itself"], *train, "--out", llama)
succeeds(*train, "--out", joint, "--heads", 2, "--steps", 300, "--lr", 1e-2, "--batch-size", 8, "--block-size", 16)
metrics = [json.loads(line) for line in (joint / "metrics.jsonl").read_text().splitlines()]
assert metrics[-1]["next"] < metrics[0]["next"] and all(b < a - 0.5 for a, b in zip(metrics[0]["heads"], metrics[-1]["heads"])), metrics
assert len(metrics[-1]["acceptance"]) == 4 and metrics[-1]["acceptance"][0] > 0.3 and metrics[-1]["tokens_per_step"] > 1, metrics
own_heads = joint / "medusa.safetensors"
for how in ([], ["--temperature", 1]):
    plain = ("generate", joint, "--prompt", "zebra", "--max-new-tokens", 24, *how)
    said, errors = succeeds(*plain, "--draft", f"medusa:{own_heads}", "--draft-stats")
    assert said == succeeds(*plain)[0] and "the same text" in errors and " 0 tokens were drafted" not in errors, errors

# A smaller model learns the laws of the model: more of what it drafts stays.
train = ("draft-train", llama, "--kind", "model", "--data", work / "own.txt")
refused(["--kind model without --model"], *train)
refused(["--model with --kind medusa", "--kind model"], "draft-train", llama, "--data", work / "own.txt", "--model", mamba)
refused(["--heads with --kind model"], *train, "--model", mamba, "--heads", 2)
refused(["--tv-weight 2", "0 to 1"], *train, "--model", mamba, "--tv-weight", 2)
refused(["--model nothing", "a preset, or a model directory"], *train, "--model", "nothing")
refused(["swapped has 'e' for the token 3"], *train, "--model", swapped)
refused(["a token table of 32 rows"], *train, "--model", wider)
refused(["a model of the same type"], *train, "--model", llama, "--out", work / "same")
refused(["the model itself"], *train, "--model", mamba, "--out", llama)
learnt = work / "learnt"
succeeds(*train, "--model", mamba, "--out", learnt, "--steps", 300, "--lr", 1e-2, "--batch-size", 8, "--block-size", 16)
metrics = [json.loads(line) for line in (learnt / "metrics.jsonl").read_text().splitlines()]
assert metrics[-1]["tv"] < metrics[0]["tv"] - 0.05 and metrics[-1]["kl"] < metrics[0]["kl"], metrics
assert len(metrics[-1]["acceptance"]) == 4 and metrics[-1]["tokens_per_step"] > 1, metrics
for how in ([], ["--temperature", 1]):
    steps = {mamba: 0, learnt: 0}
    for draft in steps:
        for prompt in ("zebra", "abc", "klm", "qrs"):  # of one text alone it is chance
            text = ("generate", llama, "--prompt", prompt, "--max-new-tokens", 24, *how)
            said, errors = succeeds(*text, "--draft", draft, *fixed)
            assert said == succeeds(*text)[0] and "the same text" in errors, (draft, how)
            assert "compiling" not in errors, errors
            steps[draft] += int(re.search(r"tokens in ([0-9]+) steps", errors)[1])
    assert steps[learnt] < steps[mamba], (how, steps)
refused(["config.json is another's"], *train, "--model", "mamba-130m", "--out", learnt)

# Drafts of the model's own: its first layers, where they can be left, and the layers that predict further tokens.
for how in ([], ["--temperature", 1], ["--stop", "q"], ["--repetition-penalty", 1.4, "--chunk", 2], ["--temperature", 1, "--num-samples", 3]):
    for most in (1, 4, 7):
        said, errors = succeeds(*generate, "--draft", "exit:1", "--draft-max", most, *fixed, *how)
        assert said == succeeds(*generate, *how)[0] and "the same text" in errors, (said, errors)
# Trained for it, they say more of what the model says in the end.
run_folder = work / "run"
succeeds("train", "--init-from", llama, "--data", work / "own.txt", "--out-dir", run_folder, "--max-iters", 300, "--batch-size", 8, "--block-size", 16,
         "--exit-loss", 1, "--layer-dropout", 0.1, "--eval-interval", 0, "--learning-rate", 3e-3)
steps = [int(re.search(r"tokens in ([0-9]+) steps", succeeds("generate", model, "--prompt", "zebra", "--max-new-tokens", 24, "--draft", "exit:1", *fixed)[1])[1])
         for model in (llama, run_folder)]
assert steps[1] < steps[0], steps
refused(["a model with a state of one size"], "generate", mamba, "--prompt", "zebra", "--draft", "exit:1", by_program=True)
deepseek = spoken("../deepseek_v3_further", "deepseek")
plain = ("generate", deepseek, "--prompt", "zebra", "--max-new-tokens", 20)
for how in ([], ["--temperature", 1, "--num-samples", 2], ["--stop", "q"], ["--repetition-penalty", 1.4, "--chunk", 2]):
    want = succeeds(*plain, *how)[0]
    for most in (1, 2, 5):
        said, errors = succeeds(*plain, "--draft", "mtp", "--draft-max", most, *fixed, *how)
        assert said == want and "the same text" in errors and "; 0 tokens were drafted" not in errors, (said, errors)
refused(["layers of kinds that stand in stacks of their own"], *plain, "--draft", "exit:1", by_program=True)

# An EAGLE layer in a folder, alike.
layer = work / "layer"
train = ("draft-train", llama, "--kind", "eagle", "--data", work / "own.txt")
refused(["--heads with --kind eagle"], *train, "--heads", 2)
refused(["model_type", "expected llama"], "draft-train", mamba, *train[2:])
refused(["--kind hydra"], "draft-train", llama, "--kind", "hydra", "--data", work / "own.txt")
said = succeeds(*train, "--out", layer, "--steps", 400, "--lr", 1e-2, "--batch-size", 8, "--block-size", 16)[0]
metrics = [json.loads(line) for line in (layer / "metrics.jsonl").read_text().splitlines()]
assert metrics[-1]["tokens"] < metrics[0]["tokens"] - 0.2 and metrics[-1]["features"] < metrics[0]["features"], metrics
assert len(metrics[-1]["acceptance"]) == 4 and metrics[-1]["tokens_per_step"] > 1, metrics
for draft in (layer, layer / "model.safetensors"):
    for how in ([], ["--temperature", 1, "--draft-max", 3], ["--stop", "q"], ["--repetition-penalty", 1.4, "--chunk", 2],
                ["--temperature", 1, "--num-samples", 2]):
        said, errors = succeeds(*generate, "--draft", f"eagle:{draft}", "--draft-stats", *how)
        assert said == succeeds(*generate, *[h for h in how if h not in ("--draft-max", 3)])[0], (draft, how)
        assert "the same text" in errors and " 0 tokens were drafted" not in errors, errors


def other(name, fields, weights=layer):
    """A drafter with other fields in its config, or with other weights."""
    out = work / name
    out.mkdir()
    (out / "config.json").write_text(json.dumps(json.loads((layer / "config.json").read_text()) | fields))
    shutil.copy(weights / "model.safetensors", out)
    return out


published = models.parent / "eagle"
width = json.loads((llama / "config.json").read_text())["hidden_size"]
refused(["hidden_size = 20", f"expected {width}, the model's"], *generate, "--draft", f"eagle:{other('width', {'hidden_size': 20, 'head_dim': 4})}")
refused(["vocab_size = 30", "expected 29, the model's"], *generate, "--draft", f"eagle:{other('words', {'vocab_size': 30})}")
refused(["num_hidden_layers = 2", "1: drafters have one layer"], *generate, "--draft", f"eagle:{other('layers', {'num_hidden_layers': 2})}")
refused(["norm_after"], *generate, "--draft", f"eagle:{other('field', {'norm_after': True})}")
refused(["has no fc.weight"], *generate, "--draft", f"eagle:{other('weights', {}, llama)}")
refused([f"fc.weight F32 [{width}, {2 * width}], expected F32 [{width}, {3 * width}]"], *generate, "--draft", f"eagle:{other('third', {'draft_vocab_size': 20})}")
refused(["there is no nothing"], *generate, "--draft", "eagle:nothing")
refused(["has no config.json beside it"], *generate, "--draft", f"eagle:{heads}")
cut = other("cut", {}) / "model.safetensors"
cut.write_bytes(cut.read_bytes()[:-4])
refused(["cut/model.safetensors"], *generate, "--draft", f"eagle:{cut.parent}")

# EAGLE-3, as published, for a model of eight layers.
deep = spoken(published / "target", "deep", letters + "DEF")
generate_deep = ("generate", deep, "--prompt", "zebra", "--max-new-tokens", 24)
refused([f"expected {width}, the model's"], *generate, "--draft", f"eagle:{published / 'eagle3'}")
for how in ([], ["--temperature", 1], ["--temperature", 1, "--num-samples", 3]):
    said, errors = succeeds(*generate_deep, "--draft", f"eagle:{published / 'eagle3'}", "--draft-stats", *how)
    assert said == succeeds(*generate_deep, *how)[0], how
    assert "the same text" in errors and " 0 tokens were drafted" not in errors, errors

# Rules: the ids follow from the seed, and from what is kept of plain decoding.
drawn = ("--temperature", 1, "--draft", mamba)
for rule in ("match", "rejection", "point-mass", "without-replacement", "typical"):
    said, errors = succeeds(*generate, *drawn, "--acceptance", rule, "--draft-stats")
    assert said == succeeds(*generate, *drawn, "--acceptance", rule)[0], rule
    assert ("lossy" in errors) == (rule == "typical"), errors
    kept = {"match": "the same text", "typical": "a text by another law"}.get(rule, "a text by the same law")
    assert kept in errors, errors
    if rule in ("match", "typical"):  # others keep the law alone; greedily that is one text
        continue
    assert succeeds(*generate, "--draft", mamba, "--acceptance", rule)[0] == succeeds(*generate)[0], rule
assert "not from --seed" in succeeds(*generate, *drawn, "--acceptance", "rejection", "--adaptive", "true")[1]
print("plain decoding's texts from every draft")
