"""Peer of gpt2_step_f32 and gpt2_step_bf16: one training step of GPT-2 124M in eager PyTorch on 4 sequences of 64 tokens:
zero_grad, forward, backward, clip 1.0, fused AdamW. The weights are random, the tokens too; the time knows neither.

    echo 'segment 3' | python gpt2_step_torch.py --dtype bf16
"""

import torch

import gpt_torch

VOCAB, BATCH, LENGTH = 50257, 4, 64


def main():
    options = gpt_torch.arguments(__doc__).parse_args()
    gpt_torch.prepare(options)
    model = gpt_torch.Gpt(12, 12, 768, 1024, VOCAB, bias=True)
    optimizer = gpt_torch.adamw(model, 3e-4, (0.9, 0.95), 0.1, fused=True)
    tokens = torch.randint(VOCAB, (BATCH, LENGTH))
    targets = torch.randint(VOCAB, (BATCH, LENGTH))

    def step():
        optimizer.zero_grad(set_to_none=True)
        with gpt_torch.precision(options.dtype):
            loss = model(tokens, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    step()  # allocates the moments
    gpt_torch.serve(step, options)


if __name__ == "__main__":
    main()
