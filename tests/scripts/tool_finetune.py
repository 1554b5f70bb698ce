#!/usr/bin/env python3
"""tool_finetune.py FAUNA WORK MODELS ADAPTERS: questions and answers learnt by heart through LoRA adapters to a model in bf16;
stopped and gone on with; the adapter added, merged and trained further; what is wrong is said before anything is compiled.
MODELS has directories of every family, ADAPTERS what tools/oracles/adapters.py wrote. Nearly all of the time goes into compiling:
all checks share five types: LoRA, on examples and on rewards; in a GGUF file; a prefix; rank-stabilised beside NF4; DoRA, on preferences.
"""
import json
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tomllib

fauna, work, models, adapters = sys.argv[1], *(pathlib.Path(p).resolve() for p in sys.argv[2:5])
ANSWERS = {"Who mews?": " The cat.", "Who barks?": " A dog does.", "Two and two?": " Four.", "Is snow warm?": " No, it is cold.",
           "What is fauna?": " A zoo of models."}
END = 96


def run(*words):
    done = subprocess.run([fauna, *map(str, words)], capture_output=True, text=True, check=False, cwd=work)
    return done.returncode, done.stdout, done.stderr


def succeeds(*words):
    status, said, errors = run(*words)
    assert status == 0, f"{words}: {errors}"
    return said


def refused(words, *arguments):
    status, _, errors = run(*arguments)
    assert status != 0 and all(w in errors for w in words) and "compiling" not in errors, f"{arguments}: {status}, {errors}, not {words}"


def read(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    head = json.loads(data[8 : 8 + length])
    head.pop("__metadata__", None)
    return {n: (t["dtype"], t["shape"], data[8 + length + t["data_offsets"][0] : 8 + length + t["data_offsets"][1]]) for n, t in head.items()}


def write(path, tensors):
    head, data = {}, b""
    for name, (dtype, shape, values) in tensors.items():
        head[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(head).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def make_base(folder):
    """A random Llama of two layers in bf16, with a token for every printable character."""
    layers, width, hidden, key, vocab = 2, 48, 64, 24, END + 1
    shapes = {"model.embed_tokens.weight": [vocab, width], "model.norm.weight": [width], "lm_head.weight": [vocab, width]}
    for i in range(layers):
        at = f"model.layers.{i}."
        shapes |= {at + "input_layernorm.weight": [width], at + "post_attention_layernorm.weight": [width]}
        shapes |= {f"{at}self_attn.{n}_proj.weight": s for n, s in (("q", [width, width]), ("k", [key, width]), ("v", [key, width]), ("o", [width, width]))}
        shapes |= {f"{at}mlp.{n}_proj.weight": s for n, s in (("gate", [hidden, width]), ("up", [hidden, width]), ("down", [width, hidden]))}
    draw = random.Random(1)
    tensors = {}
    for name, shape in shapes.items():
        n = shape[0] * (shape[1] if len(shape) > 1 else 1)
        values = [1.0 if "norm" in name else draw.gauss(0, 0.15) for _ in range(n)]
        tensors[name] = ("BF16", shape, b"".join(struct.pack("<f", v)[2:] for v in values))
    folder.mkdir()
    write(folder / "model.safetensors", tensors)
    (folder / "config.json").write_text(json.dumps({
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "num_hidden_layers": layers, "num_attention_heads": 4, "num_key_value_heads": 2,
        "hidden_size": width, "intermediate_size": hidden, "max_position_embeddings": 512, "vocab_size": vocab, "rms_norm_eps": 1e-5,
        "initializer_range": 0.041666, "torch_dtype": "bfloat16", "tie_word_embeddings": False, "bos_token_id": None, "eos_token_id": END}))
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    pieces = ["Ċ", "Ġ", *map(chr, range(33, 127))]
    (folder / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "normalizer": None, "pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level,
        "added_tokens": [{"id": END, "content": "<end>", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}],
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "vocab": {p: i for i, p in enumerate(pieces)}, "merges": []}}))


def answers(*words):
    """What the model says to each question."""
    return {q: succeeds("generate", *words, "--prompt", q, "--max-new-tokens", 30).removesuffix("\n").removeprefix(q) for q in ANSWERS}


