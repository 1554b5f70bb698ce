#!/usr/bin/env python3
"""tool_logits.py FAUNA WORK MODELS: `fauna logits` on a directory that the reference library saved: its logits, at once,
token by token, and from shards; and what is said of weights and tokens that do not fit. One small model is compiled.
"""
import array
import json
import math
import pathlib
import shutil
import struct
import sys

from fauna_tool import Tool

work, models = pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
tool = Tool(sys.argv[1], work)


def npy(path):
    """Shape and bytes of a .npy file of little-endian f32 in C order, read by the format's own description."""
    data = path.read_bytes()
    assert data[:8] == b"\x93NUMPY\x01\x00", data[:8]
    (length,) = struct.unpack("<H", data[8:10])
    assert (10 + length) % 64 == 0 and data[9 + length : 10 + length] == b"\n", length
    header = eval(data[10 : 10 + length], {})  # a Python literal, by the format
    assert header["descr"] == "<f4" and header["fortran_order"] is False, header
    body = data[10 + length :]
    assert len(body) == 4 * math.prod(header["shape"]), (len(body), header)
    return header["shape"], body


def safetensors(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    head = json.loads(data[8 : 8 + length])
    return {n: (t["shape"], data[8 + length + t["data_offsets"][0] : 8 + length + t["data_offsets"][1]])
            for n, t in head.items() if n != "__metadata__"}


def logits(directory, *flags):
    out = work / "logits.npy"
    out.unlink(missing_ok=True)
    status, said = tool.all_said("logits", directory, "--tokens", tokens, "--out", out, *flags)
    assert status == 0, said
    return npy(out)


def refused(words, *arguments):
    status, said = tool.all_said(*arguments)
    assert status != 0 and all(w in said for w in words), f"{arguments}: {status}, {said}, not {words}"


model = models / "llama_untied"
golden = safetensors(model / "golden.safetensors")
(_, length), ids = golden["tokens"]
(_, _, vocab), reference = golden["logits"]
tokens = ",".join(map(str, array.array("i", ids)[:length]))
want = array.array("f", reference)[: length * vocab]
largest = max(map(abs, want))

shape, once = logits(model)
assert shape == (length, vocab), shape
worst = max(abs(a - b) for a, b in zip(array.array("f", once), want))
print(f"largest difference from the reference: {worst:.2e} of {largest:.2e}")
assert worst <= 1e-4 * largest  # two libraries that add f32 numbers in different orders
# In bf16 every weight and every row that meets it is rounded by up to 2^-9: two layers of random weights bring that to a
# percent or two of the largest logit. Whatever it is, all ways of reading the tokens have it.
half = array.array("f", logits(model, "--dtype", "bf16")[1])
worst = max(abs(a - b) for a, b in zip(half, want))
print(f"with --dtype bf16: {worst:.2e} of {largest:.2e}")
assert 1e-4 * largest < worst <= 0.05 * largest
for dtype, whole in (("f32", once), ("bf16", half.tobytes())):
    for flags in (["--decode"], ["--chunk", 3], ["--threads", 1]):
        assert logits(model, "--dtype", dtype, *flags)[1] == whole, f"{dtype}: {flags} gives other bits"

total = sum(math.prod(shape) for shape, _ in safetensors(model / "model.safetensors").values())
status, said = tool.all_said("explain", model, "--batch-size", 2, "--context", 8)
assert status == 0 and f"{total:,} parameters" in said and "2 x 8 tokens" in said, said

# Shards: the same type, so the program is there already; other weights, other numbers, and its own reference.
sharded = models / "llama_sharded"
golden = safetensors(sharded / "golden.safetensors")
tokens = ",".join(map(str, array.array("i", golden["tokens"][1])[:length]))
want = array.array("f", golden["logits"][1])[: length * vocab]
worst = max(abs(a - b) for a, b in zip(array.array("f", logits(sharded)[1]), want))
assert worst <= 1e-4 * max(map(abs, want)), worst

logits_of = ("--out", work / "none.npy", "--tokens")
mixed = work / "mixed"
mixed.mkdir()
shutil.copy(model / "config.json", mixed)
shutil.copy(models / "gpt2/model.safetensors", mixed)
unexpected = len(safetensors(mixed / "model.safetensors"))
refused(["mixed does not fit the model", "21 missing", "model.embed_tokens.weight", f"{unexpected} unexpected",
         "transformer.h.0.attn.c_attn.weight"],
        "logits", mixed, *logits_of, "1,2")
refused(["--tokens 1,29", "ids from 0 to 28"], "logits", model, *logits_of, "1,29")
refused(["--tokens 1,,2"], "logits", model, *logits_of, "1,,2")
refused(["--tokens 1,-2"], "logits", model, *logits_of, "1,-2")
refused(["33 tokens", "at most the context of 32"], "logits", model, *logits_of, ",".join(["1"] * 33))
refused(["tokenizer.json"], "generate", model, "--prompt", "a")
assert not (work / "none.npy").exists()

# Texts: with 29 letters for a vocabulary, each letter is a token, and the logits say what greedy text and perplexity are.
letters = "abcdefghijklmnopqrstuvwxyzABC"
spoken = work / "spoken"
shutil.copytree(model, spoken)
(spoken / "tokenizer.json").write_text(json.dumps({
    "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
    "post_processor": None, "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
              "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": {c: i for i, c in enumerate(letters)},
              "merges": []}}))


