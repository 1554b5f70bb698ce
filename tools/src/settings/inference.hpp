// Flags of the verbs that write, answer and measure.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace settings {

inline constexpr const char* quantize_meaning =
    "Q8_0, Q6_K, Q5_K, Q5_1, Q5_0, Q4_K, Q4_1, Q4_0, Q3_K, Q2_K, IQ4_NL or MXFP4: what matrices become as they are "
    "loaded; empty: what they are in the files";
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

}  // namespace settings
