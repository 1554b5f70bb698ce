// A model in tensor parallel of which ranks, threads here, have some rows each between the parts that are cut, is the
// whole one: losses, every gradient and weights after ten updates in double to 1e-12. What is sent is what the formulas
// say.
#include <doctest/doctest.h>

#include <fauna/dist/counting.hpp>
#include <fauna/dist/sequence_parallel.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/models/llama.hpp>

#include "tensor_parallel_check.hpp"

namespace test_sequence_parallel {

using namespace fauna;
using test::ThreadRank, test::in_parts::Alone;

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
template <class M, int N> using Share = SequenceShare<sequence_parallel<M, N>, Ref<double>>;
constexpr int batch = 3, context = 8, rows = batch * context;

BatchMemory some_text() {
  BatchMemory text(batch, context);
  text.draw(test::both().train, Key{1, 2}, 0);
  for (const int r : {3, 13, 14, 15, 16, 17}) text.targets[static_cast<std::size_t>(r)] = ignore_target;
  return text;
}
void require(double found, const char* what) {
  if (!(found < 1e-12)) throw std::runtime_error(std::string(what) + ": " + std::to_string(found));
}

template <class M, int N> void check() {
  CAPTURE(N);
  BatchMemory text = some_text();
  Alone<M> whole(seed{5}, 1);
  whole.prepare_training({.sequences = batch, .length = context});
  const double loss = whole.accumulate(text.batch());
  std::vector<double> losses(rows);
  whole.losses(text.batch(), losses.data());
  TrainOptions o = test::options(4, 2);
  o.context = context;
  Alone<M> trained(seed{5}, 1);
  Trainer<Alone<M>> plain(trained, test::both(), o);
  std::vector<double> norms;
  for (int i = 0; i < 10; ++i) norms.push_back(plain.step().gradient_norm);
  test::on_ranks(N, [&](ThreadRank& rank) {
    Share<M, N> model(seed{5}, 1);
    take_part(model, Alone<M>(seed{5}, 1), rank.rank());
    model.prepare_training({.sequences = batch, .length = context});
    SequenceParallel<ThreadRank> ranks(rank);
    require(std::fabs(ranks.gradients(model, [&](int) { return model.accumulate(text.batch()); }) - loss), "loss");
    require(
        test::in_parts::distance(model, whole, rank.rank(), [](auto const& m, auto const& p) { return m.gradient(p); }),
        "gradients");
    std::vector<double> each(rows);
    ranks.once(model, [&] { return model.losses(text.batch(), each.data()), 0; });
    require(test::distance(each, losses), "losses");

    Share<M, N> run_model(seed{5}, 1);
    ranks.draw(run_model);
    Trainer<Share<M, N>, SequenceParallel<ThreadRank>> run(run_model, test::both(), o, {},
                                                           SequenceParallel<ThreadRank>(rank));
    for (const double norm : norms) require(std::fabs(run.step().gradient_norm - norm), "norm");
    require(test::in_parts::distance(run_model, trained, rank.rank(),
                                     [](auto const& m, auto const& p) { return m.value(p); }),
            "weights");
  });
}

}  // namespace

TEST_SUITE("sequence_parallel") {
  TEST_CASE("Gpt on 1, 2 and 4 ranks is the whole one") {
    check<SmallGpt, 1>();
    check<SmallGpt, 2>();
    check<SmallGpt, 4>();
  }
  TEST_CASE("Llama on 2 ranks is the whole one") { check<SmallLlama, 2>(); }

  TEST_CASE("a norm's sum that is forgotten is seen by these comparisons") {
    BatchMemory text = some_text();
    Alone<SmallGpt> whole(seed{5}, 1);
    whole.prepare_training({.sequences = batch, .length = context});
    whole.accumulate(text.batch());
    test::on_ranks(2, [&](ThreadRank& rank) {
      Share<SmallGpt, 2> model(seed{5}, 1);
      take_part(model, Alone<SmallGpt>(seed{5}, 1), rank.rank());
      model.prepare_training({.sequences = batch, .length = context});
      const Joined joined(model, rank);
      model.accumulate(text.batch());
      const char* norm = "transformer.h.0.ln_1.weight";
      const auto off = [&](std::string const& name) {
        double most = 0;
        auto const found = model.gradient(model.parameter(name)), want = whole.gradient(whole.parameter(name));
        for (std::size_t i = 0; i < found.size(); ++i)
          most = std::fmax(most, std::fabs(found.data()[i] - want.data()[i]));
        return most;
      };
      if (off(norm) < 1e-6) throw std::runtime_error("the norm's gradient is not of a rank's own rows");
      add_shares(model, rank);
      require(off(norm), norm);
    });
  }

  TEST_CASE("a pass moves the bytes that the formulas say, those of sums that are gathered and scattered") {
    test::on_ranks(2, [](ThreadRank& rank) {
      Counting counting(rank);
      Share<SmallGpt, 2> model(seed{5}, 1);
      model.prepare_training({.sequences = batch, .length = context});
      BatchMemory text = some_text();
      const Joined joined(model, counting);
      model.accumulate(text.batch());
      // Half of the rows, each: of the table's, twice forward and twice backward around each of four parts, of the
      // head's twice, and of the table's gradient; two numbers a row of the loss, a maximum a row, and the factor.
      const std::size_t want = 8 * (rows / 2 * 24 * (1 + 4 * 4 + 2 + 1) + rows * 2 + rows + 1);
      if (counting.bytes() != want)
        throw std::runtime_error(std::to_string(counting.bytes()) + " bytes, not " + std::to_string(want));
    });
  }

  TEST_CASE("training keeps fewer activations than tensor parallel") {
    const Shape shape{.sequences = 4, .length = 8};
    using M = Gpt<GptConfig{.layers = 2, .heads = 4, .width = 64, .context = 12, .vocab = 27}>;
    SequenceShare<sequence_parallel<M, 4>, Ref<double>> share(seed{5}, 1);
    Trained<tensor_parallel<M, 4>, Ref<double>> part(seed{5}, 1);
    share.prepare_training(shape);
    part.prepare_training(shape);
    CHECK(share.planned().saved < part.planned().saved);
  }

  TEST_CASE("sequences that do not divide are refused") {
    Share<SmallGpt, 2> model(seed{5}, 1);
    CHECK_THROWS_WITH_AS(model.prepare_training({.sequences = 1, .length = 7}),
                         doctest::Contains("sequences of 7 rows, expected a multiple of the 2 ranks"), error);
  }
}

}  // namespace test_sequence_parallel