def logits(*words):
    succeeds("logits", *words, "--tokens", "3,1,4,1,5,9,2,6", "--out", "logits.npy")
    data = (work / "logits.npy").read_bytes()
    numbers = data[10 + int.from_bytes(data[8:10], "little") :]
    return struct.unpack(f"<{len(numbers) // 4}f", numbers)


def same_but_for_rounding(merged, beside, base):
    """Compilers fuse products and sums of one program otherwise than of another: a few units in the last place."""
    differ = [max(abs(a - b) for a, b in zip(merged, other, strict=True)) for other in (beside, base)]
    assert differ[0] <= 1e-5 and differ[1] > 0.1, differ


def learns():
    common = ("finetune", "base", "--data", "answers.jsonl", "--lora", 8, "--alpha", 16, "--val", 0, "--batch-size", 5, "--lr", 1e-2, "--threads", 1)
    base = (work / "base/model.safetensors").read_bytes()
    said = succeeds(*common, "--steps", 200, "--out", "adapter")
    assert "answers.jsonl: 5 examples of up to 32 tokens; 0 cut at 32, 0 left out" in said and "200 updates" in said, said
    assert "the adapter of the last update is in adapter" in said, said
    assert answers("base", "--adapter", "adapter") == ANSWERS, answers("base", "--adapter", "adapter")
    assert not set(answers("base").values()) & set(ANSWERS.values())
    assert (work / "base/model.safetensors").read_bytes() == base
    files = {p.name for p in (work / "adapter").iterdir()}
    assert files >= {"adapter_config.json", "adapter_model.safetensors", "last.safetensors", "run.toml", "summary.json", "metrics.jsonl", "loss.svg"}, files

    # As peft has it.
    config = json.loads((work / "adapter/adapter_config.json").read_text())
    assert config["peft_type"] == "LORA" and config["r"] == 8 and config["lora_alpha"] == 16 and config["base_model_name_or_path"] == "base", config
    assert set(config["target_modules"]) == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}, config
    adapter = read(work / "adapter/adapter_model.safetensors")
    assert len(adapter) == 2 * 7 * 2 and adapter["base_model.model.model.layers.1.mlp.down_proj.lora_A.weight"][:2] == ("F32", [8, 64])
    # A run's checkpoint has the adapters with their moments, and nothing of the base.
    names = {n for n in read(work / "adapter/last.safetensors") if not n.startswith("loss.")}
    assert len(names) == 3 * len(adapter) and all("lora_" in n for n in names), names
    refused(["holds a model that is lora rank=8 alpha=16 on=all dropout=0"], "sample", "adapter")

    # Merged: the same answers without an adapter, and logits that differ by rounding.
    succeeds("merge", "base", "adapter", "merged")
    assert answers("merged") == ANSWERS
    same_but_for_rounding(logits("merged"), logits("base", "--adapter", "adapter"), logits("base"))

    # Half of it, then the rest: the same adapter, bit for bit. Again with its own settings: the same once more.
    succeeds(*common, "--steps", 200, "--out", "again", "--config", "adapter/run.toml")
    assert read(work / "again/adapter_model.safetensors") == adapter
    flat = ("--schedule", "constant", "--warmup", 5)
    succeeds(*common, *flat, "--steps", 30, "--out", "whole")
    succeeds(*common, *flat, "--steps", 12, "--out", "parts")
    assert read(work / "parts/adapter_model.safetensors") != read(work / "whole/adapter_model.safetensors")
    succeeds(*common, *flat, "--steps", 30, "--out", "parts", "--resume")
    assert read(work / "parts/adapter_model.safetensors") == read(work / "whole/adapter_model.safetensors")
    assert tomllib.loads((work / "parts/run.toml").read_text())["lr"] == 1e-2
    refused(["adapter/last.safetensors is of another run"], *common, "--steps", 30, "--out", "adapter")

    # Other weights of the same shape are another base.
    shutil.copytree(work / "base", work / "other")
    tensors = read(work / "other/model.safetensors")
    dtype, shape, values = tensors["lm_head.weight"]
    write(work / "other/model.safetensors", tensors | {"lm_head.weight": (dtype, shape, values[2:] + values[:2])})
    status, _, errors = run(common[0], "other", *common[2:], *flat, "--steps", 40, "--out", "parts", "--resume")
    assert status != 0 and "parts/last.safetensors is of an adapter to other weights" in errors, errors

    # Validation keeps the best; what is too long is cut, and counted.
    said = succeeds(*common[:-6], "--val", 0.4, "--batch-size", 3, "--threads", 1, "--steps", 12, "--eval-interval", 4, "--block-size", 15, "--out", "cut")
    assert "5 examples of up to 16 tokens; 5 cut at 16" in said and "the adapter of the lowest validation loss" in said, said
    # A text.
    (work / "text.txt").write_text(" ".join(q + a for q, a in ANSWERS.items()) * 5)
    said = succeeds("finetune", "base", "--data", "text.txt", "--block-size", 16, "--steps", 5, "--out", "text", "--threads", 1)
    assert "text.txt: 549 + 61 tokens" in said, said


