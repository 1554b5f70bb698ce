#!/usr/bin/env python3
"""tool_cases.py FAUNA WORK MODELS: model directories as other tools leave them: a head beside the table that it is tied to,
under the one name or the other; an index that names what is gone; texts with a NUL, empty texts, and an output that takes
no more. Then the cases of $FAUNA_SHARED_DIR/cases, where there are any. Small models are compiled.
"""
import array
import json
import math
import os
import pathlib
import random
import re
import shutil
import struct
import sys

import fauna_tool
from fauna_tool import write_tensors

work, models = pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
tool = fauna_tool.Tool(sys.argv[1], work)


def read(path):
    return fauna_tool.read_tensors(path)[1]


def logits(model, tokens="3,1,4,1,5"):
    """The bytes of a .npy file, and what was said beside it."""
    said = tool.succeeds("logits", model, "--tokens", tokens, "--out", "logits.npy")[1]
    return (work / "logits.npy").read_bytes(), said


def variant(family, name, change, **fields):
    """A copy of a model whose tensors went through `change`, with other fields in its config.json."""
    out = work / f"{family}_{name}"
    shutil.copytree(models / family, out)
    write_tensors(out / "model.safetensors", change(read(out / "model.safetensors")))
    config = json.loads((out / "config.json").read_text()) | fields
    (out / "config.json").write_text(json.dumps(config))
    return out


def heads():
    """Each family, its head beside the table that config.json ties it to."""
    names = {"llama_untied": ("model.embed_tokens.weight", "lm_head.weight"), "gpt2": ("transformer.wte.weight", "lm_head.weight"),
             "gpt_neox": ("gpt_neox.embed_in.weight", "embed_out.weight")}
    for family, (table, head) in names.items():
        def equal(t, table=table, head=head):
            return t | {head: t[table]}

        def only(t, table=table, head=head):
            return {n: v for n, v in t.items() if n != table} | {head: t[table]}

        def wider(t, table=table, head=head):
            dtype, shape, values = t[table]
            return t | {head: (dtype, [shape[0] - 1, shape[1]], values[: -4 * shape[1]])}

        def different(t, table=table, head=head):
            dtype, shape, values = t[table]
            return t | {head: (dtype, shape, values[4:] + values[:4])}

        plain = variant(family, "plain", lambda t, head=head: {n: v for n, v in t.items() if n != head}, tie_word_embeddings=True)
        tied_type = tool.succeeds("type", plain)[0]
        for name, change in (("equal", equal), ("only", only)):
            model = variant(family, name, change, tie_word_embeddings=True)
            assert tool.succeeds("type", model)[0] == tied_type, model
            tool.succeeds("export", model, f"{model}_exported")
            written = read(work / f"{model}_exported/model.safetensors")
            assert written[table] == read(plain / "model.safetensors")[table], model
            assert written.keys() - {head} == read(plain / "model.safetensors").keys(), model
        wrong = variant(family, "wider", wider, tie_word_embeddings=True)
        shape = read(plain / "model.safetensors")[table][1]
        for words in (("type",), ("explain",), ("logits", "--tokens", "1", "--out", "no.npy"), ("generate", "--prompt", "a"),
                      ("perplexity", tool.program), ("compare", tool.program), ("export", "no")):
            tool.refused(["wider", f"{head} F32 [{shape[0] - 1}, {shape[1]}]", f"{table}'s F32 [{shape[0]}, {shape[1]}]"],
                    words[0], wrong, *words[1:])
        other = variant(family, "different", different, tie_word_embeddings=True)
        if family == "gpt2":  # whose type has no head of its own
            tool.refused([f"different has a {head} that is not {table}"], "type", other, early=False)
            tool.refused([f"different has a {head} that is not {table}"], "export", other, "no", early=False)
            continue
        untied, said = tool.succeeds("type", other)
        assert b".tied" not in untied and f"{head} is not {table}" in said, (untied, said)
        tool.succeeds("export", other, f"{other}_exported")
        assert read(work / f"{other}_exported/model.safetensors") == read(other / "model.safetensors"), other
        assert json.loads((work / f"{other}_exported/config.json").read_text())["tie_word_embeddings"] is False, other
    # The numbers: a head of its own, and the one tensor under its other name.
    own = variant("llama_untied", "own", lambda t: t, tie_word_embeddings=True)
    assert logits(own)[0] == logits(models / "llama_untied")[0]
    tool.succeeds("export", own, "own_exported")
    assert logits("own_exported")[0] == logits(own)[0]
    assert logits(work / "llama_untied_only")[0] == logits(work / "llama_untied_plain")[0] == logits(work / "llama_untied_equal")[0]
    assert logits("llama_untied_only_exported")[0] == logits(work / "llama_untied_plain")[0]


