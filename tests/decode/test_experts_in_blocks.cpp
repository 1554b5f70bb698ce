// Mixtures of experts whose matrices are stored in blocks: quantised at load, or as a file has them.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fauna/decode/generate.hpp>
#include <fauna/decode/in_blocks.hpp>
#include <fauna/decode/loaded.hpp>
#include <fauna/io/open_tensors.hpp>
#include <fauna/models/mixtral.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/trained.hpp>

#include "support/compare.hpp"
#include "support/gguf_model.hpp"
#include "support/memory.hpp"
#include "support/random.hpp"
#include "support/temporary.hpp"

namespace test_experts_in_blocks {

using namespace fauna;
using test::as_gguf, test::difference, test::Poisoned, test::Random, test::Rows;

namespace {

using Bk = Cpu<>;
constexpr int ids[] = {1, 4, 2, 3, 0, 5};

/// Linear layers as experts, one of which gets no row: what a mixture calls is then what is compared.
constexpr int width = 256, rows = 9, first[] = {0, 2, 2, rows};
using Expert = Linear<width, width>;
using Experts = HeldExperts<Each<Expert, 3>>;

struct Quantised {
  Experts::Weights<InBlocks<Bk>> weights{};
  Poisoned memory;

  static std::size_t place_in(Experts::Weights<InBlocks<Bk>>& w, Arena& a) {
    Experts::visit(w, Place{}, [&](Tensor const& t, auto& v) { place(v, t, a); });
    return a.high_water();
  }
  std::size_t planned(std::string const& type) {
    Experts::visit(weights, Place{}, [&](Tensor const& t, auto& v) {
      if constexpr (requires { v.code; }) v.code = weights_detail::quantised(type, t);
    });
    Arena a;
    return place_in(weights, a);
  }
  explicit Quantised(std::string const& type) : memory(planned(type)) {
    Arena a = memory.arena();
    place_in(weights, a);
    Random random(7);
    Experts::visit(weights, Place{}, [&](Tensor const& t, auto& v) {
      const Rows<float> numbers(random, t.rows, t.cols);
      fill(Bk{}, v, numbers.view());
    });
  }
  /// Of rows [from, from + n) of x, which expert e is given.
  void run(Rows<float>& x, Rows<float>& y, const int* of, int threads, int from, int n) {
    Arena a;
    Experts::plan_scratch<Bk>(Shape{.length = n, .threads = threads, .backward = false}, n, a);
    Poisoned scratch(a.high_water());
    a = scratch.arena();
    const Batch batch = Batch::uniform(1, n);
    Call<Bk> c;
    c.backend.threads = threads;
    c.backend.scratch = &a;
    c.batch = &batch;
    c.mode = mode::eval;
    Experts::Saved<float> none{};
    using View_ = Out<Call<Bk>, width>;
    Experts::forward(c, weights, of, View_(x.view().row(from), n, width), View_(y.view().row(from), n, width), none);
    CHECK(a.used() == 0);
  }
};

/// Is y the sum in f64? Rounding x moves each of its numbers by half a step of its block at most, and what is rounded
/// in f32 is a chain of two additions a block (tests/ops/test_blocks.cpp).
bool is_product(double y, const float* x, const float* w, double bias) {
  double sum = bias, steps = 0, terms = 0;
  for (int from = 0; from < width; from += 32) {
    double most = 0, weight = 0;
    for (int c = from; c < from + 32; ++c) {
      const double a = x[c], b = w[c];
      sum += a * b;
      most = std::max(most, std::fabs(a));
      weight += std::fabs(b);
      terms += std::fabs(a * b);
    }
    steps += 0.5 * most / 127 * weight;
  }
  return std::fabs(y - sum) <= 1.001 * steps + 1e-6 * (terms + 1);
}

using Small = Mixtral<MixtralConfig{.layers = 1,
                                    .heads = 8,
                                    .kv_heads = 8,
                                    .head_size = 32,
                                    .width = 256,
                                    .hidden = 256,
                                    .experts = 4,
                                    .chosen = 2,
                                    .context = 32,
                                    .vocab = 37,
                                    .tied = true}>;
using SmallInBlocks = Loaded<Small, Bk, InBlocks<Bk>>;

template <class L> std::vector<float> logits(L& model, int n = 6) {
  std::vector<float> y(static_cast<std::size_t>(n * Small::vocab));
  model.prepare_inference({.sequences = 1, .length = n});
  model.logits(Batch::uniform(1, n, ids), logit_rows::all, Matrix<float>(y.data(), n, Small::vocab));
  return y;
}

}  // namespace

TEST_SUITE("experts in blocks") {
  TEST_CASE("the products of the numbers, in every type; a row's bits its own") {
    Random random(3);
    Rows<float> x(random, rows, width);
    for (BlockFormat const& f : block_formats) {
      if (f.write == nullptr) continue;
      CAPTURE(std::string(f.name));
      Quantised experts{std::string(f.name)};
      Rows<float> y(rows, width), alone(rows, width), threads(rows, width);
      experts.run(x, y, first, 1, 0, rows);
      experts.run(x, threads, first, 2, 0, rows);
      for (int e = 0; e < 3; ++e) {
        for (int r = first[e]; r < first[e + 1]; ++r) {
          const int of[] = {0, e > 0 ? 0 : 1, e > 1 ? 0 : 1, 1};
          experts.run(x, alone, of, 1, r, 1);
        }
        auto const& w = at<0>(experts.weights)[e];
        CHECK(w.weight.code == f.code);
        for (int j = 0; j < width; ++j) {
          float numbers[width];
          reading(w.weight).row(j, nullptr, numbers);
          for (int r = first[e]; r < first[e + 1]; ++r)
            CHECK(is_product(y.view()(r, j), x.view().row(r), numbers, w.bias(0, j)));
        }
      }
      CHECK(test::same_bits(as_const(y.view()), as_const(alone.view())));
      CHECK(test::same_bits(as_const(y.view()), as_const(threads.view())));
    }
  }

  TEST_CASE("Mixtral: a file's blocks, experts' too, are what quantising at load makes, near the numbers; planned") {
    const TemporaryFolder folder;
    Trained<Small, Bk> model(seed{3});
    for (const char* type : {"Q8_0", "Q4_K", "Q6_K", "Q4_0"}) {
      CAPTURE(std::string(type));
      BlockFormat const& f = *block_format(type);
      write_file(folder / "w.gguf", as_gguf(model, f));
      const TensorFile file = open_tensors(folder / "w.gguf");
      SmallInBlocks read(file, 2), made(model.weights(), 1, {.quantise = type});
      int experts = 0;
      Small::visit(read.weights(), Place{}, [&](Tensor const& t, auto& v) {
        if (t.name().find("experts.") == std::string::npos) return;
        ++experts;
        if constexpr (requires { v.code; }) CHECK(v.code == f.code);
        else FAIL("not in blocks");
      });
      CHECK(experts == 4 * 3);
      Loaded<Small, Bk> in_float(file, 1);
      const std::vector<float> y = logits(read), want = logits(in_float);
      CHECK(std::vector<float>(y.begin(), y.begin() + 2 * Small::vocab) == logits(read, 2));
      CHECK(difference(y, want) < 0.02);  // activations have 8 bits; a few products follow each other
      CHECK(difference(y, want) > 0);
      CHECK(y == logits(made));
      CHECK(read.weight_bytes() == made.weight_bytes());
      const std::size_t planned = bytes_in_blocks<Small, Bk>(type);  // whole pages are taken
      CHECK(planned <= made.weight_bytes());
      CHECK(made.weight_bytes() - planned < 4096);
      // Through the cache, a prompt in pieces and then a token at a time, come the likeliest of the logits at once.
      const std::vector<int> prompt(std::begin(ids), std::end(ids));
      const auto next = generate_tokens(read, prompt, {.tokens = 2, .temperature = 0, .chunk = 4}, [](int) {});
      const auto last = y.end() - Small::vocab;
      CHECK(next.at(prompt.size()) == static_cast<int>(std::max_element(last, y.end()) - last));
      // Nothing is kept in float: at most 6 bits and a byte for each half, or whole bytes.
      CHECK(read.weight_bytes() < in_float.weight_bytes() * (static_cast<std::size_t>(f.code.bits) + 2) / 32 + 16384);
    }
  }
}

}  // namespace test_experts_in_blocks
