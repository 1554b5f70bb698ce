// Which types model which concepts: the table that core/concepts.hpp stands for.
#include <doctest/doctest.h>

#include <fauna/core/concepts.hpp>
#include <fauna/core/dual.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/ops/ref.hpp>
#include <fauna/text/bytes.hpp>
#include <fauna/text/chars.hpp>
#include <fauna/train/schedule.hpp>

#include "../support/toys.hpp"

namespace test_concepts {

using namespace fauna;

static_assert(Scalar<float> && Scalar<double> && Scalar<Dual> && !Scalar<bf16> && !Scalar<const char*>);
static_assert(Backend<Ref<float>> && !Backend<float>);
static_assert(Block<Linear<3, 4>> && Block<GptLayer<8, 2, true, Rate{}>> && !Block<int> && !Block<Leaf<3, 4>>);
static_assert(Trainable<Linear<3, 4>> && Trainable<GptLayer<8, 2, true, Rate{0.5F}>> && Trainable<Embedding<5, 4>>);
static_assert(!Trainable<Leaf<3, 4>>);
static_assert(Stateful<test::Scan<4>> && !Stateful<Linear<3, 4>>);
static_assert(ConstantState<test::Scan<4>>);
static_assert(LanguageModel<Gpt2> && !LanguageModel<Linear<3, 4>>);
static_assert(Tokenizer<CharText> && Tokenizer<ByteTokenizer> && !Tokenizer<int>);
static_assert(LearningRate<Schedule>);

TEST_SUITE("concepts") {
  TEST_CASE("a legal model has no fault") { CHECK(legal<Gpt2::fault>()); }
}

}  // namespace test_concepts
