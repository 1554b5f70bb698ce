// In f32, pieces of an update are within rounding of the plain run.
#include "ranks.hpp"

namespace test_rounding {

using namespace fauna;
using test::distance, test::left_by, test::options, test::Single;

TEST_CASE("data parallel: in f32, one piece is the plain run, and many are within rounding of it") {
  TrainOptions o = options(6, 1);
  o.adamw.clip = 0;  // the norm is summed in other parts, and would scale what is clipped
  const auto plain = left_by<Single>(OneRank{}, o, 4);
  Solo solo;
  const auto one = left_by<Single>(DataParallel(solo, 1), o, 4);
  CHECK(one.losses == plain.losses);
  CHECK(one.values == plain.values);
  CHECK(distance(one.norms, plain.norms) < 1e-6 * plain.norms[0]);
  using Plain = Trained<Gpt<GptConfig{.layers = 2, .heads = 2, .width = 24, .context = 12, .vocab = 27}>, Cpu<>>;
  const auto dry = left_by<Plain>(OneRank{}, o, 4), pieces = left_by<Plain>(DataParallel(solo, 6), o, 4);
  CHECK(distance(dry.losses, pieces.losses) < 1e-4 * dry.losses[0]);
  CHECK(distance(dry.norms, pieces.norms) < 1e-4 * dry.norms[0]);
}

}  // namespace test_rounding
