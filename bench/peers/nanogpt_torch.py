"""Peer of nanogpt_f32 and nanogpt_bf16: nanoGPT's CPU configuration of Tiny Shakespeare in eager PyTorch. 4 layers, 4
heads, 128 wide, context 64, batch 12, no dropout, no biases; AdamW (0.9, 0.99), decay 0.1, clip 1.0; learning rate 1e-3 to
1e-4, cosine over 2000 iterations with a warm-up of 100; every 250 iterations an evaluation of 20 batches of each split.
Iterations include these evaluations. No checkpoint is written.

    echo 'segment 200' | python nanogpt_torch.py --data input.txt
    python nanogpt_torch.py --data input.txt --full-run     2,001 updates, then the loss of the whole validation split
"""

import itertools
import math
import pathlib

import numpy
import torch

import gpt_torch

CONTEXT, BATCH = 64, 12
ITERATIONS, WARMUP, EVERY, BATCHES = 2000, 100, 250, 20
LR, MIN_LR, CLIP = 1e-3, 1e-4, 1.0


def rate(iteration):
    if iteration < WARMUP:
        return LR * (iteration + 1) / (WARMUP + 1)
    if iteration > ITERATIONS:
        return MIN_LR
    share = (iteration - WARMUP) / (ITERATIONS - WARMUP)
    return MIN_LR + 0.5 * (1 + math.cos(math.pi * share)) * (LR - MIN_LR)


def read(path):
    """Train and validation ids, as nanoGPT splits them, and the number of different characters."""
    text = pathlib.Path(path).read_text(encoding="utf-8")
    characters = sorted(set(text))
    ids = {c: i for i, c in enumerate(characters)}
    tokens = numpy.array([ids[c] for c in text], dtype=numpy.uint16)
    cut = int(len(text) * 0.9)
    return tokens[:cut], tokens[cut:], len(characters)


def batch_of(tokens):
    offsets = torch.randint(len(tokens) - CONTEXT, (BATCH,)).tolist()
    rows = numpy.stack([tokens[i : i + CONTEXT + 1] for i in offsets]).astype(numpy.int64)
    both = torch.from_numpy(rows)
    return both[:, :-1].contiguous(), both[:, 1:].contiguous()


class Training:
    def __init__(self, options):
        self.dtype = options.dtype
        self.train, self.val, vocab = read(options.data)
        self.model = gpt_torch.Gpt(4, 4, 128, CONTEXT, vocab, bias=False)
        self.optimizer = gpt_torch.adamw(self.model, LR, (0.9, 0.99), 0.1, fused=False)
        self.iterations = itertools.count()
        self.batch = batch_of(self.train)

    def loss(self, tokens, targets):
        with gpt_torch.precision(self.dtype):
            return self.model(tokens, targets)

    @torch.no_grad()
    def evaluate(self):
        self.model.eval()
        losses = [
            torch.stack([self.loss(*batch_of(split)) for _ in range(BATCHES)]).mean().item()
            for split in (self.train, self.val)
        ]
        self.model.train()
        return losses

    def iterate(self):
        iteration = next(self.iterations)
        for group in self.optimizer.param_groups:
            group["lr"] = rate(iteration)
        if iteration % EVERY == 0:
            self.evaluate()
        loss = self.loss(*self.batch)
        self.batch = batch_of(self.train)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.item()

    @torch.no_grad()
    def whole_validation(self):
        """The mean over all consecutive windows of the validation split."""
        blocks = (len(self.val) - 1) // CONTEXT
        ids = torch.from_numpy(self.val.astype(numpy.int64))
        tokens = ids[: blocks * CONTEXT].view(blocks, CONTEXT)
        targets = ids[1 : blocks * CONTEXT + 1].view(blocks, CONTEXT)
        parts = [(self.loss(t, y).item(), len(t)) for t, y in zip(tokens.split(64), targets.split(64))]
        return sum(loss * n for loss, n in parts) / blocks


def main():
    parser = gpt_torch.arguments(__doc__)
    parser.add_argument("--data", required=True, help="the text")
    parser.add_argument("--full-run", action="store_true")
    options = parser.parse_args()
    gpt_torch.prepare(options)
    training = Training(options)
    if options.full_run:
        result = gpt_torch.timed(training.iterate, ITERATIONS + 1)
        gpt_torch.say(**result, val_loss=training.whole_validation(), dtype=options.dtype, threads=options.threads)
    else:
        gpt_torch.serve(training.iterate, options)


if __name__ == "__main__":
    main()