def prefixes():
    """A prefix beside attention starts as nothing, learns, and is read by what takes an adapter; it cannot be added to weights."""
    common = ("finetune", "base", "--data", "answers.jsonl", "--kind", "adapter", "--val", 0, "--batch-size", 5, "--threads", 1)
    said = succeeds(*common, "--steps", 1, "--lr", 0, "--out", "closed")
    assert f"; {2 * (10 * 48 + 4)} parameters beside " in said, said
    assert logits("base", "--adapter", "closed") == logits("base")
    succeeds(*common, "--steps", 120, "--lr", 2e-2, "--log-interval", 1, "--out", "prefix")
    losses = [json.loads(line)["loss"] for line in (work / "prefix/metrics.jsonl").read_text().splitlines() if "lr" in line]
    assert losses[-1] < 0.8 * losses[0], losses
    config = json.loads((work / "prefix/adapter_config.json").read_text())
    assert config == {"kind": "adapter", "rows": 10, "base_model_name_or_path": "base"}, config
    adapter = read(work / "prefix/adapter_model.safetensors")
    shapes = {name: tensor[:2] for name, tensor in adapter.items()}
    at = "model.layers.1.self_attn."
    assert len(shapes) == 4 and shapes[at + "adapter_wte.weight"] == ("F32", [10, 48]) and shapes[at + "gating_factor"] == ("F32", [4]), shapes
    assert logits("base", "--adapter", "prefix") != logits("base")
    assert answers("base", "--adapter", "prefix") != answers("base")
    refused(["adapter_config.json: kind = adapter, expected LoRA"], "merge", "base", "prefix", "none")
    refused(["adapter_config.json: kind = adapter, expected LoRA"], "serve", "base", "--lora", "x=prefix")
    refused(["--dora beside --kind adapter, expected --kind lora"], *common, "--dora")
    refused(["--lora beside --kind adapter_v2"], *common, "--kind", "adapter_v2", "--lora", 8)
    refused(["--kind prefix, expected one of lora, adapter, adapter_v2"], *common[:-6], "--kind", "prefix")
    (work / "unknown").mkdir()
    (work / "unknown/adapter_config.json").write_text('{"kind": "adapter"}')
    refused(["kind = adapter without rows, expected adapter with rows, or adapter_v2"], "generate", "base", "--adapter", "unknown", "--prompt", "a")


def shapes_and_packing():
    """An array of Alpaca's shape, several examples in a sequence: the first loss is that of the examples apart."""
    (work / "alpaca.json").write_text(json.dumps([{"instruction": q, "input": "", "output": a} for q, a in ANSWERS.items()], indent=1))
    common = ("finetune", "base", "--lora", 8, "--data", "alpaca.json", "--steps", 4, "--eval-interval", 2, "--threads", 1)
    said = {out: succeeds(*common, *flags, "--out", out) for out, flags in (("apart", ()), ("packed", ("--pack",)), ("short", ("--pack", "--block-size", 170)))}
    assert "alpaca.json: 5 examples of up to 172 tokens; 0 cut at 172" in said["packed"] and "packed into 3 sequences of 513, 2 of them to train on" in said["packed"], said["packed"]
    assert "cut at 171" in said["short"] and "; 0 cut" not in said["short"], said["short"]
    first = [json.loads((work / out / "metrics.jsonl").read_text().splitlines()[0]) for out in ("apart", "packed")]
    assert all(abs(first[0][n] - first[1][n]) < 1e-4 for n in ("train_loss", "val_loss")), first
    refused(["--pack with the text text.txt"], "finetune", "base", "--data", "text.txt", "--pack")
    refused(["--pack beside --prefer"], "finetune", "base", "--data", "answers.jsonl", "--pack", "--prefer", "dpo")


