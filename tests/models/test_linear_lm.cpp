// Language models around linear recurrences without a removal: gradients, bits, and a token at a time.
#include "../support/linear_check.hpp"

namespace test_linear_lm {

using fauna::mixing;

TEST_CASE("linear_lm: retnet") { test::check_linear<mixing::retnet>(); }
TEST_CASE("linear_lm: gla") { test::check_linear<mixing::gla>(); }
TEST_CASE("linear_lm: mlstm") { test::check_linear<mixing::mlstm>(); }
TEST_CASE("linear_lm: rg_lru") { test::check_linear<mixing::rg_lru>(); }
TEST_CASE("linear_lm: mamba3") { test::check_linear<mixing::mamba3>(); }

TEST_CASE("linear_lm: a config as a line and as a type") {
  const fauna::LinearLmConfig c{.mixer = mixing::kda, .heads = 3, .epsilon = 1e-6F};
  CHECK(fauna::to_text(c) ==
        "linear_lm mixer=kda layers=4 heads=3 keys=32 values=32 width=128 hidden=304 vocab=65 epsilon=1e-06");
  CHECK(fauna::config_from<fauna::LinearLmConfig>(fauna::to_text(c)) == c);
  CHECK(fauna::cpp_type(c) ==
        "fauna::LinearLm<fauna::LinearLmConfig{.mixer = fauna::mixing::kda, .layers = 4, .heads = 3, .keys = 32, "
        ".values = 32, .width = 128, .hidden = 304, .vocab = 65, .epsilon = 1e-06F}>");
}

}  // namespace test_linear_lm
