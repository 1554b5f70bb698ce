#!/usr/bin/env python3
"""Losses on preferences and their gradients in PyTorch, by the formulas of PyPI's trl 1.16 (DPOTrainer's "sigmoid" with label
smoothing, ORPOTrainer, KTOTrainer, GRPOTrainer's "grpo"). Needs torch, transformers, safetensors and peft.

    python tools/oracles/preference.py tests/golden/models/llama_tied tests/golden/adapters/llama_tied tests/golden/preference.safetensors

The policy is the model with the adapter, the reference the model without. The file has each example's ids (prompt, chosen,
rejected), and for each rule the loss of all examples as one batch and after RULE.grad. the adapter's gradients. ORPO's likelihood
is of the answer alone, as the paper has it (trl's is of the prompt as well). KTO takes even examples' chosen answers as good ones,
odd examples' as bad ones, and beside each prompt the answer of the example before it. GRPO takes both answers to a prompt as a
group that the reference drew, of which grpo.rewards says what they are worth.
"""
import sys

import torch
from peft import PeftModel
from safetensors.torch import save_file
from torch.nn import functional as F
from transformers import AutoModelForCausalLM

base, adapter, out = sys.argv[1:4]
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), adapter, is_trainable=True).eval()
torch.manual_seed(11)
sizes = [(5, 4, 6), (1, 7, 2), (9, 1, 3), (3, 12, 12)]
examples = [tuple(torch.randint(0, 29, (n,)) for n in size) for size in sizes]
beta, smoothing, desirable, undesirable = 0.3, 0.1, 1.25, 0.75


def log_p(prompt, answer, each=False):
    logits = model(torch.cat([prompt, answer])[None]).logits[0]
    rows = torch.log_softmax(logits[len(prompt) - 1 : -1], -1)
    tokens = rows.gather(1, answer[:, None])[:, 0]
    return tokens if each else tokens.sum()


def reference(prompt, answer, each=False):
    with model.disable_adapter(), torch.no_grad():
        return log_p(prompt, answer, each)


def dpo():
    delta = torch.stack([(log_p(x, w) - reference(x, w)) - (log_p(x, l) - reference(x, l)) for x, w, l in examples])
    return (-F.logsigmoid(beta * delta) * (1 - smoothing) - F.logsigmoid(-beta * delta) * smoothing).mean()


def orpo():
    w = torch.stack([log_p(x, y) / len(y) for x, y, _ in examples])
    l = torch.stack([log_p(x, y) / len(y) for x, _, y in examples])
    log_odds = (w - l) - (torch.log1p(-torch.exp(w)) - torch.log1p(-torch.exp(l)))
    return (-w - beta * F.logsigmoid(log_odds)).mean()


def kto():
    ratio = torch.stack([log_p(x, y) - reference(x, y) for x, y, _ in examples])
    with torch.no_grad():
        others = [(x, examples[i - 1][1]) for i, (x, _, _) in enumerate(examples)]
        kl = torch.stack([log_p(x, y) - reference(x, y) for x, y in others]).mean().clamp(min=0)
    print("kl", float(kl))
    good = torch.arange(len(examples)) % 2 == 0
    losses = torch.where(good, desirable * (1 - F.sigmoid(beta * (ratio - kl))), undesirable * (1 - F.sigmoid(beta * (kl - ratio))))
    return losses.mean()


rewards = torch.tensor([[1.0, 0.0], [0.2, 0.5], [0.25, 0.25], [3.0, -1.0]])


def grpo(clip=0.2):
    advantages = (rewards - rewards.mean(1, keepdim=True)) / (rewards.std(1, keepdim=True) + 1e-4)
    losses, clipped = [], 0
    for (x, *answers), group in zip(examples, advantages):
        for y, a in zip(answers, group):
            now, old = log_p(x, y, each=True), reference(x, y, each=True)
            ratio, delta = torch.exp(now - old), old - now
            within = torch.clamp(ratio, 1 - clip, 1 + clip)
            clipped += int((within * a < ratio * a).sum())
            losses.append((-torch.min(ratio * a, within * a) + beta * (torch.exp(delta) - delta - 1)).mean())
    print("clipped", clipped)
    return torch.stack(losses).mean()


tensors = {"grpo.rewards": rewards}
for i, example in enumerate(examples):
    for name, ids in zip(("prompt", "chosen", "rejected"), example):
        tensors[f"{i}.{name}"] = ids.int()
for rule in (dpo, orpo, kto, grpo):
    model.zero_grad()
    loss = rule()
    loss.backward()
    tensors[rule.__name__ + ".loss"] = loss.detach()
    for key, p in model.named_parameters():
        if p.requires_grad:
            tensors[rule.__name__ + ".grad." + key.replace(".default", "")] = p.grad.clone()
    print(rule.__name__, float(loss.detach()))
save_file(tensors, out)
