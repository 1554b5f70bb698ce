// Every flag once: its name, default and meaning. The launcher's parser, its help, and the compiled program all read
// these lists.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <fauna/core/error.hpp>
#include <fauna/core/number_text.hpp>

namespace settings {

// A value from text, all of it or nothing; as text; and what to call the type.
inline bool parse(std::string const& s, long& v) { return fauna::number_text::parse(s, v); }
inline bool parse(std::string const& s, std::uint64_t& v) { return fauna::number_text::parse(s, v); }
inline bool parse(std::string const& s, double& v) { return fauna::number_text::parse(s, v) && v - v == 0; }
inline bool parse(std::string const& s, bool& v) {
  v = s == "true" || s == "True" || s == "1";
  return v || s == "false" || s == "False" || s == "0";
}
inline bool parse(std::string const& s, std::string& v) {
  v = s;
  return true;
}
inline std::string text(long v) { return fauna::number_text::of(v); }
inline std::string text(std::uint64_t v) { return fauna::number_text::of(v); }
inline std::string text(double v) { return fauna::number_text::of(v); }
inline std::string text(bool v) { return v ? "true" : "false"; }
inline std::string text(std::string const& v) { return v; }
/// A list is a flag given several times: each value is added.
inline bool parse(std::string const& s, std::vector<std::string>& v) {
  v.push_back(s);
  return true;
}
inline const char* type_name(long) { return "a whole number"; }
inline const char* type_name(std::uint64_t) { return "a whole number, not negative"; }
inline const char* type_name(double) { return "a number"; }
inline const char* type_name(bool) { return "true or false"; }
inline const char* type_name(std::string const&) { return "text"; }
inline const char* type_name(std::vector<std::string> const&) { return "text"; }

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

/// fauna tokenize.
struct Tokenize {
  std::string decode;
  bool pieces = false, special = true, add_special = true;

  template <class F> void each(F&& f) {
    f("decode", decode,
      "ids, with commas between, to print as the text that they spell, in place of a text as its ids");
    f("pieces", pieces, "a line for each token: its id and what it spells");
    f("special", special, "read special tokens in the text as tokens, not as text");
    f("add-special", add_special, "put what the tokenizer puts before a text before it");
  }
};

/// fauna tokenizer.
struct Tokenizer {
  long vocab = 4096, min_count = 1;
  std::string out = "tokenizer.json", pattern = "gpt2", field = "text";
  std::vector<std::string> special{};