def stale_index():
    """A name that no shard has is a note; one that the model needs is missed."""
    model = work / "stale"
    shutil.copytree(models / "llama_sharded", model)
    path = model / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    shard = next(iter(index["weight_map"].values()))
    index["weight_map"]["model.layers.0.self_attn.rotary_emb.inv_freq"] = shard
    path.write_text(json.dumps(index))
    numbers, said = logits(model)
    assert numbers == logits(models / "llama_sharded")[0] and "inv_freq, which no shard has" in said, said
    for name in index["weight_map"].values():
        write_tensors(model / name, {n: v for n, v in read(model / name).items() if n != "model.norm.weight"})
    tool.refused(["1 missing", "model.norm.weight", "2 of the index are in no shard"], "logits", model, "--tokens", "1", "--out", "no.npy", early=False)


def quantised():
    """What cannot be quantised is said before anything is compiled."""
    asked = ("--tokens", "1", "--out", "no.npy", "--quantize")
    tool.refused(["--quantize Q9", "one of Q4_0, Q4_1, Q5_0, Q5_1, Q8_0"], "logits", models / "llama_tied", *asked, "Q9")
    tool.refused(["--quantize beside --dtype bf16"], "logits", models / "llama_tied", *asked, "Q8_0", "--dtype", "bf16")
    tool.refused(["--quantize IQ4_XS, expected one of"], "explain", models / "llama_tied", "--quantize", "IQ4_XS")


