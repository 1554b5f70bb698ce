// As test_mesh_stages.cpp, of stages in sequence parallel: each rank has its rows of what crosses a border.
#include "mesh_check.hpp"
#include "sequence_parallel_check.hpp"

namespace test_mesh_stages_rows {

using namespace fauna;
using namespace test::in_mesh;
using test::ThreadRank;

TEST_CASE("mesh: a pipeline of two stages in sequence parallel, alone or twice, is the whole model") {
  for (const int number : {4, 8}) {
    CAPTURE(number);
    const Plain plain(number == 4 ? 2 : 3, 8);
    test::on_ranks(number, [&](ThreadRank& all) {
      MeshGroups<ThreadRank> mesh(all, replicated({.pp = 2, .tp = 2}, number));
      const auto run = [&]<int I>(std::integral_constant<int, I>) {
        using Part = test::in_stages::On<sequence_parallel<SmallGpt, 2>, 2, I>;
        follow<Pipeline<ThreadRank, DataParallel<ThreadRank, 1>>>(
            plain, mesh, [&mesh] { return Part(mesh.pp, seed{5}, 1); },
            [&](auto const& model) {
              return test::in_parts::distance(model, plain.model, mesh.tp.rank(), test::in_stages::values);
            },
            number == 4 ? pipeline_schedule::one_by_one : pipeline_schedule::zb1p);
        Part model(mesh.pp, seed{5}, 1);
        take_part(model, plain.model, mesh.tp.rank());
        model.prepare_inference({.sequences = 2, .length = 8});
        BatchMemory text(2, 8);
        text.draw(test::both().train, Key{1, 2}, 0);
        Alone<SmallGpt> whole(seed{5}, 1);
        take_part(whole, plain.model, 0);
        whole.prepare_inference({.sequences = 2, .length = 8});
        std::vector<double> found(16), wanted(16);
        whole.losses(text.batch(), wanted.data());
        {
          const Joined joined(model, mesh.tp);
          model.losses(text.batch(), found.data());
        }
        test::in_stages::require_near(test::distance(found, wanted), 0, "losses");
      };
      if (mesh.pp.rank() == 0) run(std::integral_constant<int, 0>{});
      else run(std::integral_constant<int, 1>{});
    });
    require_saved(plain);
  }
}

}  // namespace test_mesh_stages_rows
