// Ranks that exchange while they compute leave the bits of those that do not, in every stage, and send the same bytes.
#include <doctest/doctest.h>

#include <array>

#include <fauna/dist/counting.hpp>

#include "ranks.hpp"

namespace test_overlap {

using namespace fauna;
using test::AsyncThreadRank, test::Double, test::Left, test::left_by, test::options, test::require_equal, test::Single,
    test::ThreadRank;

namespace {

template <int N> using stage = std::integral_constant<int, N>;

/// What n ranks leave that overlap.
template <class T, int Zero>
std::vector<Left<typename T::scalar>> overlapped(int n, int pieces, TrainOptions const& o, int steps,
                                                 const char* frozen = nullptr) {
  std::vector<Left<typename T::scalar>> all(static_cast<std::size_t>(n));
  test::on_ranks(n, [&](ThreadRank& rank) {
    AsyncThreadRank here(rank);
    all[static_cast<std::size_t>(rank.rank())] =
        left_by<T>(DataParallel<AsyncThreadRank, Zero>(here, pieces, overlap::on), o, steps, frozen);
  });
  return all;
}

/// Counts what begins within a pass.
struct Noted : AsyncThreadRank {
  using AsyncThreadRank::AsyncThreadRank;
  Pending begin(const Outgoing* to, const Incoming* from) {
    if (*in_pass) ++*begun;
    return AsyncThreadRank::begin(to, from);
  }
  bool* in_pass = nullptr;
  int* begun = nullptr;
};
template <class Ranks> struct Passes : Ranks {
  Passes(Ranks ranks, bool* in) : Ranks(std::move(ranks)), in_pass(in) {}
  template <class F> double gradients(Single& model, F&& pass) {
    return Ranks::gradients(model, [&](int i) {
      *in_pass = true;
      const double loss = pass(i);
      *in_pass = false;
      return loss;
    });
  }
  bool* in_pass;
};

}  // namespace

TEST_SUITE("overlap") {
  TEST_CASE("with fixed pieces, 1, 2, 3 and 4 ranks leave the bits of one that does not overlap") {
    for (auto const& size : {std::array{8, 1, 8}, {3, 4, 12}, {7, 1, 5}, {4, 1, 1}}) {
      const TrainOptions o = options(size[0], size[1]);
      const int pieces = size[2];
      Solo solo;
      const auto one = left_by<Single>(DataParallel(solo, pieces), o, 3);
      const auto toy = left_by<Double>(DataParallel(solo, pieces), o, 3);
      for (int n = 1; n < 5; ++n) {
        CAPTURE(pieces);
        CAPTURE(n);
        require_equal(overlapped<Single, 0>(n, pieces, o, 3), one);
        require_equal(overlapped<Single, 1>(n, pieces, o, 3), one);
        require_equal(overlapped<Single, 2>(n, pieces, o, 3), one);
        require_equal(overlapped<Single, 3>(n, pieces, o, 3), one);
        require_equal(overlapped<Double, 1>(n, pieces, o, 3), toy);
        require_equal(overlapped<Double, 3>(n, pieces, o, 3), toy);
      }
    }
  }

  TEST_CASE("frozen layers, and pieces of several batches") {
    const TrainOptions o = options(4, 1), several = options(2, 4);
    Solo solo;
    require_equal(overlapped<Double, 0>(3, 4, o, 3, "h.0.*"), left_by<Double>(DataParallel(solo, 4), o, 3, "h.0.*"));
    require_equal(overlapped<Double, 3>(3, 4, o, 3, "h.0.*"), left_by<Double>(DataParallel(solo, 4), o, 3, "h.0.*"));
    require_equal(overlapped<Double, 0>(2, 2, several, 3), left_by<Double>(DataParallel(solo, 2), several, 3));
  }

  TEST_CASE("an update sends the same bytes, and most of them begin in a pass") {
    const auto check = [&]<int Zero>(stage<Zero>, int n, int accumulation, int pieces) {
      std::array<std::size_t, 2> bytes{};
      std::vector<std::size_t> each(static_cast<std::size_t>(n));
      for (const overlap how : {overlap::off, overlap::on}) {
        test::on_ranks(n, [&](ThreadRank& rank) {
          bool in_pass = false;
          int begun = 0;
          Noted noted(rank);
          noted.in_pass = &in_pass;
          noted.begun = &begun;
          Counting counting(noted);
          Single model(seed{5}, 1);
          using Ranks = DataParallel<Counting<Noted>, Zero>;
          Trainer<Single, Passes<Ranks>> run(model, test::both(), options(8, accumulation), {},
                                             Passes<Ranks>(Ranks(counting, pieces, how), &in_pass));
          counting.forget();
          begun = 0;
          run.step();
          each[static_cast<std::size_t>(rank.rank())] = counting.bytes();
          // A layer's gradients each; and in stage 3 each layer's weights, twice, but for the first, before the pass.
          const int layers = 2, passes = (pieces - rank.rank() + n - 1) / n;
          const int want = how == overlap::off ? 0 : Zero < 2 ? layers : passes * (Zero == 2 ? layers : 3 * layers - 1);
          if (begun < want || (want == 0 && begun > 0))
            throw std::runtime_error(std::to_string(begun) + " begun, expected " + std::to_string(want));
        });
        for (const std::size_t b : each) bytes[static_cast<std::size_t>(how)] += b;
      }
      CHECK(bytes[0] > 0);
      CHECK(bytes[0] == bytes[1]);
    };
    for (const int n : {2, 3}) {
      check(stage<0>{}, n, 1, n);
      check(stage<1>{}, n, 1, 2 * n);
      check(stage<2>{}, n, 1, 2 * n);
      check(stage<3>{}, n, 1, 2 * n);
    }
  }
}

}  // namespace test_overlap