def rows_of(text):
    global tokens
    tokens = ",".join(str(letters.index(c)) for c in text)
    values = array.array("f", logits(spoken)[1])
    return [values[i * 29 : (i + 1) * 29] for i in range(len(text))]


def said_by(*words):
    return tool.says(*words).rstrip("\n")


ends = json.loads((spoken / "config.json").read_text())["eos_token_id"]
text = "zebra"
for _ in range(12):
    best = max(range(29), key=rows_of(text)[-1].__getitem__)
    if best == ends:
        break
    text += letters[best]
assert len(text) > 8, text
generate = ("generate", spoken, "--prompt", "zebra", "--max-new-tokens", 12)
assert said_by(*generate) == text, (said_by(*generate), text)
assert said_by(*generate, "--chunk", 2, "--threads", 1) == text
assert said_by(*generate, "--stop", text[7:9]) == text[: text.index(text[7:9], 5)]
stops = [text[9:11], "=\n[not, this]", text[7:9]]
first = min(text.index(s, 5) for s in stops if s in text[5:])
assert said_by(*generate, *(word for s in stops for word in ("--stop", s))) == text[:first], (text, stops)
refused(["an empty stop text"], *generate, "--stop", "")
refusal = tool.run(*generate, "--at-context-end", "refuse", "--max-new-tokens", 99)
assert refusal[0] != 0 and refusal[1] == b"", refusal  # the prompt comes with the first piece
assert said_by("generate", spoken, "--prompt", "zebra", "--max-new-tokens", 0) == "zebra"
drawn = [said_by(*generate, "--temperature", 1, "--num-samples", 3, "--seed", s) for s in (1, 1, 2)]
assert drawn[0] == drawn[1] != drawn[2] and drawn[0].count("---------------") == 2, drawn

corpus = "thequickbrownfoxjumps"
losses = []
for row, target in zip(rows_of(corpus), corpus[1:]):
    losses.append(math.log(sum(map(math.exp, row))) - row[letters.index(target)])
(work / "corpus.txt").write_text(corpus)
wanted = f"20 tokens in windows of 32: loss {sum(losses) / 20:.4f}, perplexity {math.exp(sum(losses) / 20):.4f}"
assert wanted in said_by("perplexity", spoken, work / "corpus.txt"), (wanted, said_by("perplexity", spoken, work / "corpus.txt"))
# In windows of 7 each sees what came before in its own alone: 7, 7 and 6 tokens.
apart = 0
for at in range(0, 20, 7):
    for row, target in zip(rows_of(corpus[at : at + 7]), corpus[at + 1 :]):
        apart += math.log(sum(map(math.exp, row))) - row[letters.index(target)]
wanted = f"20 tokens in windows of 7: loss {apart / 20:.4f}, perplexity {math.exp(apart / 20):.4f}"
windows = said_by("perplexity", spoken, work / "corpus.txt", "--context", 7)
assert wanted in windows and abs(apart - sum(losses)) > 0.01, (wanted, windows)
refused(["--context 33", "at most 32"], "perplexity", spoken, work / "corpus.txt", "--context", 33)

