#!/usr/bin/env python3
"""llama.cpp beside the decoding benchmark: the peer of smollm2_decode_bf16 and smollm2_prefill_bf16.

    llamacpp.py MODEL.gguf --threads N

`segment N decode` decodes N tokens one by one behind a prompt of 128; `segment N prefill` reads N prompts of 512 tokens.
Each answers with the seconds that it took. Needs llama-cpp-python, built from source for this processor.
"""
import argparse
import json
import sys
import time

import llama_cpp
from llama_cpp import Llama


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    llama = Llama(options.model, n_ctx=1024, n_batch=512, n_ubatch=512, n_threads=options.threads, n_threads_batch=options.threads, verbose=False)
    prompt = [1 + i * 37 % 48000 for i in range(512)]
    print(json.dumps({"ready": llama_cpp.llama_print_system_info().decode()}), flush=True)
    for line in sys.stdin:
        _, count, what = line.split()
        count = int(count)
        llama.reset()
        if what == "decode":
            llama.eval(prompt[:128])
            start = time.perf_counter()
            for i in range(count):
                llama.eval([prompt[i % 512]])
        else:
            start = time.perf_counter()
            for _ in range(count):
                llama.reset()
                llama.eval(prompt)
        print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)


if __name__ == "__main__":
    main()
