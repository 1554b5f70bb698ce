// Flags of the verbs that train.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace settings {

struct Train {
  std::string data = "data/tinyshakespeare.txt", val_data, tokenizer, out_dir = "out", init_from = "scratch",
              dtype = "f32", schedule = "cosine", optimizer = "adamw", tensorboard, pp_schedule = "1f1b",
              recompute = "none";
  long threads = 0, max_iters = 2000, batch_size = 12, gradient_accumulation_steps = 1, warmup_iters = 100,
       lr_decay_iters = 2000, eval_interval = 250, eval_iters = 20, log_interval = 10, pieces = 0, zero = 0,
       replicas = 1, tp = 1, pp = 1, pp_rounds = 0, cp = 1, ep = 1, profile = 0, keep_checkpoints = 0, restarts = 0,
       ranks = 0, watchdog = 600;
  double learning_rate = 1e-3, min_lr = 1e-4, weight_decay = 0.1, beta1 = 0.9, beta2 = 0.99, grad_clip = 1,
         muon_rate = 1, muon_momentum = 0.95, layer_dropout = 0, exit_loss = 0;
  bool decay_lr = true, eval_only = false, always_save_checkpoint = false, overwrite = false, async_checkpoints = false,
       overlap = true, sequence_parallel = false;
  std::uint64_t seed = 1337;

  template <class F> void each(F&& f) {
    f("data", data,
      "text to train on, UTF-8, whose last tenth validates; or a folder of tokens, as fauna prepare writes it");
    f("val-data", val_data, "a text that validates, of which nothing trains; then all of DATA trains");
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
    f("recompute", recompute,
      "what is not kept for the backward pass, which runs it again: none; full, layers but for their inputs; or "
      "selective, norms and activations");
    f("profile", profile, "updates that are timed block by block, into OUT-DIR/trace.json and a table; 0: none");
    f("pieces", pieces,
      "parts of an update's sequences whose gradients are computed apart and added by a fixed tree, so that any number "
      "of "
      "ranks has the same bits; 0: one a rank");
    f("zero", zero,
      "what ranks share (ZeRO's stage): 1: AdamW's moments; 2: gradients too; 3: weights too; 0: each has all");
    f("replicas", replicas,
      "of --zero: groups of ranks that each share so and are copies of each other (HSDP); 1: all ranks share");
    f("overlap", overlap,
      "ranks exchange gradients, and with --zero 3 weights, while they compute; false: in turns, in less memory");
    f("watchdog", watchdog,
      "seconds that a rank waits for another's messages before all end, with an error that names it; 0: for ever");
    f("tp", tp,
      "ranks that each have a part of all heads and matrices (tensor parallel), so many for each copy of the model; 1: "
      "each has all");
    f("sequence-parallel", sequence_parallel,
      "of --tp: each of its ranks has some rows of what lies between those parts (norms, residual sums)");
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
  std::string modules_to_save, reward_regex, reward_program;
  long lora = 8, steps = 200, batch_size = 8, accumulation = 1, block_size = 0, warmup = 10, threads = 0,
       eval_interval = 50, eval_iters = 0, patience = 0, log_interval = 10, group = 8, max_new_tokens = 64, updates = 1;
  double alpha = 16, lora_dropout = 0, lora_plus = 1, lr = 1e-3, min_lr = 0, weight_decay = 0, beta1 = 0.9,
         beta2 = 0.999, grad_clip = 1, val = 0.1, beta = 0.1, label_smoothing = 0, desirable = 1, undesirable = 1,
         clip = 0.2;
  bool resume = false, overwrite = false, special = true, qlora = false, pack = false, rslora = false, dora = false,
       double_quant = false, pissa = false;
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
    f("double-quant", double_quant, "and their scales in eight: 4.13 bits a weight in place of 4.5 (with --qlora)");
    f("alpha", alpha, "adapters are multiplied by alpha / rank");
    f("rslora", rslora, "multiply them by alpha / sqrt(rank) instead: rank-stabilised LoRA");
    f("dora", dora, "train the lengths of the weights' rows too: DoRA");
    f("pissa", pissa, "start with the principal singular vectors of each layer, beside what is left of it: PiSSA");
    f("lora-plus", lora_plus, "LoRA+: the learning rate of B is so many times A's, such as 16; 1: the same");
    f("targets", targets,
      "all: every linear layer; or names with commas between them, such as q_proj,v_proj, a token table or head too");
    f("modules-to-save", modules_to_save,
      "names of modules that train as they are and go into the adapter whole, such as embed_tokens,lm_head");
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

}  // namespace settings
