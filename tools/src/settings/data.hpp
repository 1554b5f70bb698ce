// Flags of the verbs that make data, and look at it.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace settings {

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

/// fauna download.
struct Download {
  std::string revision = "main", out;
  std::vector<std::string> include;

  template <class F> void each(F&& f) {
    f("revision", revision, "a branch, a tag or a commit");
    f("out", out, "folder for the files, where those that differ are replaced; without it, models/ORG/NAME");
    f("include", include,
      "files to fetch instead of those that a model directory has, such as '*.gguf'; several: all that match one");
  }
};

}  // namespace settings
