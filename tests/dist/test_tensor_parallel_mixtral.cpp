// As test_tensor_parallel.cpp, of a mixture: every rank routes all rows, and has a part of each expert's columns.
#include <doctest/doctest.h>

#include <fauna/models/mixtral.hpp>

#include "tensor_parallel_check.hpp"

namespace test_tensor_parallel_mixtral {

using namespace fauna;

namespace {

using SmallMixtral = Mixtral<MixtralConfig{.layers = 2,
                                           .heads = 4,
                                           .kv_heads = 2,
                                           .head_size = 4,
                                           .width = 16,
                                           .hidden = 12,
                                           .experts = 4,
                                           .context = 12,
                                           .vocab = 27,
                                           .balance = 0.5F}>;

}  // namespace

// What two ranks have beyond the whole: five norms, two routers, and a row that no token has in two tables.
static_assert(2 * parameters<tensor_parallel<SmallMixtral, 2>> == parameters<SmallMixtral> + (5 + 2 * 4 + 2) * 16);

TEST_CASE("tensor parallel: Mixtral on 2 ranks is the whole one") { test::in_parts::check<SmallMixtral, 2>(); }

}  // namespace test_tensor_parallel_mixtral
