// What mixtures of experts are made of, part by part: losses by hand, who is served, and the same numbers whoever is
// beside a row, however many threads there are.
#include "../support/small_routers.hpp"

namespace test_routers {

TEST_SUITE("routers") {
  TEST_CASE("the balance loss by hand") {
    const Chosen<2> uneven{{0.75, 0.25, 0.5, 0.5, 0.25, 0.75, 1, 0}, {0, 0, 1, 0}};
    // f = 3/4, 1/4; P = 2.5/4, 1.5/4
    CHECK(uneven.balance(Batch::uniform(1, 4)) == 2 * (0.75 * 0.625 + 0.25 * 0.375));
    // Each half: f = 1, 0 and P_0 = 1.25/2; f = 1/2, 1/2.
    CHECK(uneven.balance(Batch::uniform(2, 2), {.scope = loss_scope::sequence}) == (2 * 0.625 + 1) / 2);
    const int targets[] = {-1, 3, 3, -1};  // rows 1 and 2 alone: f = 1/2, 1/2
    CHECK(uneven.balance(Batch::uniform(1, 4, nullptr, targets), {.targets_alone = true}) == 1);
    const int none[] = {-1, -1, 3, 3};  // the first sequence counts for nothing
    CHECK(uneven.balance(Batch::uniform(2, 2, nullptr, none), {.scope = loss_scope::sequence, .targets_alone = true}) ==
          1);
    const Chosen<4, 2> second{{.25, .25, .25, .25, 1, 0, 0, 0}, {0, 1, 0, 2}};
    CHECK(second.balance(Batch::uniform(1, 2)) == 4 * (0.5 * 0.625 + 0.25 * 0.125 + 0.25 * 0.125));
    CHECK(second.balance(Batch::uniform(1, 2), {.choices = 1}) == 4 * 0.625);
  }

  TEST_CASE("it is exactly 1 where all is even, whatever K, scores and scope") {
    const std::vector<double> quarters(16, 0.25);
    const std::vector<double> halves(16, 0.5);  // of sigmoids
    for (const Balance how : {Balance{}, Balance{.scope = loss_scope::sequence}, Balance{.targets_alone = true}})
      for (const bool one : {true, false}) {
        CHECK(Chosen<4, 2>{one ? quarters : halves, {0, 1, 2, 3, 1, 0, 3, 2}}.balance(Batch::uniform(2, 2), how, one) ==
              1);
        CHECK(Chosen<4, 1>{one ? quarters : halves, {0, 1, 2, 3}}.balance(Batch::uniform(1, 4), how, one) == 1);
      }
  }

  TEST_CASE("the z loss by hand") {
    const double l[] = {0, 0, 1, 1 + std::log(3)};  // log 2, 1 + log 4
    const double a = std::log(2), b = 1 + std::log(4);
    double value = 1;
    router<Ref<double>>::z({}, Matrix<const double>(l, 2, 2), &value);
    CHECK(value == doctest::Approx(1 + (a * a + b * b) / 2));
  }

  TEST_CASE("how even a load is stands beside the side losses, and counts in no loss") {
    const Batch b = Batch::uniform(1, 1);
    test::Pass<Mixed<Dropless>, double> p(b, std::vector<double>(test::weight_count<Mixed<Dropless>>()), {});
    SideLosses<double> side(p.side_values.data(), 32, {{"*", 7}});
    p.call.side = &side;
    const int n[] = {6, 2, 0, 0};
    RouterLosses<4>::show(p.call, n, 6);
    std::vector<std::string> names;
    for (auto const& s : side.slots()) {
      names.push_back(s.name);
      CHECK(s.weight == 0);
      CHECK(!s.counts);
    }
    CHECK(names == std::vector<std::string>{".max_violation", ".load_entropy", ".dead", ".dropped"});
    CHECK(p.side_values[0] == 2);
    CHECK(p.side_values[1] == doctest::Approx(-0.75 * std::log(0.75) - 0.25 * std::log(0.25)));
    CHECK(p.side_values[2] == 2);
    CHECK(p.side_values[3] == 0.25);
  }

  TEST_CASE("a mixture of copies is x, of nothing 0, and what they cost is counted") {
    using Copies = MixtureOfExperts<TopK<W, 4, 2>, Dropless, WeightedOutputs, Each<CopyExpert<W>, 4>>;
    using Nothing = MixtureOfExperts<TopK<W, 4, 2>, Dropless, WeightedOutputs, Each<ZeroExpert<W>, 4>>;
    const auto x = some_rows(6, W), y = output<Copies, Cpu<>>(Batch::uniform(1, 6), x, 1);
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(y[i] == doctest::Approx(x[i]).epsilon(1e-6));
    CHECK(output<Nothing, Cpu<>>(Batch::uniform(1, 6), x, 1) == std::vector<float>(x.size()));
    static_assert(Idle::parameters == 3 * 3 * 5 * W + 2 * 3 * W + 7 * W);
    static_assert(Idle::active_parameters == (3 * (9 * 5 * W + 6 * W) + 3) / 7 + 7 * W);
    static_assert(std::is_same_v<Plain::with<Expert>, Routed<TopK<W, 4, 2>>>);
    static_assert(Idle::flops(0) < Routed<TopK<W, 7, 3>>::flops(0));
  }

  TEST_CASE("a hash sends a token to one expert wherever it stands") {
    int tokens[] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3};
    const Batch b = Batch::uniform(2, 5, tokens);
    CHECK(test::check_gradient<Hashed>(b).error() <= 1e-12);
    test::Pass<Hashed, double> p(b, test::random_values(test::weight_count<Hashed>(), 1), {});
    const auto x = test::random_values(10 * W, 5);
    std::vector<double> y(10 * W);
    Hashed::forward(p.call, p.w, p.state, View<const double, dyn, W>(x.data(), 10), View<double, dyn, W>(y.data(), 10),
                    p.saved);
    for (int r = 0; r < 10; ++r) {
      CHECK(p.saved.routes.ids(r, 0) == HashRouter<W, 4>::expert(tokens[r], 0));
      CHECK(p.saved.routes.weights(r, 0) == 1);
    }
    int n[4]{}, moved = 0;
    for (int t = 0; t < 4000; ++t) {
      ++n[HashRouter<W, 4>::expert(t, 0)];
      moved += HashRouter<W, 4>::expert(t, 0) != HashRouter<W, 4>::expert(t, 1);
    }
    for (const int of_expert : n) CHECK(std::abs(of_expert - 1000) < 120);  // 4 standard deviations
    CHECK(std::abs(moved - 3000) < 120);                                    // layers have tables of their own
    const Batch without = Batch::uniform(2, 5);
    p.call.batch = &without;
    CHECK_THROWS_WITH_AS(Hashed::forward(p.call, p.w, p.state, View<const double, dyn, W>(x.data(), 10),
                                         View<double, dyn, W>(y.data(), 10), p.saved),
                         doctest::Contains("[hash_router] rows without tokens"), std::runtime_error);
  }

