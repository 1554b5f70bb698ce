// Ranks, which are threads here, in two layouts at once: copies of a model in parts are the whole model, in double to
// 1e-12, with one norm of all gradients.
#include <tuple>

#include <doctest/doctest.h>

#include <fauna/dist/mesh.hpp>
#include <fauna/models/gpt.hpp>

#include "mesh_check.hpp"

namespace test_mesh {

using namespace fauna;
using namespace test::in_mesh;
using test::ThreadRank;

namespace {

constexpr Mesh cube{.pp = 2, .dp = 3, .tp = 2};
static_assert(cube.size() == 12 && cube.at(9) == Mesh{1, 1, 1, 0, 0} && cube.at(5) == Mesh{0, 2, 1, 0, 0});
static_assert([] {  // numbers and places are one to one
  for (int r = 0; r < cube.size(); ++r)
    if (cube.rank_at(cube.at(r)) != r) return false;
  return true;
}());
// Experts are dealt out to neighbours.
constexpr Mesh dealt{.dp = 2, .ep = 3};
static_assert(dealt.at(4) == Mesh{0, 1, 0, 1, 0} && dealt.rank_at({0, 1, 0, 1, 0}) == 4);
static_assert(dealt.first_along(&Mesh::ep, 4) == 3 && dealt.first_along(&Mesh::dp, 4) == 1);
// So are positions.
constexpr Mesh shared{.dp = 2, .cp = 2};
static_assert(shared.at(3) == Mesh{0, 1, 0, 0, 1} && shared.first_along(&Mesh::cp, 3) == 2);
static_assert(shared.first_along(&Mesh::dp, 3) == 1);
// Rank 9's groups: {3, 9}, {7, 9, 11}, {8, 9}.
static_assert(cube.first_along(&Mesh::pp, 9) == 3 && cube.first_along(&Mesh::pp, 3) == 3);
static_assert(cube.first_along(&Mesh::dp, 9) == 7 && cube.first_along(&Mesh::dp, 11) == 7);
static_assert(cube.first_along(&Mesh::tp, 9) == 8 && cube.first_along(&Mesh::tp, 8) == 8);

}  // namespace

TEST_SUITE("mesh") {
  TEST_CASE("two copies of a model in two tensor parallel parts are the whole one") {
    check_parts<TensorParallel<ThreadRank, DataParallel<ThreadRank>>>(
        Plain(2), 4, [] { return test::in_parts::Part<SmallGpt, 2>(seed{5}, 1); });
  }
  TEST_CASE("two copies of a pipeline of two stages are the whole one, whoever has how many batches") {
    for (const int batches : {3, 1}) check_stages<DataParallel<ThreadRank>>(Plain(batches), 4);
  }
  TEST_CASE("groups are those that a place says, and a mesh has all ranks") {
    test::on_ranks(12, [](ThreadRank& ranks) {
      MeshGroups<ThreadRank> mesh(ranks, cube);
      test::in_stages::require(
          Mesh{mesh.pp.rank(), mesh.dp.rank(), mesh.tp.rank(), mesh.ep.rank(), mesh.cp.rank()} == cube.at(ranks.rank()),
          "place");
      for (auto [group, first, size] : {std::tuple(&mesh.pp, cube.first_along(&Mesh::pp, ranks.rank()), 2),
                                        std::tuple(&mesh.dp, cube.first_along(&Mesh::dp, ranks.rank()), 3),
                                        std::tuple(&mesh.tp, cube.first_along(&Mesh::tp, ranks.rank()), 2)})
        test::in_stages::require(group->size() == size && all_gather(*group, ranks.rank())[0] == first, "group");
    });
    CHECK_THROWS_WITH_AS(replicated({.tp = 2}, 3), doctest::Contains("2 parts of a model on 3 ranks"), error);
    Solo solo;
    CHECK_THROWS_WITH_AS((MeshGroups<Solo>(solo, {.dp = 2})), doctest::Contains("a mesh of 1 x 2 x 1 x 1 x 1"), error);
    CHECK_THROWS_WITH_AS(require_only(cube, &Mesh::tp, "tensor parallel"),
                         doctest::Contains("a mesh of 12 ranks, expected 6"), error);
    CHECK_NOTHROW(require_only({.dp = 3, .tp = 2}, &Mesh::tp, "tensor parallel"));
  }
}

}  // namespace test_mesh
