"""Peer of bench_moe.cpp: transformers' sparse blocks of Mixtral and Qwen3-MoE in PyTorch, f32, one sequence of 512 rows
of 512 columns, forward without gradients.

    echo 'segment 1 moe_qwen3' | python moe_torch.py --threads 2
"""

import argparse
import json
import sys
import time

import torch
from transformers import MixtralConfig, Qwen3MoeConfig
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock
from transformers.models.qwen3_moe.modeling_qwen3_moe import Qwen3MoeSparseMoeBlock

LENGTH, WIDTH = 512, 512


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    x = torch.randn(1, LENGTH, WIDTH)
    mixtral = MixtralConfig(hidden_size=WIDTH, intermediate_size=1792, num_local_experts=8, num_experts_per_tok=2)
    qwen3 = Qwen3MoeConfig(hidden_size=WIDTH, moe_intermediate_size=384, num_experts=64, num_experts_per_tok=8)
    for config in mixtral, qwen3:
        config._experts_implementation = "eager"
    blocks = {"moe_mixtral": MixtralSparseMoeBlock(mixtral), "moe_qwen3": Qwen3MoeSparseMoeBlock(qwen3)}
    for block in blocks.values():
        block.eval()
        for weights in block.parameters():
            torch.nn.init.normal_(weights, std=0.02)
    print(json.dumps({"ready": f"torch {torch.__version__}"}), flush=True)
    for line in sys.stdin:
        _, count, figure = line.split()
        start = time.perf_counter()
        with torch.no_grad():
            for _ in range(int(count)):
                blocks[figure](x)
        print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)


if __name__ == "__main__":
    main()
