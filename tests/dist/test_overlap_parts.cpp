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

/// Counts what it begins, as do the groups that it is split into.
struct Noted : AsyncThreadRank {
  Noted(ThreadRank const& rank, int* count) : AsyncThreadRank(rank), begun(count) {}
  Noted split(int color) const { return {ThreadRank::split(color), begun}; }
  Pending begin(const Outgoing* to, const Incoming* from) {
    ++*begun;
    return AsyncThreadRank::begin(to, from);
  }
  int* begun;
};

/// Three updates of what make(mesh) makes, in both ways.
template <class Ranks, class Make> void check(Mesh parts, Make&& make) {
  test::on_ranks(4, [&](ThreadRank& rank) {
    std::vector<double> values[2];
    int begun[2] = {};
    for (const int i : {0, 1}) {
      Noted all(rank, &begun[i]);
      MeshGroups<Noted> mesh(all, replicated(parts, 4));
      auto model = make(mesh);
      Trainer<decltype(model), Ranks> run(model, test::both(), test::options(4, 2), {},
                                          Ranks(mesh, i == 1 ? overlap::on : overlap::off));
      for (int update = 0; update < 3; ++update) run.step();
      if constexpr (requires { run.ranks().make_whole(model); }) run.ranks().make_whole(model);
      test::add_values(model, values[i]);
    }
    if (values[0] != values[1]) throw std::runtime_error("other bits");
    if (begun[0] != 0 || begun[1] < 3 * 2) throw std::runtime_error(std::to_string(begun[1]) + " exchanges begun");
  });
}

}  // namespace

TEST_SUITE("overlap") {
  TEST_CASE("copies in tensor parallel leave the same bits") {
    const auto with = [&]<int Zero>(stage<Zero>) {
      check<TensorParallel<Noted, DataParallel<Noted, Zero>>>({.tp = 2}, [](auto& mesh) {
        auto model = test::in_parts::Part<SmallGpt, 2>(seed{5}, 1);
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
        return ContextShare<context_parallel<SmallGpt, 2>, Ref<double>, Noted>(mesh.cp, seed{5}, 1);
      });
    };
    with(stage<0>{});
    with(stage<2>{});
    with(stage<3>{});
  }
}

}  // namespace test_overlap_parts
