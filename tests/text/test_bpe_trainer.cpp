// Vocabularies learnt from texts: those of the `tokenizers` package (tools/oracles/bpe_train.py), token by token.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include <fauna/text/bpe.hpp>
#include <fauna/text/bpe_trainer.hpp>
#include <fauna/text/tokenizer_json_writer.hpp>

#include "../support/source_dir.hpp"

namespace test_bpe_trainer {

using namespace fauna;

TEST_CASE("a vocabulary is the reference's, token by token and merge by merge") {
  const auto golden = nlohmann::json::parse(read_file(test::source_path("tests/golden/bpe_trained.json")));
  for (auto const& want : golden["learnt"]) {
    CAPTURE(want["pattern"]);
    CAPTURE(want["vocab"]);
    BpeTrainer trainer({{want["pattern"] == "gpt2" ? split_rule::gpt2 : split_rule::llama3}},
                       want["special"].get<std::vector<std::string>>());
    trainer.add_lines(golden["text"].get<std::string>());
    const BpeSettings s = trainer.train(want["vocab"], want["least"]);
    std::vector<std::string> tokens, merges;
    for (auto const& p : s.vocab) tokens.emplace_back(s.text(p.at, p.end));
    for (auto const& m : s.merges)
      merges.push_back(std::string(s.text(m.left, m.right)) + ' ' + std::string(s.text(m.right, m.end)));
    CHECK(tokens == want["tokens"].get<std::vector<std::string>>());
    CHECK(merges == want["merges"].get<std::vector<std::string>>());
  }
}

TEST_CASE("a vocabulary that was learnt encodes, through its file too") {
  BpeTrainer trainer({{split_rule::gpt2}}, {"<|endoftext|>"});
  const std::string text = "low low low lower lower newest newest newest widest\n";
  trainer.add_lines(text);
  int last = 0;
  const BpeSettings s = trainer.train(270, 2, [&](int n) { last = n; });
  CHECK(last == static_cast<int>(s.vocab.size()));
  const Bpe learnt(s), read = Bpe::from_json(tokenizer_json_text(s), "tokenizer.json");
  const auto ids = learnt.encode(text);
  CHECK(read.encode(text) == ids);
  CHECK(ids.size() < text.size() / 2);
  CHECK(learnt.decode(ids) == text);
  CHECK(read.encode("<|endoftext|>") == std::vector<int>{0});
}

TEST_CASE("what cannot be learnt from is refused") {
  BpeTrainer trainer({{split_rule::gpt2}}, {"<s>"});
  CHECK_THROWS_WITH_AS(trainer.add("\xff"), doctest::Contains("invalid UTF-8"), error);
  CHECK_THROWS_WITH_AS((void)trainer.train(256), doctest::Contains("at least 257: 256 bytes and 1 special"), error);
  CHECK(trainer.train(1000).vocab.size() == 257);  // from nothing, nothing is learnt
}

}  // namespace test_bpe_trainer
