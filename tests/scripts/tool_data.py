#!/usr/bin/env python3
"""tool_data.py FAUNA WORK: a tokenizer learnt from texts, texts prepared as files of tokens, and training on them. A small
model is compiled.
"""
import array
import hashlib
import json
import pathlib
import random
import shutil
import sys

import fauna_tool

work = pathlib.Path(sys.argv[2])
tool = fauna_tool.Tool(sys.argv[1], work)
draw = random.Random(5)
words = ["".join(draw.choices("abcdefgh", k=draw.randint(2, 6))) for _ in range(40)]
text = "".join(" ".join(draw.choices(words, k=draw.randint(3, 9))) + draw.choice([".\n", "\n", "\n\n"]) for _ in range(600))
(work / "text.txt").write_text(text)
documents = [text[i : i + 90] for i in range(0, 9000, 90)]
(work / "lines.jsonl").write_text("".join(json.dumps({"body": d, "n": 1}) + "\n\n" for d in documents))


def tokens(folder, part):
    about = json.loads((work / folder / "dataset.json").read_text())
    ids = array.array("H")
    for f in about[part]["files"]:
        data = (work / folder / f["name"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == f["sha256"] and len(data) == 2 * f["tokens"], f
        ids.frombytes(data)
    assert len(ids) == about[part]["tokens"]
    return ids


def pieces(folder="tokenizer.json"):
    vocab = json.loads((work / folder).read_text())["model"]["vocab"]
    return {i: p.replace("Ġ", " ").replace("Ċ", "\n") for p, i in vocab.items()}


# A tokenizer: those words become tokens; a smaller vocabulary is its beginning.
said = tool.says("tokenizer", "text.txt", "lines.jsonl", "--field", "body", "--vocab", 400, "--special", "<s>", "--special", "<|endoftext|>")
assert "wrote tokenizer.json: 400 tokens" in said, said
learnt = json.loads((work / "tokenizer.json").read_text())["model"]
assert learnt["vocab"]["<s>"] == 0 and learnt["vocab"]["<|endoftext|>"] == 1 and learnt["vocab"]["!"] == 2
assert sum("Ġ" + w in learnt["vocab"] for w in words) > 20
tool.says("tokenizer", "text.txt", "lines.jsonl", "--field", "body", "--vocab", 300, "--special", "<s>", "--special", "<|endoftext|>", "--out", "small.json")
assert json.loads((work / "small.json").read_text())["model"]["merges"] == learnt["merges"][:42]
tool.refused(["--pattern gpt3"], "tokenizer", "text.txt", "--pattern", "gpt3")
tool.refused(["a vocabulary of 200 tokens", "at least 257"], "tokenizer", "text.txt", "--vocab", 200)
tool.refused(['lines.jsonl:1 has no text under "text"'], "tokenizer", "lines.jsonl")
tool.refused(["nowhere.txt"], "tokenizer", "nowhere.txt")
(work / "latin.txt").write_bytes(b"caf\xe9")
tool.refused(["invalid UTF-8"], "tokenizer", "latin.txt")

# Ids and back: what a text's tokens are, one by one, and what ids spell.
ids = tool.says("tokenize", "tokenizer.json", text[:60] + "<s>").strip()
assert "".join(pieces()[int(i)] for i in ids.split(",")) == text[:60] + "<s>" and ids.endswith(",0")
assert tool.says("tokenize", "tokenizer.json", "--decode", ids.replace(",", ", ")) == text[:60] + "<s>\n"
assert not tool.says("tokenize", "tokenizer.json", "<s>", "--special=false").startswith("0")
assert tool.says("tokenize", "tokenizer.json", "<s>", "--pieces") == '0\t"<s>"\n'
tool.refused(["--decode 9,x", "ids from 0 to"], "tokenize", "tokenizer.json", "--decode", "9,x")
tool.refused(["no text"], "tokenize", "tokenizer.json")

# A text: its last part validates, and both parts end with the end.
said = tool.says("prepare", "text.txt", "--tokenizer", "tokenizer.json", "--out-dir", "data", "--val", 0.1, "--shard-tokens", 700)
train, val, of = tokens("data", "train"), tokens("data", "val"), pieces()
assert train[-1] == val[-1] == 1 and len(json.loads((work / "data/dataset.json").read_text())["train"]["files"]) > 2
assert "".join(of[i] for i in train[:-1]) + "".join(of[i] for i in val[:-1]) == text
assert 0.05 < len(val) / len(train) < 0.2
assert (work / "data/tokenizer.json").read_bytes() == (work / "tokenizer.json").read_bytes()
data = work / "data"
shutil.copytree(data, work / "cut")
last = max((work / "cut").glob("train_*.bin"))
last.write_bytes(last.read_bytes()[:-2])
swapped = json.loads((data / "tokenizer.json").read_text())
swapped["added_tokens"][0]["rstrip"] = True
(work / "swapped.json").write_text(json.dumps(swapped))
(work / "cut/eval_set.bin").write_bytes(b"ab")
tool.refused(["data has data already"], "prepare", "text.txt", "--tokenizer", "tokenizer.json", "--out-dir", "data")
# Documents: each ends, each is in one part, and the draw is the seed's.
for name in "one", "two":
    tool.says("prepare", "lines.jsonl", "--tokenizer", "data", "--out-dir", name, "--field", "body", "--val", 0.3, "--end", "<s>")
assert (work / "one/dataset.json").read_bytes() == (work / "two/dataset.json").read_bytes()
parts = ["".join(of[i] for i in tokens("one", p)).split("<s>")[:-1] for p in ("train", "val")]
assert sorted(parts[0] + parts[1]) == sorted(documents) and 10 < len(parts[1]) < 50
tool.refused(["no --tokenizer"], "prepare", "text.txt")
tool.refused(["--end <x>"], "prepare", "text.txt", "--tokenizer", "data", "--out-dir", "no", "--end", "<x>")
tool.refused(["nowhere.txt"], "prepare", "text.txt", "nowhere.txt", "--tokenizer", "data", "--out-dir", "no")
assert not (work / "no").exists()

# Training on it, stopped and resumed, is training on it.
small = ("--n-layer", 1, "--n-head", 2, "--n-embd", 16, "--block-size", 16, "--dropout", 0.1, "--learning-rate", 1e-2, "--batch-size", 4, "--eval-iters", 2)
said = tool.says("train", "--data", "data", "--out-dir", "run", "--max-iters", 20, "--eval-interval", 10, *small)
assert f"{len(train)} + {len(val)} tokens of 400 pieces" in said, said
tool.says("train", "--data", "data", "--out-dir", "parts", "--max-iters", 9, "--eval-interval", 10, *small)
going = ("train", "--out-dir", "parts", "--init-from", "resume", "--max-iters", 20, "--eval-interval", 10, *small[8:])
tool.says(*going, "--data", "data")
assert fauna_tool.read_tensors(work / "run/last.safetensors")[1] == fauna_tool.read_tensors(work / "parts/last.safetensors")[1]
tool.refused(["parts/last.safetensors"], *going, "--data", "one")
tool.refused(["cut has", "as its dataset.json says"], "train", "--data", "cut", "--out-dir", "other", *small, early=False)
tool.refused(["data has tokens of a tokenizer with the hash"], "train", "--data", "data", "--tokenizer", "swapped.json", "--out-dir", "other", *small, early=False)
tool.says("prepare", "text.txt", "--tokenizer", "tokenizer.json", "--out-dir", "cut", "--overwrite")  # and leaves what is not its own
assert (work / "cut/eval_set.bin").exists() and len(list((work / "cut").glob("train_*.bin"))) == 1
# Of files alone, as nanoGPT's scripts write them, someone has to say the tokenizer.
(work / "bare").mkdir()
for part, ids in ("train", train), ("val", val):
    (work / f"bare/{part}.bin").write_bytes(ids.tobytes())
tool.refused(["bare has tokens and no tokenizer.json"], "train", "--data", "bare", "--out-dir", "other", *small)
said = tool.says("train", "--data", "bare", "--tokenizer", "tokenizer.json", "--out-dir", "other", "--max-iters", 20, "--eval-interval", 10, *small)
assert fauna_tool.read_tensors(work / "run/last.safetensors")[1] == fauna_tool.read_tensors(work / "other/last.safetensors")[1]
