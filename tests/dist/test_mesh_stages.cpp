// As test_mesh.cpp, of pipelines whose stages are in tensor parallel.
#include "mesh_check.hpp"

namespace test_mesh_stages {

using namespace fauna;
using namespace test::in_mesh;
using test::ThreadRank;

TEST_SUITE("mesh") {
  TEST_CASE("a pipeline of two stages in two tensor parallel parts, alone or twice, is the whole model") {
    for (auto const& on :
         {std::pair{4, pipeline_schedule::one_by_one}, {4, pipeline_schedule::zb1p}, {8, pipeline_schedule::zb1p}}) {
      CAPTURE(on.first);
      const Plain plain(2);
      test::on_ranks(on.first, [&](ThreadRank& all) {
        MeshGroups<ThreadRank> mesh(all, replicated({.pp = 2, .tp = 2}, on.first));
        const auto run = [&]<int I>(std::integral_constant<int, I>) {
          using Part = test::in_stages::On<tensor_parallel<SmallGpt, 2>, 2, I>;
          follow<Pipeline<ThreadRank, DataParallel<ThreadRank>>>(
              plain, mesh, [&mesh] { return Part(mesh.pp, seed{5}, 1); },
              [&](auto const& model) {
                return test::in_parts::distance(model, plain.model, mesh.tp.rank(), test::in_stages::values);
              },
              on.second);
        };
        if (mesh.pp.rank() == 0) run(std::integral_constant<int, 0>{});
        else run(std::integral_constant<int, 1>{});
      });
      require_saved(plain);
    }
  }
}

}  // namespace test_mesh_stages