  TEST_CASE("GShard's second expert follows the scores, the first is the best; in evaluation both are") {
    constexpr int rows = 4000;
    std::vector<double> l, by(rows * 3);
    for (int r = 0; r < rows; ++r) l.insert(l.end(), {std::log(0.6), std::log(0.3), std::log(0.1)});
    Call<Ref<double>> c;
    c.key = {7, 7};
    DrawnSecond::fill(c, View<const double, dyn, 3>(l.data(), rows), View<double, dyn, 3>(by.data(), rows));
    int second = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      CHECK(by[3 * r] > by[3 * r + 1]);
      CHECK(by[3 * r] > by[3 * r + 2]);
      second += by[3 * r + 1] > by[3 * r + 2];
    }
    CHECK(std::abs(second - 3000) < 110);  // of 0.3 and 0.1 three in four; 4 standard deviations
    const Batch b = test::plain(1, 8);
    const auto w = test::random_values(test::weight_count<Second>(), 1), x = test::random_values(8 * W, 5);
    test::Pass<Second, double> drawn(b, w, {});
    std::vector<double> y(8 * W);
    Second::forward(drawn.call, drawn.w, drawn.state, View<const double, dyn, W>(x.data(), 8),
                    View<double, dyn, W>(y.data(), 8), drawn.saved);
    int other = 0;
    for (int r = 0; r < 8; ++r) {
      const auto p = drawn.saved.router.p.row(r);
      int best = 0, next = -1;
      for (int e = 1; e < 4; ++e) best = p[e] > p[best] ? e : best;
      for (int e = 0; e < 4; ++e)
        if (e != best && (next < 0 || p[e] > p[next])) next = e;
      CHECK(drawn.saved.routes.ids(r, 0) == best);
      other += drawn.saved.routes.ids(r, 1) != next;
    }
    CHECK(other > 0);
  }

  TEST_CASE("Sinkhorn's plan is even where the scores are not") {
    constexpr int rows = 32;
    std::vector<double> l(rows * 4), by(rows * 4);
    for (int r = 0; r < rows; ++r)
      for (int e = 0; e < 4; ++e)
        l[static_cast<std::size_t>(4 * r + e)] =
            (e == 0 ? 3.0 : 0.0) + test::random_values(rows * 4, 9)[static_cast<std::size_t>(4 * r + e)];
    ByPlan::fill(Call<Ref<double>>{}, View<const double, dyn, 4>(l.data(), rows),
                 View<double, dyn, 4>(by.data(), rows));
    int n[4]{};
    for (int r = 0; r < rows; ++r) {
      double sum = 0;
      int best = 0;
      for (int e = 0; e < 4; ++e) {
        const auto i = static_cast<std::size_t>(4 * r + e);
        sum += by[i];
        best = by[i] > by[static_cast<std::size_t>(4 * r + best)] ? e : best;
      }
      CHECK(sum == doctest::Approx(1.0 / rows));
      ++n[best];
    }
    for (int e = 0; e < 4; ++e) {
      double column = 0;
      for (int r = 0; r < rows; ++r) column += by[static_cast<std::size_t>(4 * r + e)];
      CHECK(column == doctest::Approx(0.25).epsilon(1e-3));
      CHECK(n[e] >= 4);  // by scores all 32 rows would go to expert 0
    }
  }

  TEST_CASE("expert choice: each expert takes its best rows, the earlier one among equals") {
    using R = ExpertChoice<2, 2, 1>;
    const double x[] = {0, 1, 0, 1, 3, 0, 0, 1};
    double gate[] = {1, 0, 0, 1}, weights[8];
    int ids[8];
    struct {
      Matrix<double> gate;
    } w{Matrix<double>(gate, 2, 2)};
    R::Saved<double> saved;
    std::vector<double> room(16);
    saved.logits = View<double, dyn, 2>(room.data(), 4);
    saved.p = View<double, dyn, 2>(room.data() + 8, 4);
    R::forward(Call<Ref<double>>{}, w, View<const double, dyn, 2>(x, 4), saved,
               Routes<double, 2>{View<int, dyn, 2>(ids, 4), View<double, dyn, 2>(weights, 4)});
    CHECK(std::vector<int>(ids, ids + 8) == std::vector<int>{0, 1, -1, 1, 0, -1, -1, -1});
    CHECK(weights[4] == doctest::Approx(1 / (1 + std::exp(-3.0))));
  }

  TEST_CASE("the noise of noisy top-k changes who is chosen in training alone") {
    const Batch b = test::plain(1, 20);
    const auto w = test::random_values(test::weight_count<Noisy>(), 1), x = test::random_values(20 * W, 5);
    std::vector<double> y(20 * W), quiet(20 * W), again(20 * W);
    test::Pass<Noisy, double> p(b, w, {}), q(b, w, {}, mode::eval);
    const View<const double, dyn, W> rows(x.data(), 20);
    Noisy::forward(p.call, p.w, p.state, rows, View<double, dyn, W>(y.data(), 20), p.saved);
    Noisy::forward(q.call, q.w, q.state, rows, View<double, dyn, W>(quiet.data(), 20), q.saved);
    q.call.key = {1, 1};
    Noisy::forward(q.call, q.w, q.state, rows, View<double, dyn, W>(again.data(), 20), q.saved);
    CHECK(y != quiet);
    CHECK(again == quiet);
  }

  TEST_CASE("who is served, by hand") {
    const std::vector<int> ids{0, 1, 0, 1, 0, 1, 1, 0};  // of four rows
    const std::vector<double> w{.6, .4, .7, .3, .9, .1, .8, .2};
    const Batch one = Batch::uniform(1, 4), two = Batch::uniform(2, 2);
    using Two = std::vector<int>;
    CHECK(served<Dropless, 2, 2>(ids, w, one) == Two{1, 1, 1, 1, 1, 1, 1, 1});
    CHECK(served<AllExperts, 2, 2>(ids, w, one) == Two{1, 1, 1, 1, 1, 1, 1, 1});
    // C = 2 in each: of the first two rows; of the first choices; of the largest weights.
    CHECK(served<Capacity<Limits{.factor = 0.5F, .length = 4}>, 2, 2>(ids, w, one) == Two{1, 1, 1, 1, 0, 0, 0, 0});
    CHECK(served<Capacity<Limits{.factor = 0.5F, .order = queue::choice}>, 2, 2>(ids, w, one) ==
          Two{1, 1, 1, 0, 0, 0, 1, 0});
    CHECK(served<Capacity<Limits{.factor = 0.5F, .order = queue::weight}>, 2, 2>(ids, w, one) ==
          Two{0, 1, 1, 0, 1, 0, 1, 0});
    // Each of two sequences has its own queue; the whole batch has one.
    CHECK(served<Capacity<Limits{.factor = 0.25F, .length = 4}>, 2, 2>(ids, w, two) == Two{1, 1, 0, 0, 1, 1, 0, 0});
    CHECK(served<Capacity<Limits{.factor = 0.25F, .scope = queue_of::batch}>, 2, 2>(ids, w, two) ==
          Two{1, 1, 0, 0, 0, 0, 0, 0});
    CHECK(Capacity<Limits{.factor = 1.25F}>::most(8, 1, 4) == 3);
    CHECK(Capacity<Limits{.factor = 1.25F, .least = 4}>::most(8, 1, 4) == 4);
    // A document begins a queue, and a row of a tree counts its own ancestors: rows 9 and 10 both continue row 8.
    const std::vector<int> same(12, 0);
    const std::vector<double> ones(12, 1);
    CHECK(served<Capacity<Limits{.factor = 1, .length = 4}>, 2, 1>(same, ones, test::ragged()) ==
          Two{1, 1, 0, 0, 1, 1, 0, 1, 1, 0, 0, 1});
  }

  TEST_CASE("dropless is what every expert on every row gives") {
    for (const Batch& b : {test::plain(2, 5), test::ragged()}) {
      const test::Backward<Mixed<Dropless>> some(b);
      const test::Backward<Mixed<AllExperts>> all(b);
      CHECK(some.y == all.y);
      CHECK(some.dx == all.dx);
      CHECK(some.gradients == all.gradients);  // a row that was not chosen adds zeros
      const test::Backward<Mixed<Capacity<Limits{.factor = 4, .length = 12}>>> ample(b);
      CHECK(some.y == ample.y);
    }
  }

  TEST_CASE_TEMPLATE("no row knows who is beside it, or how many threads there are", B, Cpu<f32_products>,
                     Cpu<bf16_products>) {
    using Wide = GatedMlp<32, 48>;
    using M = MixtureOfExperts<TopK<32, 8, 2>, Dropless, WeightedOutputs, Each<Wide, 8>>;
    using C =
        MixtureOfExperts<TopK<32, 8, 2>, Capacity<Limits{.factor = 1, .length = 20}>, WeightedOutputs, Each<Wide, 8>>;
    const std::vector<float> x = some_rows(60, 32);
    const auto both = [&]<class Block>(Block) {
      const auto y = output<Block, B>(Batch::uniform(3, 20), x, 1);
      for (const int threads : {2, 3, 8}) CHECK(output<Block, B>(Batch::uniform(3, 20), x, threads) == y);
      const std::vector<float> alone(x.begin() + 20 * 32, x.begin() + 40 * 32);
      const auto y1 = output<Block, B>(Batch::uniform(1, 20), alone, 1);
      CHECK(std::equal(y1.begin(), y1.end(), y.begin() + 20 * 32));
    };
    both(M{});
    both(C{});
  }

  TEST_CASE("a queue goes on where the call before left it: a row at a time is all rows at once") {
    using M = Mixed<Capacity<Limits{.factor = 0.5F, .length = 10}>>;  // 3 rows an expert
    const Batch whole = Batch::uniform(2, 10), piece = Batch::uniform(2, 1);
    const auto x = test::random_values(20 * W, 5), w = test::random_values(test::weight_count<M>(), 1);
    const auto run = [&](test::Pass<M, double>& p, Batch const& b, std::vector<double> const& rows) {
      std::vector<double> y(rows.size());
      p.call.batch = &b;
      M::forward(p.call, p.w, p.state, View<const double, dyn, W>(rows.data(), b.rows),
                 View<double, dyn, W>(y.data(), b.rows), p.saved);
      return y;
    };
    test::Pass<M, double> at_once(whole, w, std::vector<double>(8), mode::eval),
        by_row(whole, w, std::vector<double>(8), mode::eval);
    const auto y = run(at_once, whole, x);
    int dropped = 0;
    for (int r = 0; r < 10; ++r) {
      std::vector<double> both;
      for (const int first : {r * W, (10 + r) * W}) both.insert(both.end(), x.begin() + first, x.begin() + first + W);
      const auto now = run(by_row, piece, both);
      CHECK(std::equal(now.begin(), now.begin() + W, y.begin() + r * W));
      CHECK(std::equal(now.begin() + W, now.end(), y.begin() + (10 + r) * W));
      dropped += std::count(now.begin(), now.end(), 0.0) > 0;
    }
    CHECK(dropped > 0);
    CHECK(test::flat_state<M, double>(by_row.state) == test::flat_state<M, double>(at_once.state));
  }

  TEST_CASE("a later row changes nothing before it, unless the type says that it may") {
    const auto earlier = []<class Block>(Block) {
      const Batch b = Batch::uniform(1, 12);
      std::vector<float> x = some_rows(12, W);
      const auto before = output<Block, Ref<float>>(b, x, 1);
      bool same = true;
      for (int step = 1; step < 40; ++step) {
        for (int c = 0; c < W; ++c)
          x[static_cast<std::size_t>(11 * W + c)] += static_cast<float>((step * (c + 3)) % 5 - 2);
        const auto after = output<Block, Ref<float>>(b, x, 1);
        same = same && std::equal(before.begin(), before.end() - W, after.begin());
      }
      CHECK(same == Block::causal);
    };
    earlier(Mixed<Dropless>{});
    earlier(Mixed<AllExperts>{});
    earlier(Mixed<Capacity<Limits{.factor = 0.5F, .length = 12}>>{});
    earlier(Mixed<Capacity<Limits{.factor = 0.5F, .order = queue::weight}>>{});
    earlier(Mixed<Capacity<Limits{.factor = 0.5F, .order = queue::choice}>>{});
    earlier(Taken{});
    static_assert(Router<HashRouter<W, 4>> && Router<NoisyTopK<W, 5, 2>> && Router<ExpertChoice<W, 4, 2>>);
    static_assert(Dispatcher<AllExperts> && Dispatcher<Queue> && Combine<WeightedInputs>);
    static_assert(!Router<Expert> && !Dispatcher<WeightedInputs> && !Combine<Dropless>);
    static_assert(is_causal<Noisy> && is_causal<Switch> && is_causal<Hashed>);
    static_assert(!is_causal<Plan1> && !is_causal<Second>);  // the second by its dispatcher alone
    static_assert(!Capacity<Limits{.length = 12, .scope = queue_of::batch}>::causal);
    static_assert(!Capacity<Limits{}>::causal);  // C would grow with the text
  }
}

}  // namespace test_routers
