// As test_sequence_parallel.cpp, on more ranks.
#include "sequence_parallel_check.hpp"

TEST_CASE("sequence parallel: Gpt on 4 ranks is the whole one") { test::in_rows::check<test::in_rows::SmallGpt, 4>(); }