  template <class F> void each(F&& f) {
    f("vocab", vocab, "tokens, with 256 bytes and the special ones");
    f("min-count", min_count, "how often a pair must stand in the texts to become a token");
    f("out", out, "the file to write");
    f("pattern", pattern, "what cuts texts into words: gpt2, llama3 or qwen2");
    f("special", special, "a special token (may be given several times); without any, <|endoftext|>");
    f("field", field, "where a line of a .jsonl file has its text");
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

/// fauna prepare.
struct Prepare {
  std::string tokenizer, out_dir = "data/prepared", field = "text", end;
  double val = 0.0005;
  long shard_tokens = 100000000;
  std::uint64_t seed = 1337;
  bool overwrite = false;

  template <class F> void each(F&& f) {
    f("tokenizer", tokenizer, "a tokenizer.json, or a folder with one");
    f("out-dir", out_dir, "the folder to write: train --data takes it");
    f("val", val, "share that validates: of a .jsonl file documents are drawn, of others it is their last part");
    f("shard-tokens", shard_tokens, "tokens of a file at most");
    f("end", end, "the token behind each document; without it <|endoftext|>, <|end_of_text|>, </s> or <eos>");
    f("field", field, "where a line of a .jsonl file has its text");
    f("seed", seed, "of the draw of documents that validate");
    f("overwrite", overwrite, "replace the data that OUT-DIR has");
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

struct Train {
  std::string data = "data/tinyshakespeare.txt", tokenizer, out_dir = "out", init_from = "scratch", dtype = "f32",
              schedule = "cosine", optimizer = "adamw", tensorboard, pp_schedule = "1f1b";
  long threads = 0, max_iters = 2000, batch_size = 12, gradient_accumulation_steps = 1, warmup_iters = 100,
       lr_decay_iters = 2000, eval_interval = 250, eval_iters = 20, log_interval = 10, pieces = 0, zero = 0, tp = 1,
       pp = 1, pp_rounds = 0, cp = 1, ep = 1, profile = 0, keep_checkpoints = 0, restarts = 0, ranks = 0;
  double learning_rate = 1e-3, min_lr = 1e-4, weight_decay = 0.1, beta1 = 0.9, beta2 = 0.99, grad_clip = 1,
         muon_rate = 1, muon_momentum = 0.95, layer_dropout = 0, exit_loss = 0;
  bool decay_lr = true, eval_only = false, always_save_checkpoint = false, overwrite = false, async_checkpoints = false;
  std::uint64_t seed = 1337;

  template <class F> void each(F&& f) {
    f("data", data,
      "text to train on, UTF-8, whose last tenth validates; or a folder of tokens, as fauna prepare writes it");
    f("tokenizer", tokenizer,
      "a tokenizer.json, or a folder with one; without it, what INIT-FROM was trained with, or the text's characters");
    f("out-dir", out_dir, "folder for checkpoints, metrics, loss curve and summary");
    f("overwrite", overwrite, "remove what another run left in OUT-DIR; without it, such a folder is refused");
    f("init-from", init_from,
      "scratch, resume (OUT-DIR/last.safetensors), or weights to start from: a model directory, a run's folder, or a "
      "file");
    f("dtype", dtype,
      "f32 or bf16: precision of matrix products; or float8, float8_rowwise or mxfp8: linear layers in eight bits, "
      "emulated in f32");
    f("threads", threads, "0: one for every processor");
    f("seed", seed, "of initial weights, batches and dropout");
    f("max-iters", max_iters, "number of the last update; the first is 0");
    f("batch-size", batch_size, "sequences of a batch");
    f("gradient-accumulation-steps", gradient_accumulation_steps, "batches of an update");
    f("learning-rate", learning_rate, "the highest");
    f("decay-lr", decay_lr, "follow the schedule; false: always learning-rate");
    f("schedule", schedule, "cosine, linear, constant (after warm-up) or wsd (warm-up, stable, decay)");
    f("warmup-iters", warmup_iters, "updates of rising learning rate");
    f("lr-decay-iters", lr_decay_iters, "update at which min-lr is reached");
    f("min-lr", min_lr, "the learning rate at the end");
    f("optimizer", optimizer, "adamw; or muon, for matrices in layers, and AdamW for the rest");
    f("muon-rate", muon_rate, "of --optimizer muon: its learning rate, in those of AdamW");
    f("muon-momentum", muon_momentum, "of --optimizer muon: what is kept of the mean gradient");
    f("weight-decay", weight_decay, "of tensors with two dimensions");
    f("beta1", beta1, "AdamW's, of the mean gradient");
    f("beta2", beta2, "AdamW's, of the mean squared gradient");
    f("grad-clip", grad_clip, "most that the global gradient norm may be; 0: off");
    f("layer-dropout", layer_dropout,
      "how often a batch passes over the last layer, in [0, 1); over those before it less often, over the first never");
    f("exit-loss", exit_loss,
      "weight of the loss where a model ends after its first layers, of each number of them in turn, for --draft "
      "exit:LAYERS; 0: none");
    f("eval-interval", eval_interval, "updates from one evaluation to the next; 0: none");
    f("eval-iters", eval_iters, "batches of an evaluation, of each part; 0: each part as a whole");
    f("eval-only", eval_only, "evaluate once and stop");
    f("log-interval", log_interval, "updates from one line to the next; 0: none");
    f("always-save-checkpoint", always_save_checkpoint, "best.safetensors at every evaluation, not only at a new best");
    f("tensorboard", tensorboard, "folder for TensorBoard's events; empty: none");
    f("profile", profile, "updates that are timed block by block, into OUT-DIR/trace.json and a table; 0: none");
    f("pieces", pieces,
      "parts of an update's sequences whose gradients are computed apart and added by a fixed tree, so that any number "
      "of "
      "ranks has the same bits; 0: one a rank");
    f("zero", zero,
      "what ranks share (ZeRO's stage): 1: AdamW's moments; 2: gradients too; 3: weights too; 0: each has all");
    f("tp", tp,
      "ranks that each have a part of all heads and matrices (tensor parallel), so many for each copy of the model; 1: "
      "each has all");
    f("pp", pp,
      "ranks that each have some of the layers (pipeline), so many for each copy of the model; 1: each has all");
    f("pp-schedule", pp_schedule,
      "of --pp: the order of an update's passes: gpipe, 1f1b, interleaved, zb1p, zbv or dualpipev");
    f("pp-rounds", pp_rounds,
      "of --pp: stages of a rank, in turns, with interleaved and zb1p; 0: two with interleaved, zbv and dualpipev, "
      "else "
      "one");
    f("cp", cp, "ranks that each have some positions of every sequence (context parallel); 1: each has all");
    f("ep", ep,
      "ranks that each have some of the experts of a mixture (expert parallel), so many for each copy of them; 1: each "
      "has all");
    f("keep-checkpoints", keep_checkpoints,
      "on ranks: each writes its part of a checkpoint, and the last so many of them stay; 0: one file, written by one");
    f("async-checkpoints", async_checkpoints,
      "write checkpoints from a copy in memory while updates go on; an error of the disk ends the run an update later");
    f("restarts", restarts,
      "have mpirun, or $FAUNA_MPIRUN, start ranks, and so many times again from the last checkpoint where one was "
      "killed; 0: whoever wants ranks starts mpirun");
    f("ranks", ranks, "with --restarts: how many; 0: as many as mpirun finds room for, at each start");
  }
};

/// What the program that trains is told: the flags, and what the launcher made of them.
struct Run : Train {
  long context = 0;
  std::string recipe;

  template <class F> void each(F&& f) {
    Train::each(f);
    f("context", context, "tokens of a sequence");
    f("recipe", recipe, "contents of OUT-DIR/run.toml");
  }
};

/// Names as in other tools for the same, where nanoGPT has none.
struct Finetune {
  std::string data, out = "adapter", kind = "lora", targets = "all", dtype = "f32", schedule = "cosine", prefer;
  std::string reward_regex, reward_program;
  long lora = 8, steps = 200, batch_size = 8, accumulation = 1, block_size = 0, warmup = 10, threads = 0,
       eval_interval = 50, eval_iters = 0, patience = 0, log_interval = 10, group = 8, max_new_tokens = 64, updates = 1;
  double alpha = 16, lora_dropout = 0, lora_plus = 1, lr = 1e-3, min_lr = 0, weight_decay = 0, beta1 = 0.9,
         beta2 = 0.999, grad_clip = 1, val = 0.1, beta = 0.1, label_smoothing = 0, desirable = 1, undesirable = 1,
         clip = 0.2;
  bool resume = false, overwrite = false, special = true, qlora = false, pack = false, rslora = false, dora = false,
       pissa = false;
  std::uint64_t seed = 1337;

  template <class F> void each(F&& f) {
    f("data", data,
      "FILE.txt: a text; FILE.jsonl, an example a line, or FILE.json, an array of them: {\"prompt\": ..., "
      "\"completion\": "
      "...}, of which completions count, {\"text\": ...}, Alpaca's {\"instruction\": ..., \"input\": ..., \"output\": "
      "...}, {\"messages\": [...]}, or ShareGPT's {\"conversations\": [...]}");
    f("prefer", prefer,
      "dpo, orpo or kto: train on preferences, {\"prompt\": ..., \"chosen\": ..., \"rejected\": ...} a line, or for "
      "kto "
      "{\"prompt\": ..., \"completion\": ..., \"label\": true}; or grpo: on rewards of the model's own answers to "
      "{\"prompt\": ...}");
    f("beta", beta,
      "of --prefer: how much the loss asks for, and in dpo and kto how near the answers stay to the model's; in "
      "grpo the weight of the divergence from the model, 0 where it is not given");
    f("label-smoothing", label_smoothing,
      "of --prefer dpo: the share of pairs that are the wrong way round, below 0.5");
    f("desirable", desirable, "of --prefer kto: the weight of good answers");
    f("undesirable", undesirable, "of --prefer kto: the weight of bad answers");
    f("reward-regex", reward_regex,
      "of --prefer grpo: an answer in which this regular expression is found is worth 1, others 0");
    f("reward-program", reward_program,
      "of --prefer grpo: a command, run once an update, that reads a line of JSON for each answer, {\"prompt\": ..., "
      "\"completion\": ..., \"example\": the data's line}, and writes what it is worth, a number a line");
    f("group", group, "of --prefer grpo: answers to each prompt, which are compared with each other");
    f("max-new-tokens", max_new_tokens, "of --prefer grpo: tokens of an answer at most");
    f("updates", updates, "of --prefer grpo: updates by the same answers");
    f("clip", clip,
      "of --prefer grpo: how far a token's likelihood may go from that at the draw, as a part of it, and still count");
    f("kind", kind,
      "lora; adapter: a learnt prefix that attention sees in each layer (LLaMA-Adapter); or adapter_v2: a factor and a "
      "shift for each output of the linear layers, beside the norms (LLaMA-Adapter V2)");
    f("lora", lora, "rank of the adapters");
    f("qlora", qlora, "hold the layers under the adapters in four bits (NF4), and train beside them as they then are");
    f("alpha", alpha, "adapters are multiplied by alpha / rank");
    f("rslora", rslora, "multiply them by alpha / sqrt(rank) instead: rank-stabilised LoRA");
    f("dora", dora, "train the lengths of the weights' rows too: DoRA");
    f("pissa", pissa, "start with the principal singular vectors of each layer, beside what is left of it: PiSSA");
    f("lora-plus", lora_plus, "LoRA+: the learning rate of B is so many times A's, such as 16; 1: the same");
    f("targets", targets, "all: every linear layer; or names with commas between them, such as q_proj,v_proj");
    f("lora-dropout", lora_dropout, "share of what adapters read that is dropped in training, in [0, 1)");
    f("out", out, "folder for the adapter, checkpoints, metrics and loss curve");
    f("resume", resume, "go on from OUT/last.safetensors");
    f("overwrite", overwrite, "remove what another run left in OUT; without it, such a folder is refused");
    f("dtype", dtype, "f32 or bf16: precision of matrix products");
    f("threads", threads, "0: one for every processor");
    f("seed", seed, "of initial adapters, batches and dropout");
    f("steps", steps, "updates");
    f("batch-size", batch_size, "sequences of a batch");
    f("accumulation", accumulation, "batches of an update");
    f("block-size", block_size,
      "tokens of a sequence at most; 0: the longest example's, with --pack the model's context and 2048 at most, or "
      "256 "
      "of a text");
    f("pack", pack,
      "several examples in a sequence, each a document that sees nothing of the others: the same losses, and fewer "
      "tokens that only fill up");
    f("special", special, "read special tokens in examples as tokens, not as text");
    f("val", val, "share of the data, its last part, that validates and does not train; 0: none");
    f("lr", lr, "learning rate, the highest");
    f("schedule", schedule, "cosine, linear, constant (after warm-up) or wsd (warm-up, stable, decay)");
    f("warmup", warmup, "updates of rising learning rate; where that is not given, a tenth of few steps");
    f("min-lr", min_lr, "the learning rate at the end");
    f("weight-decay", weight_decay, "AdamW's");
    f("beta1", beta1, "AdamW's, of the mean gradient");
    f("beta2", beta2, "AdamW's, of the mean squared gradient");
    f("grad-clip", grad_clip, "most that the global gradient norm may be; 0: off");
    f("eval-interval", eval_interval, "updates from one evaluation to the next; 0: none");
    f("eval-iters", eval_iters, "batches of an evaluation, of each part; 0: each part as a whole");
    f("patience", patience, "end after so many evaluations in a row without a new lowest validation loss; 0: never");
    f("log-interval", log_interval, "updates from one line to the next; 0: none");
  }
};

/// Medusa's heads, alone or with their model, EAGLE's layer, or a draft model.
struct DraftTrain {
  std::string kind = "medusa", data, out = "medusa.safetensors", model, hidden;
  long heads = 3, heads_first = 50, steps = 200, batch_size = 4, block_size = 64, log_interval = 10, threads = 0;
  double lr = 1e-3, model_lr = 2.5e-4, heads_weight = 0.2, tv_weight = 0.9;
  bool own_heads = false;
  std::uint64_t seed = 1337;

  template <class F> void each(F&& f) {
    f("kind", kind,
      "medusa, heads; medusa2, heads and the model with them; eagle, a layer that guesses features, for models of type "
      "llama; or model, a smaller model that learns the model's laws");
    f("data", data, "a text, UTF-8; texts that the model wrote itself make the best drafters");
    f("out", out,
      "the file of heads to write, as published; what they came to stands beside it in FILE.metrics.jsonl; of other "
      "kinds a folder, medusa2, eagle or draft where it is not given");
    f("heads", heads, "tokens that are guessed behind the next one, of medusa and medusa2");
    f("own-heads", own_heads,
      "of --kind medusa: each head has an output matrix of its own, as published, which starts as the model's and "
      "learns; without it they share the model's");
    f("heads-first", heads_first,
      "of --kind medusa2: updates of heads alone, before the model learns too; a quarter of all where it is not given");
    f("model-lr", model_lr,
      "of --kind medusa2: learning rate of the model's first update; a quarter of --lr, which is the heads', where it "
      "is not given");
    f("heads-weight", heads_weight, "of --kind medusa2: weight of the heads' losses beside the model's own");
    f("model", model,
      "of --kind model: a name that fauna type knows, untrained, or a model directory of the same vocabulary, whose "
      "weights it starts from");
    f("tv-weight", tv_weight,
      "of --kind model, 0 to 1: the part of the loss that is the total variation, which is what drafts are turned down "
      "by; the rest is the divergence KL");
    f("hidden", hidden,
      "of --kind medusa and eagle: a file of what the model gives for the text, which it then reads once for all runs; "
      "4 bytes times tokens times width; windows begin at multiples of their length");
    f("steps", steps, "updates");
    f("batch-size", batch_size, "sequences of an update");
    f("block-size", block_size, "tokens of each");
    f("lr", lr, "learning rate of the first update; it falls linearly to nothing");
    f("log-interval", log_interval, "updates from one line to the next; 0: none");
    f("threads", threads, "0: one for every processor");
    f("seed", seed, "of the batches");
  }
};
struct DraftTrainRun : DraftTrain {
  std::string base, weights;
  template <class F> void each(F&& f) {
    DraftTrain::each(f);
    f("base", base, "the model directory");
    f("weights", weights, "of --kind model: the directory whose weights it starts from, if there is one");
  }
};

/// What the program that fine-tunes is told beside the flags.
struct FinetuneRun : Finetune {
  std::string base, recipe;
  long end = -1;
  std::string stop_ids;

  template <class F> void each(F&& f) {
    Finetune::each(f);
    f("base", base, "the model directory");
    f("end", end, "the token that ends a completion; -1: none");
    f("stop-ids", stop_ids, "the tokens that end an answer of the model, with commas between");
    f("recipe", recipe, "contents of OUT/run.toml");
  }
};

inline constexpr const char* quantize_meaning =
    "Q8_0, Q5_1, Q5_0, Q4_1, Q4_0, IQ4_NL or MXFP4: what matrices become as they are loaded; empty: what they are in "
    "the files";
inline constexpr const char* adapter_meaning =
    "an adapter's folder, as finetune writes it, or peft one of LoRA, to put to the weights";

inline constexpr const char* values_meaning =
    "a JSON object of what else the chat template reads, such as {\"enable_thinking\": false} or tools; FILE:PATH for "
    "the "
    "object in a file";

/// Flags of the verbs that read a model directory.
struct Logits {
  std::string tokens, out, adapter, quantize, dtype = "f32";
  bool decode = false;
  long threads = 0, chunk = 512;

  template <class F> void each(F&& f) {
    f("tokens", tokens, "token ids with commas between them, such as 1,2,3");
    f("out", out, "FILE.npy to write: f32, [tokens, vocabulary]");
    f("adapter", adapter, adapter_meaning);
    f("decode", decode, "one token after another through the state, not all at once");
    f("chunk", chunk, "tokens read at once");
    f("quantize", quantize, quantize_meaning);
    f("dtype", dtype, "f32 or bf16: storage of the matrices and precision of their products");
    f("threads", threads, "0: one for every processor");
  }
};

struct Generate {
  std::string prompt, values, tokenizer, adapter, quantize, regex, json_schema,
      dtype = "f32", at_context_end = "stop", draft, acceptance = "match", draft_tree, rewind = "auto";
  std::vector<std::string> stop;
  bool chat = false, special = true, draft_stats = false, adaptive = true;
  long num_samples = 1, max_new_tokens = 200, top_k = 0, threads = 0, chunk = 512, context = 0, draft_max = 4,
       draft_nodes = 12, tp = 1, pp = 1;
  double temperature = 0, top_p = 1, min_p = 0, repetition_penalty = 1;
  std::uint64_t seed = 1337;

  template <class F> void each(F&& f) {
    f("prompt", prompt, "what to continue: a text, or FILE:PATH for the text in a file");
    f("chat", chat,
      "put the prompt into the model's chat template, as what a user says; special tokens in it are read as text");
    f("values", values, values_meaning);
    f("special", special, "read special tokens in a prompt without --chat as tokens, not as text");
    f("tokenizer", tokenizer,
      "a tokenizer.json, or the vocabulary of RWKV World; without it, the directory's, or bytes where the model has "
      "256");
    f("adapter", adapter, adapter_meaning);
    f("quantize", quantize, quantize_meaning);
    f("regex", regex, "a regular expression that what is written matches as a whole");
    f("json-schema", json_schema, "a file with a JSON schema that what is written fits");
    f("tp", tp, "ranks that each have a part of all heads and matrices (tensor parallel), of each stage; 1: all");
    f("pp", pp, "ranks that each have some of the layers (pipeline); 1: all");
    each_shared(f);
  }
  /// What any model and text has.
  template <class F> void each_shared(F&& f) {
    f("num-samples", num_samples, "how many texts");
    each_drawn(f);
    f("at-context-end", at_context_end, "stop, slide (go on from the last tokens) or refuse");
    f("draft", draft,
      "write the same text sooner: ngram (drafts from what the text has already), auto (the same where it pays), "
      "ngram-tree (several such continuations at once), pool:FILE (from all texts so far, which FILE remembers), "
      "medusa:FILE (heads that draft-train made), eagle:FILE or its folder (an EAGLE layer), mtp (the model's own "
      "layers for further tokens), exit:LAYERS "
      "(its first layers), lookahead:N,W,G (its own guesses of W places and n-grams of N tokens, G at once), a smaller "
      "model of the same vocabulary, or ngram+ and a model");
    f("draft-max", draft_max, "tokens of a draft at most; of one that branches, its depth");
    f("draft-nodes", draft_nodes, "tokens of a draft that branches at most, up to 63");
    f("draft-tree", draft_tree,
      "P1,P2,...: how often the likeliest candidate of a place is right, the second, ..., as --draft-stats measures: "
      "medusa and a smaller model draft the tree of --draft-nodes and --draft-max that keeps the most tokens");
    f("adaptive", adaptive,
      "drafts as long as is measured to pay, 0 included; where the ids follow from the length of drafts it has to be "
      "asked for, and they are then no function of the seed");
    f("acceptance", acceptance,
      "which drafts stay: match (plain decoding's text), greedy, rejection, point-mass, without-replacement (its law), "
      "typical (neither)");
    f("rewind", rewind,
      "how a recurrent state goes back to the tokens of a draft that stay: copy (they are read again), all_states (it "
      "is kept after each token), factors (it is made again from their keys, values and decays), replay (the text is "
      "read again from its start), auto; the text is the same");
    f("draft-stats", draft_stats, "say what came of the drafts, and what plain decoding takes in the same run");
  }
  /// How a text is drawn.
  template <class F> void each_drawn(F&& f) {
    f("max-new-tokens", max_new_tokens, "tokens of each at most");
    f("temperature", temperature, "below 1 safer, above 1 bolder; 0: always the likeliest");
    f("top-k", top_k, "choose among the k likeliest; 0: among all");
    f("top-p", top_p, "choose among the likeliest that together have probability p");
    f("min-p", min_p, "drop tokens less likely than this part of the likeliest");
    f("repetition-penalty", repetition_penalty, "above 1: tokens that the text has already become less likely");
    f("stop", stop, "end before this text; several: before the first of them");
    f("seed", seed, "the same seed gives the same texts");
    f("context", context, "tokens of prompt and text at most; 0: the model's own context");
    f("chunk", chunk, "tokens of the prompt read at once");
    f("dtype", dtype, "f32 or bf16: precision of matrix products, and storage of a model directory's matrices");
    f("threads", threads, "0: one for every processor");
  }
};

/// A conversation in the terminal.
struct Chat : Generate {
  Chat() { max_new_tokens = 1000; }
  std::string system;
  template <class F> void each(F&& f) {
    f("system", system, "what the model is told before the conversation");
    f("values", values, values_meaning);
    f("adapter", adapter, adapter_meaning);
    each_drawn(f);
  }
};

/// The same for a checkpoint of characters, with nanoGPT's defaults and its name for the prompt.
struct Sample : Generate {
  Sample() {
    prompt = "\n";
    at_context_end = "slide";
    num_samples = 10;
    max_new_tokens = 500;
    top_k = 200;
    temperature = 0.8;
  }
  template <class F> void each(F&& f) {
    f("start", prompt, "what to continue: a text, or FILE:PATH for the text in a file");
    each_shared(f);
  }
};

/// What the program that writes is told: the flags, and where a model drafts, its weights and which engine is whose.
template <class S> struct Told : S {
  std::string engine, draft_engine, draft_weights;
  std::uint64_t vocabulary = 0;

  template <class F> void each(F&& f) {
    S::each(f);
    f("engine", engine, "of the model");
    f("draft-engine", draft_engine, "of the draft model");
    f("draft-weights", draft_weights, "a model directory, or a checkpoint");
    f("vocabulary", vocabulary, "a hash of what the ids mean, for a pool of n-grams");
  }
};

/// For verbs that read a model directory's own tokenizer otherwise.
inline constexpr const char* tokenizer_meaning = "a tokenizer.json, or a folder with one; without it, the directory's";

struct Serve {
  std::string host = "127.0.0.1", api_key_file, name, tokenizer, draft, tensorboard, trace = "trace.json", quantize,
              dtype = "f32";
  std::vector<std::string> lora;
  long port = 8080, profile = 0, parallel = 0, context = 0, queue = 32, time_out = 0, chunk = 128, draft_max = 4,
       draft_nodes = 12, threads = 0;

  template <class F> void each(F&& f) {
    f("host", host, "address to listen on; the one by default is this machine's alone");
    f("port", port, "port to listen on; 0: any that is free");
    f("api-key-file", api_key_file,
      "a file with the keys that let in, one a line; without it, whoever comes is let in");
    f("name", name, "what requests call the model; without it, the name of its folder");
    f("lora", lora, "NAME=FOLDER, may be given several times: a LoRA adapter, as peft writes it, for requests to NAME");
    f("tokenizer", tokenizer, tokenizer_meaning);
    f("context", context, "tokens of prompt and text at most; 0: the model's own context, or 8192 where it has none");
    f("parallel", parallel,
      "texts that are written at once; 0: 8, or as many as half of this machine's memory has room for");
    f("queue", queue, "requests that may wait for a place among them; more are refused");
    f("time-out", time_out, "seconds that a request may take, waiting included; 0: any number");
    f("chunk", chunk, "tokens of prompts that a step reads beside the texts that are being written");
    f("draft", draft,
      "write the same texts sooner: ngram (drafts from what a text has already), ngram-tree, pool:FILE, medusa:FILE, "
      "eagle:FILE, mtp, exit:LAYERS, lookahead:N,W,G, a smaller model of the same vocabulary, or ngram+ and a model, "
      "as generate has them");
    f("draft-max", draft_max,
      "tokens of a draft at most; of one that branches, its depth; fewer where many texts are written");
    f("draft-nodes", draft_nodes, "tokens of a draft that branches at most");
    f("tensorboard", tensorboard, "a folder for what /metrics counts over time, as TensorBoard reads it");
    f("profile", profile, "steps that are timed block by block, into --trace and a table; 0: none");
    f("trace", trace, "the file that --profile writes, for chrome://tracing or ui.perfetto.dev");
    f("quantize", quantize, quantize_meaning);
    f("dtype", dtype, "f32 or bf16: storage of the matrices and precision of their products");
    f("threads", threads, "0: one for every processor");
  }
};

struct Perplexity {
  std::string tokenizer, adapter, quantize, dtype = "f32";
  long context = 0, threads = 0;

  template <class F> void each(F&& f) {
    f("context", context,
      "tokens of a window; 0: the model's context, 1024 at most, or the whole text in one pass "
      "where a model has none");
    f("tokenizer", tokenizer, tokenizer_meaning);
    f("adapter", adapter, adapter_meaning);
    f("quantize", quantize, quantize_meaning);
    f("dtype", dtype, "f32 or bf16: storage of the matrices and precision of their products");
    f("threads", threads, "0: one for every processor");
  }
};

struct Eval {
  std::string task, json, tokenizer, adapter, quantize, dtype = "f32";
  long limit = 0, context = 0, prefix = -1, threads = 0;
  bool add_special = false;

  template <class F> void each(F&& f) {
    f("task", task, "a file of items, JSON lines, or the name of one in examples/tasks");
    f("limit", limit, "items at most, from the first one on; 0: all");
    f("json", json, "FILE to write: the metrics, and what was made of each item");
    f("context", context, "tokens read at once at most; 0: the model's context, or 2048 where it has none");
    f("prefix", prefix, "the token before a text that nothing is before; -1: the one that the directory names");
    f("add-special", add_special, "put what the tokenizer puts before a text before contexts and prompts");
    f("tokenizer", tokenizer, tokenizer_meaning);
    f("adapter", adapter, adapter_meaning);
    f("quantize", quantize, quantize_meaning);
    f("dtype", dtype, "f32 or bf16: storage of the matrices and precision of their products");
    f("threads", threads, "0: one for every processor");
  }
};

struct Compare {
  std::string tokenizer, dtype = "f32";
  long threads = 0;

  template <class F> void each(F&& f) {
    f("tokenizer", tokenizer, tokenizer_meaning);
    f("dtype", dtype, "f32 or bf16: storage of the matrices and precision of their products");
    f("threads", threads, "0: one for every processor");
  }
};

struct Explain {
  std::string quantize, dtype = "f32";
  long batch_size = 12, context = 0, threads = 0;

  template <class F> void each(F&& f) {
    f("batch-size", batch_size, "sequences of a batch, for the memory plan");
    f("context", context, "tokens of a sequence, for the memory plan; 0: the model's own context");
    f("quantize", quantize, "also the memory of weights for inference with matrices of this type");
    f("dtype", dtype, "f32 or bf16: precision of matrix products");
    f("threads", threads, "0: one for every processor");
  }
};

/// Sets the flag `name` of a list; false where the list does not have it. Throws on a value of another type.
template <class S> bool assign(S& list, std::string const& name, std::string const& value) {
  bool found = false;
  list.each([&](const char* n, auto& v, const char*) {
    if (name != n) return;
    found = true;
    if (!parse(value, v)) fauna::fail("flags", "--" + name + " " + value, type_name(v));
  });
  return found;
}
/// A list as the arguments NAME=VALUE of a program that another program starts; a value may have any characters.
template <class S> std::vector<std::string> arguments(S list) {
  std::vector<std::string> all;
  list.each([&](const char* name, auto& value, const char*) {
    const auto add = [&](auto const& v) { all.push_back(std::string(name) + '=' + text(v)); };
    if constexpr (std::is_same_v<decltype(value), std::vector<std::string>&>)
      for (std::string const& v : value) add(v);
    else add(value);
  });
  return all;
}
/// Fills a list from the arguments NAME=VALUE of a program that another program starts.
template <class S> void read(S& list, int n, char** arguments) {
  for (int i = 0; i < n; ++i) {
    const std::string a = arguments[i];
    const std::size_t equals = a.find('=');
    if (equals == std::string::npos || !assign(list, a.substr(0, equals), a.substr(equals + 1)))
      fauna::fail("flags", "the argument " + a, "NAME=VALUE; this program is started by tools/fauna");
  }
}

}  // namespace settings