def variants():
    """Rank-stabilised beside a base in NF4, with a rate of its own for B, and ended where it gets no better."""
    common = ("finetune", "base", "--data", "answers.jsonl", "--lora", 8, "--lr", 3e-2, "--threads", 1)
    said = succeeds(*common, "--rslora", "--qlora", "--lora-plus", 16, "--val", 0.4, "--steps", 60, "--eval-interval", 5, "--patience", 2, "--out", "stabilised")
    assert "no lower validation loss in 2 evaluations" in said and "60 updates" not in said, said
    config = json.loads((work / "stabilised/adapter_config.json").read_text())
    assert config["use_rslora"] is True and config["r"] == 8, config
    assert logits("base", "--adapter", "stabilised") != logits("base")
    refused(["--double-quant without --qlora, expected both"], *common, "--double-quant")
    refused(["--patience without evaluations"], *common, "--val", 0, "--patience", 2)

    ends = ("--targets", "q_proj,embed_tokens,lm_head", "--val", 0, "--steps", 30)
    succeeds(*common, *ends, "--out", "ends")
    config, saved = json.loads((work / "ends/adapter_config.json").read_text()), read(work / "ends/adapter_model.safetensors")
    assert set(config["target_modules"]) == {"q_proj", "embed_tokens", "lm_head"}, config
    assert "base_model.model.model.embed_tokens.lora_embedding_A" in saved and "base_model.model.lm_head.lora_B.weight" in saved, saved.keys()
    succeeds("merge", "base", "ends", "ends_merged")
    same_but_for_rounding(logits("ends_merged"), logits("base", "--adapter", "ends"), logits("base"))
    succeeds(*common, "--targets", "v_proj", "--modules-to-save", "embed_tokens,lm_head", "--val", 0, "--steps", 10, "--out", "whole_modules")
    config, saved = json.loads((work / "whole_modules/adapter_config.json").read_text()), read(work / "whole_modules/adapter_model.safetensors")
    assert set(config["modules_to_save"]) == {"embed_tokens", "lm_head"} and "base_model.model.lm_head.weight" in saved, (config, saved.keys())
    assert logits("base", "--adapter", "whole_modules") != logits("base")
    refused(["--dora with --targets"], *common, *ends, "--dora")
    refused(["--modules-to-save lm_tail, expected some of"], *common, "--modules-to-save", "lm_tail")
    refused(["--lora-plus 0, expected above 0"], *common, "--lora-plus", 0)