def quantised_experts():
    """A mixture of experts: what a GGUF file has in blocks stays so, and is what quantising at load makes; and as planned."""
    width, hidden, experts, vocab = 32, 64, 4, 40
    random.seed(1)

    def numbers(*shape):
        return "F32", list(shape), array.array("f", (random.gauss(0, 0.1) for _ in range(math.prod(shape)))).tobytes()

    layer = "model.layers.0."
    tensors = {"model.embed_tokens.weight": numbers(vocab, width), "lm_head.weight": numbers(vocab, width), "model.norm.weight": numbers(width)}
    tensors |= {layer + norm + ".weight": numbers(width) for norm in ("input_layernorm", "post_attention_layernorm")}
    tensors |= {f"{layer}self_attn.{part}_proj.weight": numbers(width, width) for part in "qkvo"}
    tensors[layer + "block_sparse_moe.gate.weight"] = numbers(experts, width)
    for expert in range(experts):
        for part, shape in (("w1", (hidden, width)), ("w2", (width, hidden)), ("w3", (hidden, width))):
            tensors[f"{layer}block_sparse_moe.experts.{expert}.{part}.weight"] = numbers(*shape)
    model = work / "experts"
    model.mkdir()
    write_tensors(model / "model.safetensors", tensors)
    config = json.loads((models / "mixtral/config.json").read_text())
    config |= {"hidden_size": width, "intermediate_size": hidden, "num_local_experts": experts, "vocab_size": vocab,
               "num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1}
    (model / "config.json").write_text(json.dumps(config))
    tool.succeeds("convert", model, "experts.gguf", "--type", "Q8_0")
    of_file = logits("experts.gguf")[0]
    said = tool.succeeds("logits", model, "--tokens", "3,1,4,1,5", "--out", "logits.npy", "--quantize", "Q8_0")[1]
    assert (work / "logits.npy").read_bytes() == of_file
    taken = int(re.search(r"(\d+) bytes of weights, matrices in Q8_0", said)[1])
    planned = int(re.search(r"weights ([\d,]+) bytes", tool.says("explain", model, "--quantize", "Q8_0"))[1].replace(",", ""))
    assert planned <= taken < planned + 4096, (planned, taken)  # whole pages


def texts():
    """With 29 pieces for a vocabulary, one of which is the byte 0 and one put before each text."""
    pieces = "zabĀcdefghijklmnopqrstuvwxyAB"
    model = work / "spoken"
    shutil.copytree(models / "llama_untied", model)
    tokenizer = {
        "version": "1.0", "truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 9}, "direction": "Left", "pad_to_multiple_of": None, "pad_id": 1, "pad_type_id": 0,
                    "pad_token": "a"},
        "added_tokens": [], "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "post_processor": {"type": "TemplateProcessing",
                           "single": [{"SpecialToken": {"id": "z", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                           "pair": [], "special_tokens": {"z": {"id": "z", "ids": [0], "tokens": ["z"]}}},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "vocab": {c: i for i, c in enumerate(pieces)}, "merges": []}}

    def save():
        (model / "tokenizer.json").write_text(json.dumps(tokenizer))

    save()
    # An empty text is the token before it; a text is neither cut nor padded.
    values = array.array("f", logits(model, "0")[0][-4 * 29 :])
    likeliest = pieces[values.index(max(values))].replace("Ā", "\0").encode() + b"\n"
    for words in ([], ["--prompt", ""], ["--prompt="]):
        assert tool.succeeds("generate", model, *words, "--max-new-tokens", 1)[0] == likeliest, likeliest
    (work / "nul.txt").write_bytes(b"ab\0cab")
    said = tool.succeeds("generate", model, "--prompt", "FILE:nul.txt", "--max-new-tokens", 0)[0]
    assert said == b"ab\0cab\n", said
    assert b"6 tokens in windows of" in tool.succeeds("perplexity", model, "nul.txt")[0]  # what follows the token in front
    tokenizer["post_processor"] = None
    save()
    tool.refused(["no --prompt", "its tokenizer puts no token before a text"], "generate", model, early=False)
    tool.refused(["an empty --prompt"], "generate", model, "--prompt", "", early=False)
    # An output that takes nothing.
    with open("/dev/full", "wb") as full:
        for words in (("--help",), ("type",), ("type", model), ("logits", model, "--tokens", "1", "--out", "x.npy"),
                      ("generate", model, "--prompt", "a"), ("perplexity", model, "nul.txt"), ("explain", model),
                      ("export", model, "exported_full")):
            status, _, errors = tool.run(*words, stdout=full)
            assert status != 0 and "No space left on device" in errors, f"{words}: {status}, {errors}"


def shared_cases(cases):
    def same(want, got):
        a, b = (array.array("f", data[10 + struct.unpack("<H", data[8:10])[0] :]) for data in (want.read_bytes(), got))
        assert len(a) == len(b) and all(abs(x - y) <= 1e-4 for x, y in zip(a, b)), want

    def copied(name):
        out = work / name
        shutil.copytree(cases / name, out, copy_function=shutil.copyfile)
        out.chmod(0o755)
        return out

    for name in ("tied-head-differs", "tied-head-only", "index-names-absent-tensor"):
        same(cases / name / "want.npy", logits(cases / name, "5,6,7,8")[0])
    tool.refused(["lm_head.weight F32 [7, 16]", "[48, 16]"], "logits", cases / "tied-head-of-another-shape", "--tokens", 1, "--out", "no.npy", early=False)
    for name in ("config-harmless-fields", "config-harmless-fields-gpt2"):
        model = copied(name)
        for config in sorted(model.glob("config-*.json")):
            shutil.copy(config, model / "config.json")
            same(model / "want.npy", logits(model, "5,6,7,8")[0])
    nul = cases / "nul-in-text"
    assert tool.succeeds("generate", nul, "--prompt", f"FILE:{nul}/prompt.txt", "--max-new-tokens", 4)[0] == (nul / "want.bin").read_bytes()
    empty = cases / "empty-prompt-with-bos"
    want = json.loads((empty / "want.json").read_text())["text"].encode() + b"\n"
    for words in ([], ["--prompt", ""]):
        assert tool.succeeds("generate", empty, *words, "--max-new-tokens", 8)[0] == want
    batches = cases / "tokenizer-truncation-padding"
    text = json.loads((batches / "want.json").read_text())
    (work / "batches.txt").write_text(text["text"])
    said = tool.succeeds("perplexity", batches, "batches.txt")[0].decode()
    assert f"{len(text['ids']) - 1} tokens in windows" in said, said
    for template in sorted((cases / "chatml-lookalikes").glob("*/want.txt")):
        model = work / f"chat-{template.parent.name}"
        shutil.copytree(cases / "chatml-lookalikes/base", model, copy_function=shutil.copyfile)
        model.chmod(0o755)
        shutil.copyfile(template.parent / "tokenizer_config.json", model / "tokenizer_config.json")
        tool.succeeds("generate", model, "--chat", "--prompt", "the fox", "--max-new-tokens", 1,
                      "--at-context-end", "slide")  # its text: tests/tools/test_chat.cpp


heads()
stale_index()
quantised()
quantised_experts()
texts()
shared = pathlib.Path(os.environ.get("FAUNA_SHARED_DIR", "/nowhere")) / "cases"
if shared.is_dir():
    shared_cases(shared)
else:
    print("left out: $FAUNA_SHARED_DIR has no folder cases")
