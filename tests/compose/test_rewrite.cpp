// Rewrites: which parts they reach, what stays of the model, and what its checkpoints say.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <fauna/blocks/moe.hpp>
#include <fauna/compose/concat.hpp>
#include <fauna/compose/parallel.hpp>
#include <fauna/compose/recomputed.hpp>
#include <fauna/models/explain.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/models/llama.hpp>
#include <fauna/models/mamba.hpp>
#include <fauna/ops/ref.hpp>
#include <fauna/train/train.hpp>

#include "../support/temporary.hpp"

namespace test_rewrite {

namespace {

using namespace fauna;
constexpr int W = 4;

/// A block that is another type, and otherwise the same.
template <class B> struct Marked : B {};
template <class B> inline constexpr bool is_product = false;
template <int In, int Out, bool Bias, Init I> inline constexpr bool is_product<Linear<In, Out, Bias, I>> = true;

struct MarkProducts {
  static std::string text() { return "marked"; }
  template <class B> static constexpr auto replace() {
    if constexpr (is_product<B>) return std::type_identity<Marked<B>>{};
  }
};
template <class T> struct MarkOne {
  template <class B> static constexpr auto replace() {
    if constexpr (std::is_same_v<B, T>) return std::type_identity<Marked<B>>{};
  }
};
struct MarkUnderName {
  template <class B> static constexpr auto replace() {
    if constexpr (requires { B::tag; } && !Named<B>) {
      if constexpr (B::tag == label("up")) return std::type_identity<mapped<MarkProducts, B>>{};
    }
  }
};

using L = Linear<W, W>;
using M = Marked<L>;
template <class B> using marked = rewrite<B, MarkProducts>;

struct Inner : Seq<L, At<"norm", LayerNorm<W>>> {};
struct Untouched : Seq<LayerNorm<W>, Gelu<W>> {};

template <class Layer> struct Small : Lm<At<"wte", Embedding<7, W>>, At<"h", Stack<0, 2, Layer>>, TiedHead<W, 7>> {};

}  // namespace

TEST_SUITE("rewrite") {
  TEST_CASE("every combinator is reached through") {
    CHECK((std::is_same_v<marked<Seq<L, Gelu<W>>>, Seq<M, Gelu<W>>>));
    CHECK((std::is_same_v<marked<At<"a", L>>, At<"a", M>>));
    CHECK((std::is_same_v<marked<Residual<L>>, Residual<M>>));
    CHECK((std::is_same_v<marked<Stack<3, 2, L, Gelu<W>>>, Stack<3, 2, M, Gelu<W>>>));
    CHECK((std::is_same_v<marked<Stack<3, 2, L, Gelu<W>, L>>, Stack<3, 2, M, Gelu<W>, M>>));
    CHECK((std::is_same_v<marked<Concat<L, Gelu<W>>>, Concat<M, Gelu<W>>>));
    CHECK((std::is_same_v<marked<Parallel<L, Gelu<W>>>, Parallel<M, Gelu<W>>>));
    CHECK((std::is_same_v<marked<Recompute<L>>, Recompute<M>>));
    CHECK((std::is_same_v<marked<StoredAs<conv1d, L>>, StoredAs<conv1d, M>>));
    CHECK((std::is_same_v<marked<Share<"s", L, Use<"s", L>>>, Share<"s", M, Use<"s", M>>>));
    CHECK((std::is_same_v<marked<Carry<"c", W, L>>, Carry<"c", W, M>>));
    CHECK((std::is_same_v<marked<Moe<L, 2, 1, Routing{false}>>, Moe<M, 2, 1, Routing{false}>>));
    CHECK((std::is_same_v<marked<Lm<Embedding<7, W>, L, LmHead<W, 7>, Mtp<Linear<2 * W, W>, Rate{0.5F}>>>,
                          Lm<Embedding<7, W>, M, LmHead<W, 7>, Mtp<Marked<Linear<2 * W, W>>, Rate{0.5F}>>>));
  }

  TEST_CASE("a named block keeps its name, and is itself where nothing of it changes") {
    using R = marked<Seq<Inner, Untouched>>;
    CHECK((std::is_same_v<R, Seq<Rewritten<Inner, MarkProducts>, Untouched>>));
    CHECK((std::is_base_of_v<Seq<M, At<"norm", LayerNorm<W>>>, Rewritten<Inner, MarkProducts>>));
    // Twice: the second rewrite goes on from the first.
    using Twice = rewrite<R, MarkOne<LayerNorm<W>>>;
    CHECK((std::is_base_of_v<Seq<M, At<"norm", Marked<LayerNorm<W>>>>, nth<0, Twice::Child<0>>>));
  }

  TEST_CASE("heads and embeddings may be named, tied ones too, and a part by the label around it") {
    using Head = rewrite<Small<L>, MarkOne<LmHead<W, 7>>>;
    CHECK((std::is_base_of_v<
           Lm<At<"wte", Embedding<7, W>>, At<"h", Stack<0, 2, L>>, Rewritten<TiedHead<W, 7>, MarkOne<LmHead<W, 7>>>>,
           Head>));
    CHECK((std::is_base_of_v<TiedTable<Marked<LmHead<W, 7>>>, Rewritten<TiedHead<W, 7>, MarkOne<LmHead<W, 7>>>>));
    using Table = rewrite<Small<L>, MarkOne<Embedding<7, W>>>;
    CHECK((std::is_base_of_v<Lm<At<"wte", Marked<Embedding<7, W>>>, At<"h", Stack<0, 2, L>>, TiedHead<W, 7>>, Table>));
    CHECK((std::is_same_v<rewrite<Seq<At<"down", L>, At<"up", L>>, MarkUnderName>, Seq<At<"down", L>, At<"up", M>>>));
  }

  TEST_CASE("a model keeps config, spellings of its files, names and counts") {
    static_assert(recomputed<NanoGptCpu>::config == NanoGptCpu::config);
    static_assert(&recomputed<MambaShakespeare>::dialects == &MambaShakespeare::dialects);
    static_assert(parameters<recomputed<SmolLm2_135M>> == parameters<SmolLm2_135M>);
    static_assert(context_of<recomputed<NanoGptCpu>> == 64);
    static_assert(LanguageModel<recomputed<Llama3_8B>>);
    std::vector<std::string> names[2];
    const auto list = [](auto model, std::vector<std::string>& to) {
      using Model = typename decltype(model)::type;
      typename Model::template Weights<All<float>> w;
      Model::visit(w, Place{}, [&to](Tensor const& t, auto&) { to.push_back(t.name()); });
    };
    list(std::type_identity<NanoGptCpu>{}, names[0]);
    list(std::type_identity<recomputed<NanoGptCpu>>{}, names[1]);
    CHECK(names[0] == names[1]);
    CHECK(explain<recomputed<NanoGptCpu>>().find("recomputed") != std::string::npos);
  }

  TEST_CASE("a checkpoint says what was rewritten, and is no plain model's") {
    using Plain = Gpt<GptConfig{.layers = 1, .heads = 1, .width = 4, .context = 4, .vocab = 5, .bias = false}>;
    using Again = marked<Plain>;
    CHECK(config_text<Again>() == "marked: " + config_text<Plain>());
    CHECK(config_text<recomputed<Again>>() == config_text<Again>());
    TemporaryFolder folder;
    std::vector<std::uint8_t> ids(40);
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::uint8_t>(i * i % 5);
    const Split text{Tokens(ids.data(), 30, 5), Tokens(ids.data() + 30, 10, 5)};
    TrainOptions o{.steps = 2, .batch = 1, .eval_interval = 0, .out = folder / "run", .print = nullptr};
    {
      Trained<Again, Ref<float>> model(seed{1});
      train(model, text, o);
    }
    o.resume = folder / "run" + "/last.safetensors";
    o.steps = 4;
    CHECK(read_checkpoint_head(o.resume).config == config_text<Again>());
    Trained<Plain, Ref<float>> plain(seed{1});
    CHECK_THROWS_WITH_AS(train(plain, text, o), doctest::Contains("is of a model 'marked: gpt layers=1"), error);
    Trained<Again, Ref<float>> again(seed{1});
    CHECK(train(again, text, o).iterations == 5);
  }
}

}  // namespace test_rewrite