# What cannot be used is said before anything is compiled.
unusable = work / "unusable"
shutil.copytree(spoken, unusable)
tokenizer = json.loads((spoken / "tokenizer.json").read_text())
tokenizer["model"]["type"] = "Unigram"
(unusable / "tokenizer.json").write_text(json.dumps(tokenizer))
for words in (("generate", unusable, "--prompt", "a"), ("perplexity", unusable, work / "corpus.txt")):
    status, said = tool.all_said(*words)
    assert status != 0 and "Unigram" in said and "program is there" not in said and "compil" not in said, said

# Templates that are absent or broken, said before the program is looked for; then ChatML, in the one file and in the
# other, and a reference's text, ids, logits and greedy tokens beside ours.
for template, words in ((None, ["no chat template", "chat_template.jinja"]),
                        (..., ["no chat template"]), ([], ["chat_template in", "is a list without a template named default", "the one to use into chat_template.jinja"]),
                        ("\n{{ messages", ["chat_template in", "tokenizer_config.json:2:1: a tag without its end, expected }}"])):
    if template is not None:
        fields = {"model_max_length": 32, "chat_template": None if template is ... else template}
        (spoken / "tokenizer_config.json").write_text(json.dumps(fields))
    status, said = tool.all_said(*generate, "--chat")
    assert status != 0 and all(w in said for w in words) and "program is there" not in said, said
chatml = ("{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}"
          "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
chat = json.loads((spoken / "tokenizer.json").read_text())
chat["model"]["vocab"] = {c: i for i, c in enumerate(letters[:27])}
chat["added_tokens"] = [{"id": 27 + i, "content": c, "single_word": False, "lstrip": False, "rstrip": False,
                         "normalized": False, "special": True} for i, c in enumerate(["<|im_start|>", "<|im_end|>"])]
(spoken / "tokenizer.json").write_text(json.dumps(chat))
spelt = "BuserabCBassistant"  # B and C are the two added tokens; no token is there for a line break
rows = rows_of(spelt)
best = sorted(rows[-1])
case = {"prompt": "ab", "text": "<|im_start|>user\nab<|im_end|>\n<|im_start|>assistant\n", "ids": [letters.index(c) for c in spelt],
        "greedy": [rows[-1].index(best[-1])], "gaps": [best[-1] - best[-2]]}
assert case["gaps"][0] > 1e-3, case


def with_template(in_jinja):
    (spoken / "chat_template.jinja").unlink(missing_ok=True)
    (spoken / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ none }}" if in_jinja else chatml}))
    if in_jinja:
        (spoken / "chat_template.jinja").write_text(chatml)


def compared(change, add=0.0):
    values = array.array("f", [x for row in rows for x in row])
    values[40] += add
    head = json.dumps({"logits": {"dtype": "F32", "shape": [len(rows), 29], "data_offsets": [0, 4 * len(values)]}}).encode()
    (work / "golden.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + values.tobytes())
    (work / "golden.json").write_text(json.dumps([case | change]))
    return tool.all_said("compare", spoken, work / "golden.json")


with_template(in_jinja=False)
assert compared({})[0] == 0
with_template(in_jinja=True)
status, said = compared({})
assert status == 0 and "1 of 1 prompts equal the reference's in the chat template, 1 in its ids" in said, said
assert ", rounding" in said and "1 of 1 texts equal the reference's, 0 wrong" in said, said
largest = max(abs(x) for row in rows for x in row)
for change, add, words in (({"text": "<|im_start|>user\nab<|im_end|>\n"}, 0, "0 of 1 prompts equal"),
                           ({"prompt": "ba"}, 0, "0 of 1 prompts equal"),
                           ({"ids": case["ids"][:-1] + [3]}, 0, "0 in its ids"),
                           ({}, 1e-3 * largest, "NOT rounding"),
                           ({"greedy": [(case["greedy"][0] + 1) % 29]}, 0, "1 wrong")):
    status, said = compared(change, add)
    assert status == 1 and words in said, (change, add, status, said)
status, said = compared({"ids": case["ids"][1:]})
assert status == 1 and "golden.safetensors has logits of F32 [18, 29]" in said, said
status, said = compared({"ids": [29]})
assert status == 1 and "golden.json has the id 29" in said, said
