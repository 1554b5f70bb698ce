// The verbs that make data, and look at it: tokenizer, prepare, tokenize.
#include <tools/src/verbs/data.hpp>

#include <tools/src/checks.hpp>
#include <tools/src/documents.hpp>
#include <tools/src/flags.hpp>
#include <tools/src/prepared.hpp>
#include <tools/src/say.hpp>
#include <tools/src/token_list.hpp>
#include <tools/src/tokenizers.hpp>

#include <cmath>

#include <fauna/core/rng.hpp>
#include <fauna/io/clock.hpp>
#include <fauna/io/print.hpp>
#include <fauna/models/explain.hpp>
#include <fauna/text/bpe_trainer.hpp>
#include <fauna/text/tokenizer_json_writer.hpp>

namespace tool::verbs {

namespace {

/// Says how far something has come, every few seconds.
class Progress {
 public:
  template <class F> void at(F&& text) {
    const double now = fauna::seconds_now();
    if (now - said_ < 5) return;
    said_ = now;
    say(text());
  }
  double seconds() const { return fauna::seconds_now() - start_; }

 private:
  double start_ = fauna::seconds_now(), said_ = start_;
};

std::string megabytes(std::size_t bytes) { return fauna::decimal(static_cast<double>(bytes) * 1e-6, 1) + " MB"; }

}  // namespace

/// Prints a text's ids, or what ids spell. text: FILE:PATH for what a file contains.
void tokenize(tool::Verb const& verb, std::string const& from, std::string const& text) {
  settings::Tokenize s;
  verb.apply(s);
  if (text.empty() == s.decode.empty())
    fauna::fail("fauna tokenize", text.empty() ? "no text" : "a text and --decode", "a text, or --decode and ids");
  const fauna::Bpe tokenizer = bpe_of(from);
  const std::vector<int> ids =
      text.empty()
          ? token_list("--decode", s.decode, tokenizer.vocab())
          : tokenizer.encode(text.starts_with("FILE:") ? fauna::read_file(text.substr(5)) : text,
                             {.match_special = s.special, .add_special = s.add_special, .drop_unknown = false});
  std::string out;
  if (s.pieces)
    for (const int id : ids)
      out += std::to_string(id) + '\t' + fauna::json_quoted(tokenizer.decode({id}, false)) + '\n';
  else if (text.empty()) out = tokenizer.decode(ids, false) + '\n';
  else
    for (std::size_t i = 0; i < ids.size(); ++i) out += std::to_string(ids[i]) + (i + 1 < ids.size() ? ',' : '\n');
  fauna::print(stdout, out);
}

void learn_tokenizer(tool::Verb const& verb, std::vector<std::string> const& files) {
  settings::Tokenizer s;
  verb.apply(s);
  one_of("pattern", s.pattern, {"gpt2", "llama3", "qwen2"});
  whole("vocab", s.vocab, 1, fauna::Pieces::most);
  whole("min-count", s.min_count, 1);
  if (s.special.empty()) s.special = {"<|endoftext|>"};
  const auto rule = s.pattern == "gpt2"     ? fauna::split_rule::gpt2
                    : s.pattern == "llama3" ? fauna::split_rule::llama3
                                            : fauna::split_rule::qwen2;
  fauna::BpeTrainer trainer({{rule}}, s.special);
  Progress progress;
  std::size_t read = 0;
  for (std::string const& file : files) {
    Documents documents(file, s.field, false, 0);
    for (DocumentPiece piece; documents.next(piece);) {
      trainer.add_lines(piece.text);
      read += piece.text.size();
      progress.at([&] { return file + ": " + megabytes(documents.taken()) + " read"; });
    }
  }
  say(megabytes(read) + " of text, " + fauna::grouped(static_cast<std::size_t>(trainer.words())) + " different words");
  const auto learnt = trainer.train(static_cast<int>(s.vocab), s.min_count, [&](int tokens) {
    progress.at([&] { return std::to_string(tokens) + " of " + std::to_string(s.vocab) + " tokens"; });
  });
  fauna::write_file(s.out, fauna::tokenizer_json_text(learnt));
  fauna::print(stdout, "wrote " + s.out + ": " + std::to_string(learnt.vocab.size()) + " tokens, in " +
                           fauna::decimal(progress.seconds(), 1) + " s\n");
  if (static_cast<long>(learnt.vocab.size()) < s.vocab)
    say("the texts have no more pairs that stand " + std::to_string(s.min_count) + " times");
}

namespace {

/// The token behind documents.
int end_of_documents(fauna::Bpe const& bpe, std::string const& asked) {
  if (!asked.empty()) {
    const int id = bpe.id(asked);
    if (id < 0) fauna::fail("fauna prepare", "--end " + asked, "a token of the tokenizer");
    return id;
  }
  for (const char* usual : {"<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>"})
    if (const int id = bpe.id(usual); id >= 0) return id;
  fauna::fail("fauna prepare", "the tokenizer has none of the usual ends of texts",
              "<|endoftext|>, <|end_of_text|>, </s> or <eos>", "--end says which token stands behind documents");
}

}  // namespace

void prepare(tool::Verb const& verb, std::vector<std::string> const& files) {
  settings::Prepare s;
  verb.apply(s);
  if (s.tokenizer.empty())
    fauna::fail("fauna prepare", "no --tokenizer", "a tokenizer.json", "tools/fauna tokenizer FILE learns one");
  if (!(s.val >= 0 && s.val < 1)) fauna::fail("fauna prepare", "--val " + settings::text(s.val), "0 to below 1");
  whole("shard-tokens", s.shard_tokens, 2, 1L << 40);
  const std::string about = s.out_dir + "/dataset.json", source = tokenizer_json_file(s.tokenizer);
  const bool there = fauna::exists(about);
  if (there && !s.overwrite)
    fauna::fail("fauna prepare", s.out_dir + " has data already", "another --out-dir, or --overwrite");
  const std::string tokenizer = fauna::read_file(source);
  const auto bpe = fauna::Bpe::from_json(tokenizer, source);
  const int end = end_of_documents(bpe, s.end), bytes = bpe.vocab() <= 65536 ? 2 : 4;
  for (std::string const& file : files) (void)Documents(file, s.field, false, 0);  // all can be opened
  fauna::make_directories(s.out_dir);
  // What an earlier run left, whole or not.
  if (there) std::filesystem::remove(about);
  for (const char* part : {"train_", "val_"})
    for (std::string const& f : token_files(s.out_dir, part))
      if (std::filesystem::path(f).filename().string().starts_with(part)) std::filesystem::remove(f);
  TokenWriter train(s.out_dir, "train", bytes, s.shard_tokens), val(s.out_dir, "val", bytes, s.shard_tokens);
  Progress progress;
  const fauna::Key draw{s.seed, 0};
  std::uint64_t number = 0;
  std::size_t read = 0;
  long documents_read = 0;
  for (std::string const& file : files) {
    Documents documents(file, s.field, !bpe.cuts_lines(), s.val);
    for (DocumentPiece piece; documents.next(piece);) {
      if (documents.lines()) piece.last_part = draw.words(number++)[0] < s.val * 4294967296.0;
      TokenWriter& to = piece.last_part ? val : train;
      for (const int id : bpe.encode(piece.text, {.match_special = false, .add_special = false})) to.add(id);
      if (piece.ends) to.add(end), ++documents_read;
      read += piece.text.size();
      progress.at([&] {
        return file + ": " + megabytes(documents.taken()) + ", " + std::to_string(train.tokens()) + " tokens";
      });
    }
  }
  train.finish();
  val.finish();
  if (train.tokens() < 2)
    fauna::fail("fauna prepare", std::to_string(train.tokens()) + " tokens to train on", "2 or more");
  fauna::write_file(s.out_dir + "/tokenizer.json", tokenizer);
  const nlohmann::ordered_json json{
      {"vocab", bpe.vocab()},   {"bytes_per_token", bytes}, {"end", end}, {"tokenizer_sha256", sha256(tokenizer)},
      {"train", train.about()}, {"val", val.about()}};
  fauna::write_file(about, json.dump(1) + '\n');
  fauna::print(stdout, "wrote " + s.out_dir + ": " + fauna::grouped(static_cast<std::size_t>(train.tokens())) + " + " +
                           fauna::grouped(static_cast<std::size_t>(val.tokens())) + " tokens of " + megabytes(read) +
                           ", " + fauna::grouped(static_cast<std::size_t>(documents_read)) + " documents, in " +
                           fauna::decimal(progress.seconds(), 1) + " s\n");
  if (val.tokens() == 0) say("no document validates: train takes the last tenth of the tokens for that");
}

}  // namespace tool::verbs
