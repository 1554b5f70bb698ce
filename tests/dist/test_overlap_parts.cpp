// As test_overlap.cpp, of models in parts: copies in tensor parallel, and ranks that share sequences, leave the bits of
// those that wait, and begin exchanges of gradients in the backward pass.
#include <doctest/doctest.h>

#include <fauna/dist/context_parallel.hpp>

#include "mesh_check.hpp"

namespace test_overlap_parts {

using namespace fauna;
using test::AsyncThreadRank, test::ThreadRank, test::in_mesh::SmallGpt;

namespace {

template <int N> using stage = std::integral_constant<int, N>;

struct Seen {
  bool in_pass = false;
  int begun = 0;  ///< exchanges, in passes
};
/// Tells what it begins, as do the groups that it is split into.
struct Noted : AsyncThreadRank {
  Noted(ThreadRank const& rank, Seen* to) : AsyncThreadRank(rank), seen(to) {}
  Noted split(int color) const { return {ThreadRank::split(color), seen}; }
  Pending begin(const Outgoing* to, const Incoming* from) {
    if (seen->in_pass) ++seen->begun;
    return AsyncThreadRank::begin(to, from);
  }
  Seen* seen;
};
/// Tells when it is in a pass: a batch's, or a pipeline's with all of its batches.
template <class T> struct Watched : T {
  using T::T;
  template <class... A> double accumulate(A&&... a) {
    return noted([&] { return T::accumulate(a...); });
  }
  template <class... A> double run(A&&... a) {
    return noted([&] { return T::run(a...); });
  }
  template <class F> double noted(F&& f) {
    seen->in_pass = true;
    const double loss = f();
    seen->in_pass = false;
    return loss;
  }
  Seen* seen = nullptr;
};

/// Three updates of a rank's model, in both ways. how: what the ranks are told before.
template <class Ranks, class Make, class... How> void follow(ThreadRank& rank, Mesh parts, Make&& make, How... how) {
  std::vector<double> values[2];
  Seen seen[2];
  for (const int i : {0, 1}) {
    Noted all(rank, &seen[i]);
    MeshGroups<Noted> mesh(all, replicated(parts, 4));
    auto model = make(mesh);
    model.seen = &seen[i];
    Trainer<decltype(model), Ranks> run(model, test::both(), test::options(4, 2), {},
                                        Ranks(mesh, how..., i == 1 ? overlap::on : overlap::off));
    for (int update = 0; update < 3; ++update) run.step();
    if constexpr (requires { run.ranks().make_whole(model); }) run.ranks().make_whole(model);
    test::add_values(model, values[i]);
  }
  if (values[0] != values[1]) throw std::runtime_error("other bits");
  if (seen[0].begun != 0 || seen[1].begun < 3) throw std::runtime_error(std::to_string(seen[1].begun) + " exchanges");
}
template <class Ranks, class Make> void check(Mesh parts, Make&& make) {
  test::on_ranks(4, [&](ThreadRank& rank) { follow<Ranks>(rank, parts, make); });
}

}  // namespace

TEST_SUITE("overlap") {
  TEST_CASE("copies in tensor parallel leave the same bits") {
    const auto with = [&]<int Zero>(stage<Zero>) {
      check<TensorParallel<Noted, DataParallel<Noted, Zero>>>({.tp = 2}, [](auto& mesh) {
        Watched<test::in_parts::Part<SmallGpt, 2>> model(seed{5}, 1);
        draw_part(model, mesh.tp.rank());
        return model;
      });
    };
    with(stage<0>{});
    with(stage<1>{});
    with(stage<3>{});
  }
  TEST_CASE("ranks that share sequences do") {
    const auto with = [&]<int Zero>(stage<Zero>) {
      check<ContextParallel<Noted, Zero>>({.cp = 2}, [](auto& mesh) {
        return Watched<ContextShare<context_parallel<SmallGpt, 2>, Ref<double>, Noted>>(mesh.cp, seed{5}, 1);
      });
    };
    with(stage<0>{});
    with(stage<2>{});
    with(stage<3>{});
  }
  TEST_CASE("copies of a pipeline do") {
    for (const pipeline_schedule how : {pipeline_schedule::gpipe, pipeline_schedule::one_by_one}) {
      test::on_ranks(4, [&](ThreadRank& rank) {
        const auto with = [&]<int I>(stage<I>) {  // those of the second stage share moments
          follow<Pipeline<Noted, DataParallel<Noted, I>>>(
              rank, {.pp = 2},
              [](auto& mesh) {
                Watched<test::in_stages::On<SmallGpt, 2, I, Noted>> model(mesh.pp, seed{5}, 1);
                draw_part(model, 0);
                return model;
              },
              how, 0);
        };
        if (rank.rank() < 2) with(stage<0>{});
        else with(stage<1>{});
      });
    }
  }
}

}  // namespace test_overlap_parts
