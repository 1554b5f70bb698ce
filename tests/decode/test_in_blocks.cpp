// Models whose matrices are stored in blocks: quantised at load, or as a GGUF file has them, without a copy in float.
#include <doctest/doctest.h>

#include <cmath>
#include <fauna/decode/in_blocks.hpp>
#include <fauna/decode/loaded.hpp>
#include <fauna/io/open_tensors.hpp>
#include <fauna/models/llama.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/trained.hpp>

#include "support/gguf_model.hpp"
#include "support/temporary.hpp"

namespace test_in_blocks {

using namespace fauna;
using doctest::Contains;
using test::as_gguf, test::difference;

namespace {

using Small = Llama<LlamaConfig{.layers = 1,
                                .heads = 2,
                                .kv_heads = 1,
                                .head_size = 32,
                                .width = 64,
                                .hidden = 96,
                                .context = 32,
                                .vocab = 37,
                                .tied = true}>;
using InBlocksHere = Loaded<Small, Cpu<>, InBlocks<Cpu<>>>;
constexpr int ids[] = {1, 4, 2, 3, 0, 5};

/// With rows of 256, for types whose blocks are as long.
using Long = Llama<LlamaConfig{.layers = 1,
                               .heads = 8,
                               .kv_heads = 8,
                               .head_size = 32,
                               .width = 256,
                               .hidden = 256,
                               .context = 32,
                               .vocab = 37,
                               .tied = true}>;

template <class L> std::vector<float> logits(L& model, int rows = 6) {
  std::vector<float> y(static_cast<std::size_t>(rows * Small::vocab));
  model.prepare_inference({.sequences = 1, .length = rows});
  model.logits(Batch::uniform(1, rows, ids), logit_rows::all, Matrix<float>(y.data(), rows, Small::vocab));
  return y;
}

}  // namespace

TEST_SUITE("in blocks") {
  TEST_CASE("a file's blocks are what quantising at load makes, and near the numbers that they stand for") {
    const TemporaryFolder folder;
    Trained<Small, Cpu<>> model(seed{3});
    for (BlockFormat const& f : block_formats) {
      if (f.code.bits == 0 || f.elements != 32) continue;
      const std::string name(f.name);
      CAPTURE(name);
      write_file(folder / "w.gguf", as_gguf(model, f));
      const TensorFile file = open_tensors(folder / "w.gguf");
      InBlocksHere read(file, 2), made(model.weights(), 1, {.quantise = name});
      const std::vector<float> y = logits(read);
      CHECK(y == logits(made));
      CHECK(std::vector<float>(y.begin(), y.begin() + 2 * Small::vocab) == logits(read, 2));
      CHECK(read.weight_bytes() == made.weight_bytes());
      const std::size_t planned = bytes_in_blocks<Small, Cpu<>>(name);  // whole pages are taken
      CHECK(planned <= made.weight_bytes());
      CHECK(made.weight_bytes() - planned < 4096);
      // Activations of 8 bits: each product is off by up to 1/254 of a block's largest, 0.3 % of its norm for numbers
      // that are normal; a few products follow each other.
      Loaded<Small, Cpu<>> in_float(file, 1);
      CHECK(difference(y, logits(in_float)) < 0.02);
      CHECK(difference(y, logits(in_float)) > 0);
      // No copy in float: matrices take the bits of their type, the rest little.
      CHECK(read.weight_bytes() < in_float.weight_bytes() * (static_cast<std::size_t>(f.code.bits) + 2) / 32 + 4096);
    }
  }
  TEST_CASE("K types: what quantising at load makes, near the numbers that they stand for, a row's bits its own") {
    const TemporaryFolder folder;
    Trained<Long, Cpu<>> model(seed{3});
    for (const char* type : {"Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"}) {
      CAPTURE(std::string(type));
      write_file(folder / "w.gguf", as_gguf(model, *block_format(type)));
      const TensorFile file = open_tensors(folder / "w.gguf");
      Loaded<Long, Cpu<>, InBlocks<Cpu<>>> read(file, 2);
      Loaded<Long, Cpu<>> in_float(file, 1);
      Loaded<Long, Cpu<>, InBlocks<Cpu<>>> made(model.weights(), 1, {.quantise = type});
      const std::vector<float> y = logits(read);
      CHECK(y == logits(made));
      CHECK(std::vector<float>(y.begin(), y.begin() + 2 * Long::vocab) == logits(read, 2));
      CHECK(difference(y, logits(in_float)) < 0.02);  // activations have 8 bits, as above
      CHECK(difference(y, logits(in_float)) > 0);
      // At most six bits and a byte for each half, or five and f32 scales and offsets.
      CHECK(read.weight_bytes() < in_float.weight_bytes() * 7 / 32 + 16384);
      write_file(folder / "i.gguf", as_gguf(model, *block_format(type), true));
      CHECK_THROWS_WITH_AS((Loaded<Long, Cpu<>, InBlocks<Cpu<>>>(open_tensors(folder / "i.gguf"), 1)),
                           Contains("whose scale is infinite"), error);
    }
  }
  TEST_CASE("a scale that is no number is refused by the tensor's name") {
    const TemporaryFolder folder;
    Trained<Small, Cpu<>> model(seed{3});
    write_file(folder / "w.gguf", as_gguf(model, *block_format("Q8_0"), true));
    CHECK_THROWS_WITH_AS(InBlocksHere(open_tensors(folder / "w.gguf"), 1), Contains("whose scale is infinite"), error);
  }
  TEST_CASE("types that are not known, and matrices whose rows no block divides") {
    Trained<Small, Cpu<>> model(seed{3});
    CHECK_THROWS_WITH_AS(InBlocksHere(model.weights(), 1, {.quantise = "Q9"}),
                         Contains("the type Q9, expected one of Q4_0, Q4_1, Q5_0, Q5_1, Q8_0"), error);
    InBlocksHere plain(model.weights(), 1);  // nothing is in blocks
    Loaded<Small, Cpu<>> usual(model.weights(), 1);
    CHECK(logits(plain) == logits(usual));
    CHECK(weights_detail::quantised("Q8_0", Tensor{.rows = 3, .cols = 40}) == BlockCode{});
    CHECK(weights_detail::quantised("Q8_0", Tensor{.rows = 3, .cols = 64}) == BlockCode{8, 128, false});
    CHECK(weights_detail::quantised("Q8_0", Tensor{.rows = 1, .cols = 64}) == BlockCode{});  // a gate
    CHECK(weights_detail::quantised("Q4_K", Tensor{.rows = 3, .cols = 256}) == BlockCode{4, 0, true, true});
    CHECK(weights_detail::quantised("Q4_K", Tensor{.rows = 3, .cols = 64}) == BlockCode{5, 16});  // the next, Q5_0
    CHECK_THROWS_WITH_AS(weights_detail::quantised("IQ4_XS", Tensor{.rows = 3, .cols = 256}),
                         Contains("the type IQ4_XS, expected one of"), error);
  }
}

}  // namespace test_in_blocks
