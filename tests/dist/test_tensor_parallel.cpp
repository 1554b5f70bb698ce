// A model whose tensors lie on several ranks, which are threads here, is the whole one: losses, every gradient, logits
// and weights after ten updates in double to 1e-12. What is sent is what the formulas say.
#include <doctest/doctest.h>

#include <fauna/blocks/tensor_parallel.hpp>
#include <fauna/dist/counting.hpp>
#include <fauna/dist/tensor_parallel.hpp>
#include <fauna/models/llama.hpp>

#include "ranks.hpp"

using namespace fauna;
using test::options, test::ThreadRank;

namespace {

using SmallGpt = Gpt<GptConfig{.layers = 2, .heads = 4, .width = 24, .context = 12, .vocab = 27}>;
using SmallLlama = Llama<LlamaConfig{.layers = 2,
                                     .heads = 4,
                                     .kv_heads = 2,
                                     .head_size = 6,
                                     .width = 16,
                                     .hidden = 20,
                                     .context = 12,
                                     .vocab = 27,
                                     .attention_bias = true}>;
constexpr int batch = 3, context = 5, rows = batch * context;

template <class M> using Whole = Trained<M, Ref<double>>;
template <class M, int N> using Part = Trained<tensor_parallel<M, N>, Ref<double>>;

/// The largest difference of a rank's tensors from its part of the whole ones.
template <class P, class W, class Of> double distance(P const& part, W const& whole, int rank, Of&& of) {
  double most = 0;
  std::size_t seen = 0;
  for (auto const& p : part.parameters()) {
    auto const& w = whole.parameter(p.name);
    auto const a = of(part, p);
    auto const b = of(whole, w);
    each_of_part(p, w, rank, [&](std::size_t i, std::size_t j) {
      most = std::fmax(most, std::fabs(a.data()[j] - b.data()[i]));
      ++seen;
    });
  }
  return seen > 0 ? most : 1;
}

template <class M, int N> void check() {
  BatchMemory text(batch, context);
  text.draw(test::both().train, Key{1, 2}, 0);
  text.targets[3] = ignore_target;
  Whole<M> whole(seed{5}, 1);
  whole.prepare_training({.sequences = batch, .length = context});
  const double loss = whole.accumulate(text.batch());
  std::vector<double> logits(rows * 27), losses(rows);
  whole.logits(text.batch(), logit_rows::all, Matrix<double>(logits.data(), rows, 27));
  whole.losses(text.batch(), losses.data());
  const TrainOptions o = options(4, 2);
  Whole<M> trained(seed{5}, 1);
  Trainer<Whole<M>> plain(trained, test::both(), o);
  std::vector<double> norms;
  for (int i = 0; i < 10; ++i) norms.push_back(plain.step().gradient_norm);

  test::on_ranks(N, [&](ThreadRank& rank) {
    const auto require = [&](double found, const char* what) {
      if (!(found < 1e-12)) throw std::runtime_error(std::string(what) + ": " + std::to_string(found));
    };
    Part<M, N> model(seed{5}, 1);
    take_part(model, Whole<M>(seed{5}, 1), rank.rank());
    model.prepare_training({.sequences = batch, .length = context});
    const auto group = group_of<double>(rank);
    model.join(&group);
    require(std::fabs(model.accumulate(text.batch()) - loss), "loss");
    require(distance(model, whole, rank.rank(), [](auto const& m, auto const& p) { return m.gradient(p); }),
            "gradients");
    std::vector<double> own(rows * 27), each(rows);
    model.logits(text.batch(), logit_rows::all, Matrix<double>(own.data(), rows, 27));
    model.losses(text.batch(), each.data());
    require(test::distance(own, logits), "logits");
    require(test::distance(each, losses), "losses");

    Part<M, N> run_model(seed{5}, 1);
    take_part(run_model, Whole<M>(seed{5}, 1), rank.rank());
    using Ranks = TensorParallel<ThreadRank>;
    Trainer<Part<M, N>, Ranks> run(run_model, test::both(), o, {}, Ranks(rank));
    for (const double norm : norms) require(std::fabs(run.step().gradient_norm - norm), "norm");
    require(distance(run_model, trained, rank.rank(), [](auto const& m, auto const& p) { return m.value(p); }),
            "weights");
  });
}

}  // namespace

TEST_SUITE("tensor_parallel") {
  TEST_CASE("a part has its share of what is counted") {
    static_assert(parameters<tensor_parallel<SmallGpt, 2>> < parameters<SmallGpt> * 6 / 10);
    CHECK(Part<SmallGpt, 4>(seed{1}, 1).parameter("transformer.h.1.attn.c_attn.weight").rows == 18);
  }
  TEST_CASE("Gpt on 1, 2 and 4 ranks is the whole one") {
    check<SmallGpt, 1>();
    check<SmallGpt, 2>();
    check<SmallGpt, 4>();
  }
  TEST_CASE("Llama on 2 ranks is the whole one") { check<SmallLlama, 2>(); }

  TEST_CASE("a pass moves the bytes that the formulas say") {
    test::on_ranks(2, [](ThreadRank& rank) {
      Counting counting(rank);
      Part<SmallGpt, 2> model(seed{5}, 1);
      model.prepare_training({.sequences = batch, .length = context});
      BatchMemory text(batch, context);
      text.draw(test::both().train, Key{1, 2}, 0);
      const auto group = group_of<double>(counting);
      model.join(&group);
      model.accumulate(text.batch());
      // Halves of sums go out, and sums of halves: of the table's rows, four times in each layer, of the head's dx; two
      // numbers a row of the loss; and a maximum a row.
      const std::size_t want = 8 * (rows * 24 * (1 + 4 * 2 + 1) + rows * 2 + rows);
      if (counting.bytes() != want)
        throw std::runtime_error(std::to_string(counting.bytes()) + " bytes, not " + std::to_string(want));
    });
  }

  TEST_CASE("a sum that is forgotten is seen by these comparisons") {
    std::vector<double> losses(2);
    test::on_ranks(2, [&](ThreadRank& rank) {
      Part<SmallGpt, 2> model(seed{5}, 1);
      take_part(model, Whole<SmallGpt>(seed{5}, 1), rank.rank());
      model.prepare_training({.sequences = batch, .length = context});
      BatchMemory text(batch, context);
      text.draw(test::both().train, Key{1, 2}, 0);
      auto group = group_of<double>(rank);
      group.sum = [](void*, double*, std::size_t) {};
      model.join(&group);
      losses[static_cast<std::size_t>(rank.rank())] = model.accumulate(text.batch());
    });
    BatchMemory text(batch, context);
    text.draw(test::both().train, Key{1, 2}, 0);
    Whole<SmallGpt> whole(seed{5}, 1);
    whole.prepare_training({.sequences = batch, .length = context});
    CHECK(std::fabs(losses[0] - whole.accumulate(text.batch())) > 1e-6);
  }

  TEST_CASE("a model in parts does not run alone") {
    Part<SmallGpt, 2> model(seed{5}, 1);
    model.prepare_training({.sequences = batch, .length = context});
    BatchMemory text(batch, context);
    text.draw(test::both().train, Key{1, 2}, 0);
    CHECK_THROWS_WITH_AS(model.accumulate(text.batch()), doctest::Contains("0 ranks, expected 2"), error);
  }
}