def prefers():
    """Each rule moves the preferred answers ahead; on the way from ln 2, which is DPO's loss of an adapter that is none."""
    pairs = [{"prompt": q, "chosen": a, "rejected": " No." if i % 2 else " I do not know."} for i, (q, a) in enumerate(ANSWERS.items())]
    (work / "pairs.jsonl").write_text("".join(json.dumps(p) + "\n" for p in pairs))
    single = [{"prompt": p["prompt"], "completion": p["chosen" if i % 2 else "rejected"], "label": bool(i % 2)} for i, p in enumerate(pairs)]
    (work / "single.jsonl").write_text("".join(json.dumps(p) + "\n" for p in single))
    common = ("finetune", "base", "--lora", 8, "--dora", "--batch-size", 4, "--lr", 5e-3, "--steps", 12, "--log-interval", 1, "--threads", 1)
    plain = logits("base")
    for rule, data, first in (("dpo", "pairs", 0.6931), ("orpo", "pairs", None), ("kto", "single", 0.5)):
        said = succeeds(*common, "--prefer", rule, "--data", data + ".jsonl", "--val", 0, "--out", rule)
        assert f"{data}.jsonl: 5 + 0 examples; 0 answers cut at 512 tokens, 0 examples left out" in said, said
        lines = [json.loads(line) for line in (work / rule / "metrics.jsonl").read_text().splitlines()]
        assert len(lines) == 12 and lines[-1]["loss"] < lines[0]["loss"] and lines[-1]["margin"] > lines[0]["margin"], lines
        assert first is None or abs(lines[0]["loss"] - first) < 1e-4, lines[0]
        config = json.loads((work / rule / "adapter_config.json").read_text())
        assert config["peft_type"] == "LORA" and config["r"] == 8 and config["use_dora"] is True, config
        assert read(work / rule / "adapter_model.safetensors")["base_model.model.model.layers.1.mlp.down_proj.lora_magnitude_vector"][:2] == ("F32", [48])
        assert logits("base", "--adapter", rule) != plain
    succeeds(*common, "--prefer", "dpo", "--data", "pairs.jsonl", "--val", 0, "--out", "dpo2")
    assert read(work / "dpo2/adapter_model.safetensors") == read(work / "dpo/adapter_model.safetensors")
    said = succeeds(*common, "--prefer", "kto", "--data", "pairs.jsonl", "--val", 0.2, "--eval-interval", 4, "--block-size", 12, "--out", "cut_pairs")
    assert "5 + 1 examples; 10 answers cut at 12 tokens, 4 examples left out" in said and said.count(" val loss") == 4, said
    assert "the adapter of the lowest validation loss" in said, said

    (work / "wrong.jsonl").write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}\n{"prompt": "a", "completion": "b", "label": true}\n')
    refused(["wrong.jsonl:2 has prompt, completion, label, expected prompt, chosen and rejected"], *common, "--prefer", "dpo", "--data", "wrong.jsonl")
    refused(["--prefer ppo, expected one of dpo, orpo, kto, grpo"], *common, "--prefer", "ppo", "--data", "pairs.jsonl")
    refused(["--beta without --prefer"], *common, "--beta", 1, "--data", "pairs.jsonl")
    refused(["--lora-dropout beside --prefer"], *common, "--prefer", "dpo", "--lora-dropout", 0.1, "--data", "pairs.jsonl")
    refused(["--desirable beside --prefer dpo"], *common, "--prefer", "dpo", "--desirable", 2, "--data", "pairs.jsonl")
    refused(["--prefer kto with batches of 1"], *common, "--prefer", "kto", "--batch-size", 1, "--data", "pairs.jsonl")


def four_bits():
    """Beside a base in NF4 the answers are learnt as well; with less memory, and another adapter."""
    common = ("finetune", "base", "--data", "answers.jsonl", "--lora", 8, "--alpha", 16, "--val", 0, "--batch-size", 5, "--threads", 1)
    said = succeeds(*common, "--steps", 200, "--out", "four", "--qlora", "--rslora", "--lr", 3e-3)
    losses = {out: [json.loads(line)["loss"] for line in (work / out / "metrics.jsonl").read_text().splitlines() if "lr" in line] for out in ("four", "adapter")}
    assert losses["four"][0] != losses["adapter"][0] and losses["four"][-1] < losses["four"][0] / 10, losses
    planned = {out: json.loads((work / out / "summary.json").read_text())["planned_bytes"] for out in ("four", "adapter")}
    assert planned["four"] < planned["adapter"], planned
    for flags, out in (((), "adapter"), (("--qlora",), "four")):  # what explain says beforehand is what the run planned
        said_before = succeeds("explain", "base", "--finetune", "lora:8", *flags, "--batch-size", 5, "--context", 31, "--threads", 1)  # the 32nd token is a target alone
        assert f"{planned[out]:,}" == said_before.split("\ntotal ")[1].split("\n")[0].split()[-1], (said_before, planned[out])
    refused(["--qlora alone, expected --finetune lora"], "explain", "base", "--qlora")
    refused(["--dora beside --finetune adapter, expected --finetune lora"], "explain", "base", "--finetune", "adapter", "--dora")
    refused(["--finetune lora:many, expected lora, lora:RANK"], "explain", "base", "--finetune", "lora:many")
    refused(["--finetune full, expected one of lora, adapter, adapter_v2"], "explain", "base", "--finetune", "full")
    refused(["--quantize beside --qlora"], "explain", "base", "--finetune", "lora:8", "--qlora", "--quantize", "Q8_0")
    refused(["--quantize Q4_9, expected one of"], "explain", "base", "--finetune", "lora:8", "--quantize", "Q4_9")
    refused(["--double-quant without --qlora"], "explain", "base", "--finetune", "lora:8", "--double-quant")
    assert tomllib.loads((work / "four/run.toml").read_text())["qlora"] is True and "200 updates" in said
    first = {}
    for out, flags in (("doubled", ["--double-quant"]), ("four_dora", ["--dora"]), ("four_pissa", ["--pissa", "--double-quant"])):
        succeeds(*common, "--steps", 30, "--out", out, "--qlora", *flags, "--lr", 3e-3)
        of = [json.loads(line)["loss"] for line in (work / out / "metrics.jsonl").read_text().splitlines() if "lr" in line]
        assert of[-1] < 0.8 * of[0], (out, of)
        first[out] = of[0]
    assert first["doubled"] != losses["four"][0] == first["four_dora"] and abs(first["doubled"] - losses["four"][0]) < 0.1, (first, losses["four"][0])
    assert first["four_pissa"] != first["doubled"] and abs(first["four_pissa"] - losses["adapter"][0]) < 0.3, (first, losses["adapter"][0])
    assert "base_model.model.model.layers.0.mlp.up_proj.lora_magnitude_vector" in read(work / "four_dora/adapter_model.safetensors")


