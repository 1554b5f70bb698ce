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
import sys
import tomllib

import fauna_tool

work, models = pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]).resolve()
tool = fauna_tool.Tool(sys.argv[1], work)
small = ("--n-layer", 1, "--n-head", 2, "--n-embd", 16, "--block-size", 16, "--dropout", 0.1, "--learning-rate", 1e-2)
still = ("--learning-rate", 0, "--decay-lr", "false", "--max-iters", 0, "--eval-interval", 0, "--batch-size", 2)


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


def from_scratch():
    run_words = ("train", "--data", "text.txt", "--batch-size", 4, "--eval-interval", 0, *small)
    said = tool.says(*run_words, "--tokenizer", "thirty.json", "--max-iters", 20, "--out-dir", "out")
    assert "2700 + 300 tokens of 30 pieces" in said, said  # a piece for every letter and its space: two characters
    assert (work / "out/tokenizer.json").read_bytes() == (work / "thirty.json").read_bytes()
    for text in tool.says("sample", "out", "--start", " a b", "--num-samples", 3, "--max-new-tokens", 30).split("\n---------------\n"):
        assert text.startswith(" a b") and re.fullmatch("[a-h \n]{30,}", text), text
    # Going on needs no word about it, and takes no other.
    (work / "folder").mkdir()
    tokenizer(work / "folder/tokenizer.json", 29)
    going = (*run_words, "--init-from", "resume", "--out-dir", "out", "--max-iters", 24)
    tool.refused(["folder/tokenizer.json has the hash ", "out/last.safetensors was trained with"], *going, "--tokenizer", "folder")
    assert "going on from out/last.safetensors" in tool.says(*going)
    tool.says(*run_words, "--tokenizer", "thirty.json", "--max-iters", 24, "--out-dir", "whole")
    assert fauna_tool.read_tensors(work / "out/last.safetensors")[1] == fauna_tool.read_tensors(work / "whole/last.safetensors")[1]
    # An export has it too, and writes the same.
    greedy = ("--prompt", " a", "--max-new-tokens", 8, "--temperature", 0)
    assert "model.safetensors, tokenizer.json" in tool.says("export", "out", "exported")
    assert (work / "exported/tokenizer.json").read_bytes() == (work / "thirty.json").read_bytes()
    assert tool.says("generate", "exported", *greedy) == tool.says("generate", "out", *greedy)
    # Without it, or with another, there is no text.
    shutil.copy(work / "folder/tokenizer.json", work / "whole")
    for words in (("sample", "whole"), ("export", "whole", "no")):
        tool.refused(["whole/tokenizer.json has the hash ", "whole/last.safetensors was trained with"], *words)
    (work / "whole/tokenizer.json").unlink()
    tool.refused(["there is no whole/tokenizer.json"], "sample", "whole")
    tool.refused(["there is no nowhere"], *run_words, "--tokenizer", "nowhere", "--out-dir", "new")
    # Characters: a run that takes the folder leaves no tokenizer behind, and has none.
    (work / "letters.txt").write_text("".join(chr(c) for c in range(97, 97 + 26)) * 40 + "ABCD")
    characters = ("train", "--data", "letters.txt", "--batch-size", 4, "--eval-interval", 0, "--max-iters", 2, "--out-dir", "out", *small)
    tool.says(*characters, "--overwrite")
    assert not (work / "out/tokenizer.json").exists()
    tool.refused(["--tokenizer thirty.json", "was trained on characters"], *characters, "--init-from", "resume", "--tokenizer", "thirty.json")


def from_directory(family):
    """The weights are the directory's, its tokenizer reads the text, and the length is the run's."""
    name, out = f"dir_{family}", f"from_{family}"
    directory = work / name
    shutil.copytree(models / family, directory)
    words = ("train", "--data", "short.txt", "--init-from", name, "--out-dir", out, *still)
    tool.refused([f"there is no {name}/tokenizer.json"], *words)
    tokenizer(directory / "tokenizer.json", 29)
    tool.refused(["30 tokens, expected at most the model's 29"], *words, "--tokenizer", "thirty.json")
    tool.refused(["--model beside --init-from", f"{name} says which model it holds"], *words, "--model", "gpt2")
    tool.refused(["--block-size 33, expected 1 to 32"], *words, "--block-size", 33)
    tool.refused([name, "structural flags"], *words, "--n-layer", 3)
    said = tool.says(*words, "--block-size", 8)
    assert "180 + 20 tokens of 29 pieces" in said, said
    assert ".context = 32," in tool.says("type", out)
    tool.says("export", out, f"{out}_exported")
    assert fauna_tool.read_tensors(work / f"{out}_exported/model.safetensors")[1] == fauna_tool.read_tensors(models / family / "model.safetensors")[1]
    assert (work / f"{out}_exported/tokenizer.json").read_bytes() == (directory / "tokenizer.json").read_bytes()
    settings = tomllib.loads((work / out / "run.toml").read_text())
    assert (settings["init-from"], settings["block-size"]) == (name, 8), settings
    tool.says("train", "--config", f"{out}/run.toml", "--out-dir", f"{out}_again")
    assert fauna_tool.read_tensors(work / f"{out}_again/last.safetensors")[1] == fauna_tool.read_tensors(work / out / "last.safetensors")[1]
    # Its config alone, untrained, with the same tokenizer: the same type.
    said = tool.says("train", "--data", "short.txt", "--model", name, "--tokenizer", name, "--block-size", 8, "--out-dir", f"{out}_fresh",
                    *still)
    assert "180 + 20 tokens of 29 pieces" in said, said
    assert tool.says("type", f"{out}_fresh") == tool.says("type", out)


draw = random.Random(1)
(work / "text.txt").write_text("".join(" " + draw.choice("abcdefgh") for _ in range(3000)))
(work / "short.txt").write_text("".join(" " + draw.choice("abcdefgh") for _ in range(200)))
tokenizer(work / "thirty.json", 30)
from_scratch()
for family in ("gpt2", "llama_untied", "gpt_neox"):
    from_directory(family)
tool.refused(["--block-size 65, expected 1 to 64"], "train", "--data", "text.txt", "--model", "nanogpt-cpu", "--block-size", 65,
        "--out-dir", "new")
