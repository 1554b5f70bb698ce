// A draft model is trained on the laws of the model that it drafts for.
#include <doctest/doctest.h>

#include <fauna/models/gpt.hpp>
#include <fauna/train/distil.hpp>

#include "../support/model_check.hpp"
#include "../support/small_llamas.hpp"
#include "../support/speculate_check.hpp"

namespace test_distil {

using namespace fauna;
using doctest::Contains;

namespace {

using B = Cpu<>;
using Target = test::Untied;
using Small = Gpt<GptConfig{.layers = 1, .heads = 2, .width = 12, .context = 64, .vocab = Target::vocab}>;

/// w TV + (1 - w) KL from the definition.
double by_definition(std::vector<double> const& z, std::vector<double> const& t, double w) {
  double of_z = 0, of_t = 0, loss = 0;
  for (std::size_t v = 0; v < z.size(); ++v) of_z += std::exp(z[v]), of_t += std::exp(t[v]);
  for (std::size_t v = 0; v < z.size(); ++v) {
    const double p = std::exp(t[v]) / of_t, q = std::exp(z[v]) / of_z;
    loss += w * std::abs(p - q) / 2 + (1 - w) * p * std::log(p / q);
  }
  return loss;
}

/// The loss's derivative along a random direction of all weights, on dual numbers, against one backward pass. The
/// target's logits are what they are.
template <class M> void check_pass(double w, int at_once) {
  const test::Text text(test::plain(2, 5), M::vocab);
  const std::size_t n = test::weight_count<M>(), rows = static_cast<std::size_t>(at_once),
                    vocab = static_cast<std::size_t>(M::vocab);
  const auto weights = test::random_values(n, 1), direction = test::weight_direction<M>(2),
             theirs = test::random_values(10 * vocab, 3);
  const auto run = [&](auto& p) {
    using S = std::remove_reference_t<decltype(p.values[0])>;
    std::vector<S> memory(3 * rows * vocab, S(std::nan("")));
    const auto part = [&](std::size_t i) { return Matrix<S>(memory.data() + i * rows * vocab, at_once, M::vocab); };
    typename M::template State<S> none{};
    auto const distance = distil_pass<M>(
        p.call, p.call, p.w, p.dw, p.saved, none, part(0), part(1), part(2), w, [&](int first, Matrix<S> t) {
          for (int r = 0; r < t.rows(); ++r)
            for (int v = 0; v < M::vocab; ++v)
              t(r, v) = S(3 * theirs[static_cast<std::size_t>((first + r) * M::vocab + v)]);
        });
    return S(w) * distance.variation + S(1 - w) * distance.divergence;
  };
  test::Pass<M, Dual> dual(text.batch, test::dual(weights, direction), {});
  test::Pass<M, double> p(text.batch, weights, {});
  test::Comparison result;
  const Dual loss = run(dual);
  result.dual = loss.d;
  CHECK(run(p) == doctest::Approx(loss.v).epsilon(1e-14));
  CHECK(loss.v > 0.01);
  result.add(p.gradients, direction);
  CHECK(result.error() <= 1e-12);
  CHECK(result.terms > 0);
}

}  // namespace

TEST_CASE("distil: the loss of a row is its definition, and its gradient that of dual numbers") {
  constexpr int n = 9;
  for (const double w : {0.0, 0.3, 1.0}) {
    CAPTURE(w);
    const auto z = test::random_values(n, 1), t = test::random_values(n, 2), d = test::random_values(n, 3);
    std::vector<double> dz(n), room(2 * n);
    const auto got = distil_loss<double>(z.data(), t.data(), n, w, 1, dz.data(), room.data());
    CHECK(w * got.variation + (1 - w) * got.divergence == doctest::Approx(by_definition(z, t, w)).epsilon(1e-12));
    const auto moved = test::dual(z, d), fixed = test::dual(t, std::vector<double>(n));
    std::vector<Dual> unused(n), dual_room(2 * n);
    const auto dual = distil_loss<Dual>(moved.data(), fixed.data(), n, w, 1, unused.data(), dual_room.data());
    double dot = 0;
    for (std::size_t v = 0; v < n; ++v) dot += dz[v] * d[v];
    CHECK(w * dual.variation.d + (1 - w) * dual.divergence.d == doctest::Approx(dot).epsilon(1e-12));
    // Equal laws are at no distance, whatever is added to all logits.
    std::vector<double> above(z);
    for (double& x : above) x += 40;
    const auto same = distil_loss<double>(above.data(), z.data(), n, w, 1, dz.data(), room.data());
    CHECK(same.variation < 1e-13);
    CHECK(std::abs(same.divergence) < 1e-13);
  }
}

TEST_CASE("distil: a model's gradient is that of dual numbers") {
  for (const double w : {0.0, 0.9}) {
    check_pass<Small>(w, 10);
    check_pass<Small>(w, 4);  // in parts, of which the last is smaller
  }
  check_pass<test::Untied>(0.5, 5);
}

TEST_CASE("distil: a head with a bias and bounded logits has the gradient of dual numbers") {
  check_pass<Lm<At<"embed", Embedding<13, 6>>, Linear<6, 6>, At<"head", LmHead<6, 13, true, LogitCap{0.5F}>>>>(0.6, 3);
}

TEST_CASE("distil: a draft model learns what the model says, and more of its drafts stay") {
  const auto trained = test::lively<Target, B>(1);
  Loaded<Target, B> target(trained.weights(), 1);
  target.prepare_inference({.sequences = 1, .length = 32});
  std::vector<int> ids;  // what the model itself writes
  for (std::uint64_t i = 0; ids.size() < 3000; ++i) {
    const auto some = test::plain(target, test::some_tokens<Target>(3, i),
                                  {.tokens = 60, .temperature = 1, .top_k = 0, .seed = i, .context = 64});
    ids.insert(ids.end(), some.begin(), some.end());
  }
  LawDistance<> reached[2];
  for (const double w : {0.0, 1.0}) {
    CAPTURE(w);
    Trained<Small, B> draft(seed{1}, 2);
    const auto accepted = [&] {
      Loaded<Small, B> small(draft.weights(), 1);
      DraftModel drafter(small, 64);
      const auto prompt = test::some_tokens<Target>(5, 77);
      const GenerateOptions o{.tokens = 55, .temperature = 1, .top_k = 0, .seed = 3, .context = 64};
      const auto got = speculate(target, drafter, prompt, {.text = o, .draft = 3});
      CHECK(got.ids == test::plain(target, prompt, o));
      return got.counts.tokens_per_step();
    };
    const double before = accepted();
    LawDistance<> first, last;
    target.prepare_inference({.sequences = 1, .length = 32});
    distil(draft, target, ids, {.steps = 300, .batch = 8, .context = 32, .lr = 1e-2, .tv_weight = w},
           [&](int step, LawDistance<> d) { (step == 0 ? first : last) = d; });
    const double after = accepted();
    MESSAGE("TV ", first.variation, " to ", last.variation, ", KL ", first.divergence, " to ", last.divergence,
            ", tokens a step ", before, " to ", after);
    CHECK(last.variation < 0.9 * first.variation);
    CHECK(after > before);
    reached[w > 0] = last;
  }
  // Each ends up nearer by what it was trained on.
  CHECK(reached[1].variation < reached[0].variation);
  CHECK(reached[0].divergence < reached[1].divergence);
  Trained<Small, B> draft(seed{1}, 1);
  const auto refused = [&](DistilOptions const& o, const char* words) {
    CHECK_THROWS_WITH_AS(distil(draft, target, std::vector<int>(20), o, [](int, LawDistance<>) {}), Contains(words),
                         error);
  };
  refused({.context = 32}, "a text of 20 tokens, expected more than 32");
  refused({.context = 8, .tv_weight = 1.5}, "total variation of 1.5");
  refused({.batch = 0}, "at least one of each");
}

}  // namespace test_distil