def in_a_file():
    """The layers under the adapters stay in a GGUF file's blocks, and the adapter stands beside them."""
    base = models.parent / "gguf_llama/Q8_0.gguf"
    (work / "letters.txt").write_text("abcd ab12 dab cd abcd\n" * 60)
    common = ("finetune", base, "--data", "letters.txt", "--block-size", 16, "--batch-size", 4, "--steps", 40, "--lr", 0.01, "--eval-interval", 20,
              "--threads", 1)
    refused(["--pissa with a GGUF file, expected a model directory"], *common, "--pissa")
    assert "40 updates" in succeeds(*common, "--out", "filed")
    assert json.loads((work / "filed/adapter_config.json").read_text())["base_model_name_or_path"] == str(base)
    planned = json.loads((work / "filed/summary.json").read_text())["planned_bytes"]
    for flags in ((), ("--quantize", "Q8_0")):
        said = succeeds("explain", base, "--finetune", "lora:8", *flags, "--batch-size", 4, "--context", 16, "--threads", 1)
        assert f"{planned:,}" == said.split("\ntotal ")[1].split("\n")[0].split()[-1], (said, planned)
    matrices = 2 * 6 * 32 * 32  # of two layers: k and v are half as wide
    assert f"in a file in Q8_0, read from there: {matrices // 32 * 34:,} bytes" in said, said
    said = succeeds("perplexity", base, "letters.txt", "--adapter", "filed", "--context", 16)
    assert 1 < float(said.rsplit(" ", 1)[1]) < 2, said  # of 16 tokens, drawn at random before
    assert succeeds("generate", base, "--prompt", "abcd ab12 dab", "--adapter", "filed", "--max-new-tokens", 2).startswith("abcd ab12 dab cd")


def principal():
    """PiSSA starts as the base, learns, goes on to the bit, and is a LoRA of twice the rank to the base itself."""
    common = ("finetune", "base", "--data", "answers.jsonl", "--lora", 8, "--alpha", 16, "--pissa", "--val", 0, "--batch-size", 5, "--lr", 2e-3, "--threads", 1)
    flat = ("--schedule", "constant", "--warmup", 5, "--log-interval", 1)
    succeeds(*common, *flat, "--steps", 60, "--out", "principal")
    losses = {out: [json.loads(line)["loss"] for line in (work / out / "metrics.jsonl").read_text().splitlines() if "lr" in line] for out in ("principal", "adapter")}
    assert abs(losses["principal"][0] - losses["adapter"][0]) < 1e-3 and losses["principal"][-1] < losses["principal"][0] / 3, losses
    config = json.loads((work / "principal/adapter_config.json").read_text())
    assert config["r"] == 16 and config["lora_alpha"] == 32 and config["init_lora_weights"] is True, config
    adapter = read(work / "principal/adapter_model.safetensors")
    assert adapter["base_model.model.model.layers.1.mlp.down_proj.lora_B.weight"][:2] == ("F32", [48, 16]), adapter.keys()
    assert not list((work / "principal").glob("*.part"))
    said = succeeds("generate", "base", "--adapter", "principal", "--prompt", "Two and two?", "--max-new-tokens", 30)
    assert said == "Two and two? Four.\n", said
    succeeds(*common, *flat, "--steps", 20, "--out", "principal_parts")
    succeeds(*common, *flat, "--steps", 60, "--out", "principal_parts", "--resume")
    assert read(work / "principal_parts/adapter_model.safetensors") == adapter
    refused(["--pissa beside --dora"], *common, "--dora")


