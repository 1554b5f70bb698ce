#!/usr/bin/env python3
"""tool_weights.py FAUNA WORK GOLDEN: weights without a config.json: what they are of, their logits by the author's package,
texts in bytes or in the tokens of a vocabulary; directories of PyTorch's own files, without a tokenizer; and what is said of
files that do not fit. Two small models are compiled, and the one of $FAUNA_SHARED_DIR/data/rwkv, where that is.
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

# Directories without safetensors: the weights as torch.save writes them, and no tokenizer in them.
mamba = golden / "torch/mamba"
assert succeeds("type", golden / "torch/mamba2").startswith(b"fauna::Mamba2<fauna::Mamba2Config{.layers = 2, .width = 24, .heads = 6, ")
few = [t % 29 for t in tokens[:9]]  # of a vocabulary of 29
assert logits(mamba, few) == logits(golden / "models/mamba", few)
text = work / "text.txt"
text.write_text("abcabcabc")
letters = work / "tokenizer.json"
letters.write_text(json.dumps({
    "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
    "post_processor": None, "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
              "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": {c: i for i, c in enumerate("abc")}, "merges": []}}))
for verb in (["perplexity", mamba, text], ["generate", mamba, "--prompt", "abc", "--max-new-tokens", 0]):
    refused(["torch/mamba has no tokenizer.json", "--tokenizer FILE"], *verb)
    succeeds(*verb, "--tokenizer", letters)
# Longer than a piece: the state that a piece leaves is the next one's.
text.write_text("abcaabbc" * 400)
passes = [succeeds("perplexity", mamba, text, "--tokenizer", letters, *flags).decode().split(": ", 1)[1] for flags in ([], ["--context", 3199], ["--context", 64])]
assert "3199 tokens in one pass" in passes[0] and "3199 tokens in windows of 3199" in passes[1], passes
losses = [float(said.split("loss ")[1].split(",")[0]) for said in passes]
assert abs(losses[0] - losses[1]) < 1.01e-4 < abs(losses[0] - losses[2]), losses
refused(["torch/mamba has no tokenizer.json", "--tokenizer FILE"], "serve", mamba)
refused(["there is no", "nowhere.json"], "serve", mamba, "--tokenizer", work / "nowhere.json")
cut = work / "cut"
shutil.copytree(mamba, cut)
(cut / "pytorch_model-00002-of-00002.bin").unlink()
refused(["pytorch_model-00002-of-00002.bin is missing", "every file that"], "logits", cut, "--tokens", "1", "--out", work / "x.npy")

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
