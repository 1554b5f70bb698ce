// Drafters in files as they are published, against the logits that tools/oracles/eagle.py computes.
#include <doctest/doctest.h>

#include <fauna/decode/speculate/eagle.hpp>
#include <fauna/decode/speculate/medusa.hpp>
#include <fauna/io/open_tensors.hpp>
#include <fauna/models/llama.hpp>

#include "../support/source_dir.hpp"
#include "../support/tree_check.hpp"

namespace test_eagle_golden {

using namespace fauna;

namespace {

using B = Cpu<>;
using Target = Llama<LlamaConfig{
    .layers = 8, .heads = 4, .kv_heads = 2, .head_size = 4, .width = 16, .hidden = 24, .context = 64, .vocab = 32}>;
using First = Eagle<EagleConfig{
    .heads = 2, .kv_heads = 1, .head_size = 8, .width = 16, .hidden = 20, .context = 64, .vocab = 32, .base = 500}>;
using Third = Eagle3<Eagle3Config{.layer = {.heads = 4,
                                            .kv_heads = 2,
                                            .head_size = 6,
                                            .width = 16,
                                            .hidden = 28,
                                            .context = 64,
                                            .vocab = 32,
                                            .epsilon = 1e-5F},
                                  .target_width = 16,
                                  .drafts = 20}>;
using HiddenReader = Reader<Loaded<Target, B>, true>;

std::string golden(const char* name) { return test::source_path(std::string("tests/golden/eagle/") + name); }

struct Expected {
  TensorFile file = open_tensors(golden("expected.safetensors"));
  std::vector<int> ids = whole("ids"), tokens = whole("tokens");
  std::vector<int> whole(const char* name) const {
    SafeTensor const& t = *file.find(name);
    std::vector<std::int64_t> v(t.elements());
    std::memcpy(v.data(), t.data, t.bytes);
    return {v.begin(), v.end()};
  }
  void check(const char* name, std::vector<float> const& got) const {
    std::vector<float> want(file.find(name)->elements());
    read_floats(*file.find(name), 0, want.size(), want.data());
    REQUIRE(got.size() == want.size());
    float most = 0, off = 0;
    for (std::size_t i = 0; i < want.size(); ++i) {
      most = std::max(most, std::abs(want[i]));
      off = std::max(off, std::abs(got[i] - want[i]));
    }
    CHECK(off <= 1e-4F * most);  // as all goldens: f32 sums in another order
    CHECK(most > 1);
  }
};

/// The logits behind the text and behind each token that is drafted, one after another.
template <class N> std::vector<float> along(HiddenReader& reader, N layer, Expected const& e) {
  const int n = static_cast<int>(e.ids.size());
  EagleText text(reader, std::move(layer));
  CHECK(text.behind(e.ids, 8) == nullptr);  // the target has read nothing
  reader.logits(e.ids.data(), n - 1, 1, n - 1);
  const float* f = text.behind(e.ids, 8);
  REQUIRE(f != nullptr);
  std::vector<float> all;
  const auto add = [&] {
    const float* const y = text.logits(f, 1);
    all.insert(all.end(), y, y + text.drafts());
  };
  add();
  for (const int t : e.tokens) {
    f = text.drafted({t}, [f](int) { return f; });
    add();
  }
  return all;
}

}  // namespace

TEST_CASE("eagle golden: EAGLE-1, EAGLE-3 and Medusa") {
  const Expected e;
  const int n = static_cast<int>(e.ids.size());
  Loaded<Target, B> model(open_tensors(golden("target")), 1);
  {
    Loaded<First, B> layer(open_tensors(golden("eagle1")), 1);
    HiddenReader reader(model, 64, 5);
    e.check("eagle1", along(reader, EagleReader(layer, 64), e));
  }
  const TensorFile file = open_tensors(golden("eagle3"));
  Loaded<Third, B> layer(file, 1);
  const auto tokens = eagle_tokens(file, Third::drafts, Third::vocab);
  HiddenReader reader(model, 64, 5);
  e.check("eagle3", along(reader, EagleReader(layer, 64, tokens), e));

  const auto heads = MedusaWeights::from_file(golden("medusa.safetensors"), 16, 32);
  std::vector<float> z(3 * 16), y(3 * 32);
  heads.rows(reader.hidden(n - 2), z.data());
  heads.logits(z.data(), y.data());
  e.check("medusa", y);
}

TEST_CASE("eagle golden: a drafter of few tokens proposes these alone, and the text is plain decoding's") {
  Loaded<Target, B> model(open_tensors(golden("target")), 1);
  const TensorFile file = open_tensors(golden("eagle3"));
  Loaded<Third, B> layer(file, 1);
  const auto tokens = eagle_tokens(file, Third::drafts, Third::vocab);
  HiddenReader reader(model, 64, 5);
  EagleChain chain(reader, EagleReader(layer, 64, tokens));
  Eagle2 tree(reader, EagleReader(layer, 64, tokens), 10);
  for (auto o : test::ways(27)) {
    CAPTURE(o.temperature);
    o.context = 64;
    for (const int length : {2, 30}) {
      const auto prompt = test::some_tokens<Target>(length, static_cast<std::uint64_t>(length));
      const auto want = test::plain(model, prompt, o);
      for (const int gamma : {1, 3, 5}) {
        CHECK(speculate(reader, chain, prompt, {.text = o, .draft = gamma}).ids == want);
        CHECK(speculate(reader, tree, prompt, {.text = o, .draft = gamma}).ids == want);
      }
      std::vector<int> text = want;
      DraftTree drafted;
      text.resize(static_cast<std::size_t>(length) + 10);
      reader.logits(text.data(), length + 9, 1, length + 9);
      tree.propose_tree(text, drafted, 4, 0);
      CHECK(drafted.size() == 10);
      for (const int t : drafted.tokens) CHECK(std::find(tokens.begin(), tokens.end(), t) != tokens.end());
    }
  }
}

TEST_CASE("eagle golden: a vocabulary that is not one") {
  const TensorFile file = open_tensors(golden("eagle3")), first = open_tensors(golden("eagle1"));
  using doctest::Contains;
  CHECK(eagle_tokens(first, 32, 32)[31] == 31);
  CHECK_THROWS_WITH_AS(eagle_tokens(first, 20, 32), Contains("no d2t, expected one: the drafter has 20 tokens"), error);
  CHECK_THROWS_WITH_AS(eagle_tokens(file, 19, 32), Contains("d2t I64 [20], expected I64 [19]"), error);
  CHECK_THROWS_WITH_AS(eagle_tokens(file, 20, 24), Contains("expected one of the model's 24 tokens"), error);
}

}  // namespace test_eagle_golden
