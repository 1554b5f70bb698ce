#!/usr/bin/env python3
"""tool_weights.py FAUNA WORK GOLDEN: weights without a config.json: what they are of, their logits by the author's package,
texts in bytes or in the tokens of a vocabulary, and what is said of files that do not fit. One small model is compiled, and
the one of $FAUNA_SHARED_DIR/data/rwkv, where that is.
"""
import array
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys

fauna, work, golden = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
weights = golden / "rwkv7.pth"


def run(*words):
    done = subprocess.run([fauna, *map(str, words)], capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr.decode()


def succeeds(*words):
    status, said, errors = run(*words)
    assert status == 0, f"{words}: {errors}"
    return said


def refused(words, *arguments):
    status, _, errors = run(*arguments)
    assert status != 0 and all(w in errors for w in words), f"{arguments}: {status}, {errors}, not {words}"


def logits(model, tokens, *flags):
    out = work / "logits.npy"
    succeeds("logits", model, "--tokens", ",".join(map(str, tokens)), "--out", out, *flags)
    data = out.read_bytes()
    return array.array("f", data[10 + struct.unpack("<H", data[8:10])[0]:])


shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
expected = (b"fauna::Rwkv7<fauna::Rwkv7Config{.layers = 3, .heads = 2, .width = 32, .hidden = 128, .decay = 8, .learning = 6, "
            b".value = 4, .gate = 10, .vocab = 40}>\n")
assert succeeds("type", weights) == expected

data = (golden / "rwkv7.safetensors").read_bytes()
(length,) = struct.unpack("<Q", data[:8])
head = json.loads(data[8 : 8 + length])
tensors = {n: data[8 + length + t["data_offsets"][0] : 8 + length + t["data_offsets"][1]] for n, t in head.items()}
tokens, want = array.array("i", tensors["tokens"]), array.array("f", tensors["logits"])
got = logits(weights, tokens)
largest, worst = max(map(abs, want)), max(abs(a - b) for a, b in zip(got, want, strict=True))
print(f"largest difference from the author's package: {worst:.2e} of {largest:.2e}")
assert worst <= 1e-4 * largest
assert logits(weights, tokens, "--decode") == got

# A vocabulary: bytes, and words of the ids that the model has left. Too many for it.
world = work / "world.txt"
world.write_bytes(b"".join(b"%d b'\\x%02x' 1\n" % (byte + 1, byte) for byte in range(256)))
refused(["has 40 tokens, and no tokenizer", "--tokenizer FILE"], "generate", weights, "--prompt", "a")
refused(["has 257 tokens", "at most the model's 40"], "generate", weights, "--prompt", "a", "--tokenizer", world)
refused(["there is no", "nowhere.txt"], "generate", weights, "--prompt", "a", "--tokenizer", work / "nowhere.txt")
refused(["no --prompt"], "generate", weights)
refused(["--chat for a file of weights"], "generate", weights, "--chat")
(work / "cut.pth").write_bytes(weights.read_bytes()[:-100])
refused(["cut.pth", "no directory at its end"], "type", work / "cut.pth")
refused(["cut.pth", "no directory at its end"], "logits", work / "cut.pth", "--tokens", "1", "--out", work / "x.npy")

if shared := os.environ.get("FAUNA_SHARED_DIR"):
    model = pathlib.Path(shared) / "data/rwkv/tiny-rwkv-7v0-834K-FP32.bin"
    want = array.array("f", (model.parent / "expected-logits-7v0-834K.bin").read_bytes())
    for flags in ([], ["--decode"]):
        got = logits(model, b'"in', *flags)[-256:]
        assert max(abs(a - b) for a, b in zip(got, want, strict=True)) < 2e-5
    text = succeeds("generate", model, "--prompt", "The ", "--max-new-tokens", 20)
    assert text.startswith(b"The ") and len(text) == 25, text
    assert succeeds("generate", model, "--prompt", "The ", "--max-new-tokens", 20, "--chunk", 1) == text
    refused(["has 257 tokens", "at most the model's 256"], "generate", model, "--prompt", "a", "--tokenizer", world)
else:
    print("FAUNA_SHARED_DIR is not set: no trained weights")