def rewards():
    """Answers are worth what an expression or a program says, and come to be worth more."""
    (work / "questions.jsonl").write_text("".join(json.dumps({"prompt": q, "wanted": "abcdefghijklmnopqrstuvwxyz"}) + "\n" for q in ANSWERS))
    (work / "judge.py").write_text("import json, sys\nfor line in sys.stdin:\n    it = json.loads(line)\n    assert it['prompt'] == it['example']['prompt']\n"
                                   "    print(sum(c in it['example']['wanted'] for c in it['completion']) / 6)\n")
    common = ("finetune", "base", "--data", "questions.jsonl", "--prefer", "grpo", "--lora", 8, "--alpha", 16, "--batch-size", 2, "--max-new-tokens", 6, "--log-interval", 1,
              "--schedule", "constant", "--threads", 1)
    judge = ("--reward-program", f"{sys.executable} judge.py")
    said = succeeds(*common, *judge, "--steps", 30, "--lr", 1e-2, "--beta", 0.01, "--updates", 2, "--out", "judged")
    assert "questions.jsonl: 5 prompts; " in said, said
    lines = [json.loads(line) for line in (work / "judged/metrics.jsonl").read_text().splitlines()]
    first, last = (sum(line["reward"] for line in part) / 5 for part in (lines[:5], lines[-5:]))
    assert len(lines) == 30 and last > first + 0.2 and lines[0]["divergence"] == 0 < lines[-1]["divergence"], (first, last, lines[0], lines[-1])
    assert all(0 < line["length"] <= 6 for line in lines), lines
    assert logits("base", "--adapter", "judged") != logits("base")
    for regex, reward in (("^[^Q]*$|Q", 1), ("0123456789", 0)):  # of all answers, and of none
        succeeds(*common, "--reward-regex", regex, "--steps", 2, "--out", f"matched_{reward}")
        lines = [json.loads(line) for line in (work / f"matched_{reward}/metrics.jsonl").read_text().splitlines()]
        assert len(lines) == 2 and all(line["reward"] == reward for line in lines), lines
    for program, words in (("echo 1", "echo 1 wrote 1 lines for 16 answers, expected a number for each"), ("exit 3", "exit 3 ended with status 3, expected 0"),
                           ("echo good", "echo good wrote 'good', expected a number a line")):
        status, _, errors = run(*common, "--reward-program", program, "--steps", 1, "--out", "unjudged")
        assert status != 0 and words in errors, errors
    refused(["--prefer grpo with no reward, expected --reward-regex or --reward-program"], *common)
    refused(["--prefer grpo with two rewards"], *common, *judge, "--reward-regex", "a")
    refused(["regex"], *common, "--reward-regex", "(a")
    refused(["--group 1, expected 2 to"], *common, *judge, "--group", 1)
    refused(["--clip 1, expected above 0, below 1"], *common, *judge, "--clip", 1)
    said = succeeds(*common, *judge, "--steps", 12, "--lr", 1e-2, "--val", 0.3, "--eval-interval", 4, "--out", "validated")
    assert "questions.jsonl: 4 + 1 prompts; " in said and said.count("  val reward ") == 4 and "the adapter of the highest validation reward" in said, said
    lines = [json.loads(line) for line in (work / "validated/metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if line.get("part") == "val"] == [0, 4, 8, 12], lines
    said = succeeds(*common, "--reward-regex", "0123456789", "--steps", 12, "--val", 0.3, "--eval-interval", 1, "--patience", 3, "--out", "hopeless")
    assert "stopped after 3 updates: no higher validation reward in 3 evaluations" in said, said

    shutil.copytree(work / "base", work / "talker")
    (work / "talker/chat_template.jinja").write_text("{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}"
                                                    "{% if add_generation_prompt %}[assistant] {% endif %}")
    (work / "talks.jsonl").write_text("".join(json.dumps({"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]}) + "\n"
                                              for q, a in ANSWERS.items()))
    (work / "listen.py").write_text("import json, sys\nfor line in sys.stdin:\n    it = json.loads(line)\n    asked = it['example']['messages'][0]['content']\n"
                                    "    assert it['prompt'] == f'[user] {asked}\\n[assistant] ', it\n    print(len(it['completion']))\n")
    said = succeeds("finetune", "talker", "--data", "talks.jsonl", *common[4:], "--reward-program", f"{sys.executable} listen.py", "--steps", 2, "--out", "talked")
    assert "talks.jsonl: 5 prompts; " in said, said
    refused(["base has no chat template"], "finetune", "base", "--data", "talks.jsonl", *common[4:], *judge)
    (work / "both.jsonl").write_text('{"prompt": "a", "messages": []}\n')
    refused(["both.jsonl:1 has prompt and messages, expected one of them"], *common[:3], "both.jsonl", *common[4:], *judge)
    (work / "silent.jsonl").write_text('{"messages": [{"role": "assistant", "content": "a"}]}\n')
    refused(["silent.jsonl:1 has no message that asks"], "finetune", "talker", "--data", "silent.jsonl", *common[4:], *judge)

    (work / "no_prompt.jsonl").write_text('{"prompt": "a"}\n{"question": "b"}\n')
    refused(["no_prompt.jsonl:2 has no prompt"], *common[:3], "no_prompt.jsonl", *common[4:], *judge)
    refused(["--reward-regex without --prefer"], "finetune", "base", "--data", "answers.jsonl", "--reward-regex", "a")
    refused(["--group beside --prefer dpo"], "finetune", "base", "--data", "answers.jsonl", "--prefer", "dpo", "--group", 4)


def mistakes():
    (work / "few.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    for line, words in (('{"prompt": "a", "completion": ', ["broken.jsonl:3: the text ends at byte"]),
                        ('{"prompt": "a", "completion": 5}', ["broken.jsonl:3: '5' at byte 30, expected a string"]),
                        ('{"prompt": "a"}', ["broken.jsonl:3 has prompt, expected the keys of one shape"]),
                        ('{"answer": "b"}', ["broken.jsonl:3 has answer, expected the keys of one shape"]),
                        ('{"messages": []}', ["base has no chat template"]),
                        ('["a"]', ["broken.jsonl:3: '[' at byte 0, expected an object"])):
        (work / "broken.jsonl").write_text('{"prompt": "a", "completion": "b"}\n\n' + line + "\n")
        refused(words, "finetune", "base", "--data", "broken.jsonl", "--out", "none")
    refused(["there is no file nowhere.jsonl"], "finetune", "base", "--data", "nowhere.jsonl")
    refused(["no --data"], "finetune", "base")
    refused(["1 examples, of which 1 validate"], "finetune", "base", "--data", "few.jsonl", "--out", "none")
    refused(["--targets q_proj,w_proj", "'w_proj' is none", "down_proj"], "finetune", "base", "--data", "few.jsonl", "--targets", "q_proj,w_proj")
    refused(["--lora 0, expected 1 to"], "finetune", "base", "--data", "few.jsonl", "--lora", 0)
    refused(["--val 1, expected 0 to below 1"], "finetune", "base", "--data", "few.jsonl", "--val", 1)
    refused(["has no tokenizer.json"], "finetune", models / "llama_tied", "--data", "few.jsonl")
    wrong = ["model.layers.0.self_attn.q_proj of [32, 24], the model BF16 [48, 48]"]
    refused(wrong, "generate", "base", "--adapter", adapters / "llama_bf16", "--prompt", "a")
    refused(wrong, "logits", "base", "--adapter", adapters / "llama_bf16", "--tokens", "1", "--out", "x.npy")
    refused(wrong, "merge", "base", adapters / "llama_bf16", "none")
    refused(["transformer.h.0.attn.c_attn of [72, 24], the model no transformer.h.0.attn.c_attn.weight"], "merge", "base", adapters / "gpt2", "none")
    assert not (work / "none").exists()


shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
make_base(work / "base")
(work / "answers.jsonl").write_text("".join(json.dumps({"prompt": q, "completion": a}) + "\n" for q, a in ANSWERS.items()))
mistakes()
learns()
principal()
prefixes()
shapes_and_packing()
variants()
four_bits()
in_a_file()
prefers()
rewards()
