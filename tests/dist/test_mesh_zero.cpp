// As test_mesh.cpp, of copies that share what ZeRO's stages say: a model in tensor parallel in all of them, a pipeline
// in the first.
#include "mesh_check.hpp"

namespace test_mesh_zero {

using namespace fauna;
using namespace test::in_mesh;
using test::ThreadRank;

namespace {

template <int N> using stage = std::integral_constant<int, N>;

}  // namespace

TEST_SUITE("mesh_zero") {
  TEST_CASE("copies of a model in two tensor parallel parts share moments, gradients and weights") {
    const auto check = [&]<int Zero>(stage<Zero>, int copies, int accumulation) {
      CAPTURE(Zero);
      const Plain plain(accumulation);
      test::on_ranks(2 * copies, [&](ThreadRank& ranks) {
        MeshGroups<ThreadRank> mesh(ranks, replicated({.tp = 2}, ranks.size()));
        follow<TensorParallel<ThreadRank, DataParallel<ThreadRank, Zero>>>(
            plain, mesh, [] { return test::in_parts::Part<SmallGpt, 2>(seed{5}, 1); },
            [&](auto const& model) {
              return test::in_parts::distance(model, plain.model, mesh.tp.rank(), test::in_stages::values);
            });
      });
      require_saved(plain);
    };
    check(stage<1>{}, 2, 2);
    check(stage<2>{}, 2, 2);
    check(stage<3>{}, 2, 2);
    check(stage<3>{}, 3, 1);
  }
  TEST_CASE("copies of a pipeline of two stages share moments") {
    const Plain plain(3);
    test::on_ranks(4, [&](ThreadRank& ranks) {
      MeshGroups<ThreadRank> mesh(ranks, replicated({.pp = 2}, 4));
      const auto run = [&](auto part) {
        using Stage = test::in_stages::On<SmallGpt, 2, part>;
        follow<Pipeline<ThreadRank, DataParallel<ThreadRank, 1>>>(
            plain, mesh, [&mesh] { return Stage(mesh.pp, seed{5}, 1); },
            [&](auto const& model) { return test::in_stages::distance(model, plain.model, test::in_stages::values); });
      };
      if (mesh.pp.rank() == 0) run(std::integral_constant<int, 0>{});
      else run(std::integral_constant<int, 1>{});
    });
    require_saved(plain);
  }
}

}  // namespace test_mesh_zero
