// Early exit: the model's first layers draft for all of them, from the same cache.
#include <doctest/doctest.h>

#include <fauna/models/deepseek.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/models/llama.hpp>
#include <fauna/models/mamba.hpp>
#include <fauna/models/mistral.hpp>

#include "../support/speculate_check.hpp"

namespace test_early_exit {

using namespace fauna;
using doctest::Contains;

namespace {

using B = Cpu<>;
template <int Layers>
using Learned = Gpt<GptConfig{.layers = Layers, .heads = 2, .width = 16, .context = 64, .vocab = 13, .bias = true}>;
template <int Layers>
using Rotary = Llama<LlamaConfig{.layers = Layers,
                                 .heads = 4,
                                 .kv_heads = 2,
                                 .head_size = 6,
                                 .width = 16,
                                 .hidden = 20,
                                 .context = 64,
                                 .vocab = 13,
                                 .tied = true}>;
constexpr MistralConfig windows{.layers = 4,
                                .heads = 4,
                                .kv_heads = 2,
                                .head_size = 8,
                                .width = 16,
                                .hidden = 24,
                                .context = 448,
                                .vocab = 13,
                                .window = 5,
                                .full_every = unbounded};
using Window = Mistral<windows>;
constexpr MistralConfig in_rounds(int layers) {
  auto c = windows;
  c.layers = layers;
  c.full_every = 2;
  return c;
}
using Recurrent = Mamba<MambaConfig{.layers = 2, .width = 8, .inner = 16, .states = 3, .rank = 1, .vocab = 13}>;
using DenseFirst =
    DeepseekV2<DeepseekV2Config{{.layers = 3, .heads = 2, .width = 8, .hidden = 12, .context = 64, .vocab = 13},
                                {.experts = 4, .chosen = 2, .expert_hidden = 8, .shared_hidden = 8, .dense = 1},
                                {.rank = 8, .nope = 4, .rope = 4, .value = 4}}>;

static_assert(Drafter<EarlyExit<Reader<Loaded<Window, B>>>>);
static_assert(exits_of<Learned<3>>().layers == 3 && exits_of<Learned<3>>().why_none == nullptr);
static_assert(exits_of<Mistral<in_rounds(4)>>().layers == 4 && exits_of<Mistral<in_rounds(4)>>().round == 2);
static_assert(exits_of<Mistral<in_rounds(5)>>().why_none != nullptr);  // two rounds, and a layer of its own
static_assert(exits_of<DenseFirst>().why_none != nullptr && exits_of<Recurrent>().why_none != nullptr);

/// Every way to draw, length of draft and exit: plain decoding's ids, from one reader that lives through all of it.
template <class M> void check_exits(Trained<M, B> const& trained, int context, std::vector<int> const& lengths) {
  Loaded<M, B> target(trained.weights(), 1);
  Reader<Loaded<M, B>, true> reader(target, context, 5);
  test::Wild wild{.vocab = M::vocab};
  for (auto o : test::ways(27)) {
    CAPTURE(o.temperature);
    CAPTURE(o.repetition_penalty);
    o.context = context;
    for (const int length : lengths) {
      CAPTURE(length);
      const auto prompt = test::some_tokens<M>(length, static_cast<std::uint64_t>(length));
      const auto want = test::plain(target, prompt, o);
      auto stops = o;
      stops.stop_ids = {want[want.size() - 9]};
      const auto stopped = test::plain(target, prompt, stops);
      for (int gamma = 0; gamma <= 8; ++gamma)
        for (int layers = exits_of<M>().round; layers < M::config.layers; layers += exits_of<M>().round) {
          CAPTURE(gamma);
          CAPTURE(layers);
          EarlyExit drafter(reader, layers);
          CHECK(speculate(reader, drafter, prompt, {.text = o, .draft = gamma}).ids == want);
          CHECK(speculate(reader, drafter, prompt, {.text = stops, .draft = gamma}).ids == stopped);
          CHECK(speculate(reader, wild, prompt, {.text = o, .draft = gamma}).ids == want);
        }
    }
  }
}
/// A model whose layers from `first` on add nothing.
template <class M> Trained<M, B> idle_from(int first, std::initializer_list<const char*> outputs) {
  auto m = test::lively<M, B>(1);
  for (Parameter const& p : m.parameters())
    for (int l = first; l < M::config.layers; ++l)
      for (const char* output : outputs)
        if (matches("*." + std::to_string(l) + "." + output, p.name))
          for (std::size_t i = 0; i < p.size(); ++i) m.value(p).data()[i] = 0;
  return m;
}

}  // namespace

TEST_CASE("early exit: logits are those of a model that has no more layers, and the cache is none the wiser") {
  const auto trained = test::lively<Learned<3>, B>(1);
  Trained<Learned<2>, B> fewer(seed{9}, 1);
  for (Parameter const& p : fewer.parameters())
    for (Parameter const& q : trained.parameters())
      if (p.name == q.name) std::copy_n(trained.value(q).data(), q.size(), fewer.value(p).data());
  Loaded<Learned<3>, B> model(trained.weights(), 1);
  Loaded<Learned<2>, B> small(fewer.weights(), 1);
  Reader reader(model, 64, 7);
  Reader other(small, 64);
  test::Random random(4);
  for (int round = 0; round < 40; ++round) {
    CAPTURE(round);
    const int n = random.integer(1, 50), most = random.integer(1, 9);
    auto text = test::some_tokens<Learned<3>>(n, static_cast<std::uint64_t>(round % 5));
    for (int i = 0; i < most; ++i) {
      const float* const got = reader.early(text.data(), n + i, n, 2);
      CHECK(std::equal(got, got + 13, other.logits(text.data(), n + i, 1, n)));
      text.push_back(random.integer(0, 12));
    }
    const int whole = n + random.integer(0, most), wanted = random.integer(1, whole);
    const float* const got = reader.logits(text.data(), whole, wanted, n);
    Cache<Learned<3>, B> fresh(1, 64);
    const auto want = test::in_chunks(model, fresh, {text.begin(), text.begin() + whole}, 1);
    CHECK(std::equal(want.end() - wanted * 13, want.end(), got));
    CHECK(test::state_of(reader.cache()) == test::state_of(fresh));
  }
}

TEST_CASE("early exit: gpt's ids are plain decoding's") {
  check_exits<Learned<3>>(test::lively<Learned<3>, B>(1), 64, test::sizes({1, 7, 30}, {30}));
}
TEST_CASE("early exit: llama's ids are plain decoding's") {
  check_exits<Rotary<2>>(test::lively<Rotary<2>, B>(1), 64, test::sizes({1, 30}, {30}));
}
TEST_CASE("early exit: so are those of a window whose ring has gone round") {
  check_exits<Window>(test::lively<Window, B>(1), 448, {300});
}

TEST_CASE("early exit: layers that add nothing are not missed, and every draft stays") {
  Loaded<Learned<3>, B> gpt(idle_from<Learned<3>>(1, {"attn.c_proj.*", "mlp.c_proj.*"}).weights(), 1);
  Loaded<Rotary<2>, B> llama(idle_from<Rotary<2>>(1, {"self_attn.o_proj.*", "mlp.down_proj.*"}).weights(), 1);
  const auto check = [](auto& model) {
    Reader reader(model, 64);
    EarlyExit drafter(reader, 1);
    for (auto const& o : test::ways(27)) {
      const auto got = speculate(reader, drafter, {1, 2, 3}, {.text = o, .draft = 4});
      CHECK(got.ids == test::plain(model, {1, 2, 3}, o));
      CHECK(got.counts.steps == 6);
      CHECK(got.counts.seen == got.counts.accepted);
    }
  };
  check(gpt);
  check(llama);
}

TEST_CASE("early exit: where there is none is said") {
  Loaded<Learned<3>, B> model(Trained<Learned<3>, B>(seed{1}, 1).weights(), 1);
  Reader reader(model, 64);
  for (const int layers : {-1, 0, 3, 99})
    CHECK_THROWS_WITH_AS(EarlyExit(reader, layers), Contains("layers, expected 1 to 2, as the model has 3"), error);
  const auto refused = [](Exits const& e, int layers, const char* words) {
    CHECK_THROWS_WITH_AS(e.check(layers), Contains(words), error);
  };
  refused(exits_of<Mistral<in_rounds(4)>>(), 1, "whole rounds of 2");
  refused(exits_of<Mistral<in_rounds(5)>>(), 1, "in stacks of their own");
  refused(exits_of<DenseFirst>(), 1, "in stacks of their own");
  refused(exits_of<Recurrent>(), 1, "cannot forget the rows of a draft");
  exits_of<Mistral<in_rounds(4)>>().check(2);
}

}  // namespace test_early_exit
