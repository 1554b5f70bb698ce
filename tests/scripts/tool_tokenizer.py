#!/usr/bin/env python3
"""tool_tokenizer.py FAUNA WORK MODELS: training in a tokenizer's pieces, from nothing and from a model directory, with
sequences shorter than the model's context; the run's folder, samples and exports have that tokenizer. MODELS has directories
of every family. Small models are compiled; the first is that of tool_train.sh with 30 characters.
"""
import json
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import tomllib

fauna, work, models = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]).resolve()
small = ("--n-layer", 1, "--n-head", 2, "--n-embd", 16, "--block-size", 16, "--dropout", 0.1, "--learning-rate", 1e-2)
still = ("--learning-rate", 0, "--decay-lr", "false", "--max-iters", 0, "--eval-interval", 0, "--batch-size", 2)


def run(*words):
    done = subprocess.run([fauna, *map(str, words)], capture_output=True, check=False, cwd=work)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def succeeds(*words):
    status, said, errors = run(*words)
    assert status == 0, f"{words}: {errors}"
    return said


def refused(words, *arguments):
    status, _, errors = run(*arguments)
    assert status != 0 and all(w in errors for w in words) and "compil" not in errors, f"{arguments}: {status}, {errors}, not {words}"


def tokenizer(path, pieces):
    """Letters a to h, each alone and with the space before it, and pairs of letters: `pieces` in all."""
    vocab = ["Ċ", "Ġ", *"abcdefgh", *("Ġ" + c for c in "abcdefgh")]
    merges = [f"Ġ {c}" for c in "abcdefgh"]
    for a, b in [(a, b) for a in "abcdefgh" for b in "abcdefgh"][: pieces - len(vocab)]:
        vocab.append(a + b)
        merges.append(f"{a} {b}")
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    path.write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": byte_level,
        "post_processor": None, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "vocab": {p: i for i, p in enumerate(vocab)}, "merges": merges}}))


def tensors(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return {n: (t["dtype"], t["shape"], data[8 + length + t["data_offsets"][0] : 8 + length + t["data_offsets"][1]])
            for n, t in json.loads(data[8 : 8 + length]).items() if n != "__metadata__"}


def from_scratch():
    run_words = ("train", "--data", "text.txt", "--batch-size", 4, "--eval-interval", 0, *small)
    said = succeeds(*run_words, "--tokenizer", "thirty.json", "--max-iters", 20, "--out-dir", "out")
    assert "2700 + 300 tokens of 30 pieces" in said, said  # a piece for every letter and its space: two characters
    assert (work / "out/tokenizer.json").read_bytes() == (work / "thirty.json").read_bytes()
    for text in succeeds("sample", "out", "--start", " a b", "--num-samples", 3, "--max-new-tokens", 30).split("\n---------------\n"):
        assert text.startswith(" a b") and re.fullmatch("[a-h \n]{30,}", text), text
    # Going on needs no word about it, and takes no other.
    (work / "folder").mkdir()
    tokenizer(work / "folder/tokenizer.json", 29)
    going = (*run_words, "--init-from", "resume", "--out-dir", "out", "--max-iters", 24)
    refused(["folder/tokenizer.json has the hash ", "out/last.safetensors was trained with"], *going, "--tokenizer", "folder")
    assert "going on from out/last.safetensors" in succeeds(*going)
    succeeds(*run_words, "--tokenizer", "thirty.json", "--max-iters", 24, "--out-dir", "whole")
    assert tensors(work / "out/last.safetensors") == tensors(work / "whole/last.safetensors")
    # An export has it too, and writes the same.
    greedy = ("--prompt", " a", "--max-new-tokens", 8, "--temperature", 0)
    assert "model.safetensors, tokenizer.json" in succeeds("export", "out", "exported")
    assert (work / "exported/tokenizer.json").read_bytes() == (work / "thirty.json").read_bytes()
    assert succeeds("generate", "exported", *greedy) == succeeds("generate", "out", *greedy)
    # Without it, or with another, there is no text.
    shutil.copy(work / "folder/tokenizer.json", work / "whole")
    for words in (("sample", "whole"), ("export", "whole", "no")):
        refused(["whole/tokenizer.json has the hash ", "whole/last.safetensors was trained with"], *words)
    (work / "whole/tokenizer.json").unlink()
    refused(["there is no whole/tokenizer.json"], "sample", "whole")
    refused(["there is no nowhere"], *run_words, "--tokenizer", "nowhere", "--out-dir", "new")
    # Characters: a run that takes the folder leaves no tokenizer behind, and has none.
    (work / "letters.txt").write_text("".join(chr(c) for c in range(97, 97 + 26)) * 40 + "ABCD")
    characters = ("train", "--data", "letters.txt", "--batch-size", 4, "--eval-interval", 0, "--max-iters", 2, "--out-dir", "out", *small)
    succeeds(*characters, "--overwrite")
    assert not (work / "out/tokenizer.json").exists()
    refused(["--tokenizer thirty.json", "was trained on characters"], *characters, "--init-from", "resume", "--tokenizer", "thirty.json")


def from_directory(family):
    """The weights are the directory's, its tokenizer reads the text, and the length is the run's."""
    name, out = f"dir_{family}", f"from_{family}"
    directory = work / name
    shutil.copytree(models / family, directory)
    words = ("train", "--data", "short.txt", "--init-from", name, "--out-dir", out, *still)
    refused([f"there is no {name}/tokenizer.json"], *words)
    tokenizer(directory / "tokenizer.json", 29)
    refused(["30 tokens, expected at most the model's 29"], *words, "--tokenizer", "thirty.json")
    refused(["--model beside --init-from", f"{name} says which model it holds"], *words, "--model", "gpt2")
    refused(["--block-size 33, expected 1 to 32"], *words, "--block-size", 33)
    refused([name, "structural flags"], *words, "--n-layer", 3)
    said = succeeds(*words, "--block-size", 8)
    assert "180 + 20 tokens of 29 pieces" in said, said
    assert ".context = 32," in succeeds("type", out)
    succeeds("export", out, f"{out}_exported")
    assert tensors(work / f"{out}_exported/model.safetensors") == tensors(models / family / "model.safetensors")
    assert (work / f"{out}_exported/tokenizer.json").read_bytes() == (directory / "tokenizer.json").read_bytes()
    settings = tomllib.loads((work / out / "run.toml").read_text())
    assert (settings["init-from"], settings["block-size"]) == (name, 8), settings
    succeeds("train", "--config", f"{out}/run.toml", "--out-dir", f"{out}_again")
    assert tensors(work / f"{out}_again/last.safetensors") == tensors(work / out / "last.safetensors")
    # Its config alone, untrained, with the same tokenizer: the same type.
    said = succeeds("train", "--data", "short.txt", "--model", name, "--tokenizer", name, "--block-size", 8, "--out-dir", f"{out}_fresh",
                    *still)
    assert "180 + 20 tokens of 29 pieces" in said, said
    assert succeeds("type", f"{out}_fresh") == succeeds("type", out)


shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
draw = random.Random(1)
(work / "text.txt").write_text("".join(" " + draw.choice("abcdefgh") for _ in range(3000)))
(work / "short.txt").write_text("".join(" " + draw.choice("abcdefgh") for _ in range(200)))
tokenizer(work / "thirty.json", 30)
from_scratch()
for family in ("gpt2", "llama_untied", "gpt_neox"):
    from_directory(family)
refused(["--block-size 65, expected 1 to 64"], "train", "--data", "text.txt", "--model", "nanogpt-cpu", "--block-size", 65,
        "--out-dir", "new")
