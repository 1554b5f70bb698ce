// Flags of what a model is, and of the verbs that look at models or make others of them.
#pragma once
#include <string>

namespace settings {

/// What becomes the model's type. nanoGPT's names; its Shakespeare model for a CPU.
struct Structure {
  long n_layer = 4, n_head = 4, n_embd = 128, block_size = 64;
  bool bias = false;
  double dropout = 0;

  template <class F> void each(F&& f) {
    f("n-layer", n_layer, "layers");
    f("n-head", n_head, "attention heads of a layer; they divide n-embd");
    f("n-embd", n_embd, "width of the model");
    f("block-size", block_size, "tokens of a sequence in training; also the model's context, where no other is named");
    f("bias", bias, "biases in linear layers and norms");
    f("dropout", dropout, "share of activations dropped in training, in [0, 1)");
  }
};

struct Vocabulary {
  long vocab_size = 0;

  template <class F> void each(F&& f) {
    f("vocab-size", vocab_size, "tokens of the vocabulary; without it, the preset's");
  }
};

/// fauna upcycle.
struct Upcycle {
  long experts = 8, top_k = 2;

  template <class F> void each(F&& f) {
    f("experts", experts, "experts of a layer, each a copy of its MLP");
    f("top-k", top_k, "experts of a token");
  }
};

/// fauna plan. The defaults are those of H100s.
struct Plan {
  long gpus = 8, node = 8, seq = 0, batch = 0, microbatch = 1, top = 10;
  double memory = 80, peak = 989, inside = 300, across = 40, efficiency = 0.45;
  bool zero_bubble = false;

  template <class F> void each(F&& f) {
    f("gpus", gpus, "ranks in all");
    f("node", node, "ranks of a node");
    f("memory", memory, "GB of a rank that may be used");
    f("seq", seq, "tokens of a sequence; 0: the model's context, or 8192 where that is less");
    f("batch", batch, "sequences of a step; 0: MICROBATCH for each rank");
    f("microbatch", microbatch, "sequences that a rank takes at once");
    f("zero-bubble", zero_bubble, "pipelines as train --pp-schedule zb1p runs them, else 1f1b and interleaved");
    f("peak", peak, "TFLOP/s of a rank");
    f("inside", inside, "GB/s that a rank sends within its node");
    f("across", across, "GB/s that it sends to other nodes");
    f("efficiency", efficiency, "of the peak that a rank reaches where it waits for nobody");
    f("top", top, "layouts to print, the fastest first");
  }
};

struct Convert {
  std::string type{};

  template <class F> void each(F&& f) {
    f("type", type,
      "of the matrices: F32, F16, BF16, and in GGUF Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, or a mix by name and layer: Q3_K_S, "
      "Q3_K_M, Q3_K_L, Q4_K_S, Q4_K_M, Q5_K_S, Q5_K_M, Q6_K; empty: as they are, blocks in F32");
  }
};

/// How a model directory is read.
struct Reading {
  bool ignore_unknown_config = false;

  template <class F> void each(F&& f) {
    f("ignore-unknown-config", ignore_unknown_config, "pass over fields of a config.json that are not known here");
  }
};

/// What train starts from, where that is no checkpoint.
struct Named {
  std::string model = "nanogpt-cpu";

  template <class F> void each(F&& f) {
    f("model", model, "a name that fauna type knows, or a model directory: what its config.json says, untrained");
  }
};

struct Explain {
  std::string quantize, finetune, dtype = "f32";
  bool qlora = false, double_quant = false, dora = false, json = false;
  long batch_size = 12, context = 0, threads = 0;

  template <class F> void each(F&& f) {
    f("batch-size", batch_size, "sequences of a batch, for the memory plan");
    f("context", context, "tokens of a sequence, for the memory plan; 0: the model's own context");
    f("quantize", quantize,
      "also the memory of weights for inference with matrices of this type; with --finetune lora, of a base that "
      "stays in a GGUF file of it");
    f("finetune", finetune,
      "lora, lora:RANK, adapter or adapter_v2: the model with what fauna finetune would train beside it");
    f("qlora", qlora, "of --finetune lora: the layers under the adapters in four bits (NF4)");
    f("double-quant", double_quant, "and their scales in eight (with --qlora)");
    f("dora", dora, "of --finetune lora: the lengths of the weights' rows train too");
    f("dtype", dtype, "f32 or bf16: precision of matrix products");
    f("threads", threads, "0: one for every processor");
    f("json", json, "the tree and the counts as JSON, for other programs");
  }
};

/// fauna diff.
struct Diff {
  bool all = false;

  template <class F> void each(F&& f) { f("all", all, "also print the blocks and settings that both have alike"); }
};

}  // namespace settings
