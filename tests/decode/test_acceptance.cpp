// What each acceptance rule keeps, by enumeration of everything that can happen: in whole texts, drafts and all, of a
// few tokens of a small vocabulary; and among siblings. And rules and states that are wrong, which must show.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include <fauna/decode/speculate/speculate.hpp>

#include "../support/enumeration.hpp"
#include "../support/random.hpp"

namespace test_acceptance {

using namespace fauna;
using test::Enumerated, test::Enumeration, test::total_variation;

namespace {

/// Where a state that is taken back, or a tree, is wrong.
enum class slip : int { none, row, shift, branch };

/// A language model of a formula: the logits follow from the last two tokens and the position. It reads token by token,
/// and carries how many it has read and the last one, its token shift.
class Toy {
 public:
  Toy(int vocab, std::uint64_t stream, slip s = slip::none) : vocab_(vocab), slip_(s), key_{9, stream} {}
  int vocab() const { return vocab_; }
  static int context() { return 16; }
  const float* logits(const int* ids, int n, int wanted, int) {
    int same = 0;
    while (same < n - wanted && same < static_cast<int>(read_.size()) && read_[at(same)] == ids[same]) ++same;
    const bool back = same < static_cast<int>(read_.size());
    read_.resize(at(same));
    if (!(back && slip_ == slip::shift)) before_ = same > 0 ? ids[same - 1] : 0;
    if (!(back && slip_ == slip::row)) length_ = same;
    y_.resize(at((n - same) * vocab_));
    for (int r = same; r < n; ++r) {
      const Key row = key_.child(at(ids[r])).child(at(before_)).child(at(length_));
      for (int i = 0; i < vocab_; ++i) y_[at((r - same) * vocab_ + i)] = 1.5F * row.normal(at(i));
      before_ = ids[r];
      ++length_;
      read_.push_back(ids[r]);
    }
    return y_.data() + (n - same - wanted) * vocab_;
  }
  /// Each path by itself.
  static int tree_room(int) { return 5; }
  const float* tree_logits(const int* ids, int n, DraftTree const& tree) {
    tree_.clear();
    for (int node = DraftTree::root; node < tree.size(); ++node) {
      std::vector<int> text(ids, ids + n), branch;
      for (int i = node; i != DraftTree::root; i = tree.parent(i)) branch.insert(branch.begin(), tree.token(i));
      if (slip_ == slip::branch && node > 1) branch.front() = tree.token(0);  // beside the branch's own beginning
      text.insert(text.end(), branch.begin(), branch.end());
      Toy alone(*this);
      const float* row = alone.logits(text.data(), static_cast<int>(text.size()), 1, n);
      tree_.insert(tree_.end(), row, row + vocab_);
    }
    return tree_.data();
  }
  static void keep(std::vector<int> const&) {}

 private:
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }
  int vocab_;
  slip slip_;
  Key key_;
  std::vector<int> read_{};
  std::vector<float> y_{}, tree_{};
  int before_ = 0, length_ = 0;
};

using Texts = std::map<std::vector<int>, double>;

/// What plain decoding writes, token by token.
void plain(Toy& target, Sampler& sampler, std::vector<int> const& text, int tokens, double p, Texts& all) {
  if (tokens == 0 || p == 0) {
    if (p > 0) all[text] += p;
    return;
  }
  const int n = static_cast<int>(text.size());
  Law law(static_cast<std::size_t>(target.vocab()));
  sampler.law(target.logits(text.data(), n, 1, n), law.data(), text.data(), text.size());
  for (int i = 0; i < target.vocab(); ++i) {
    auto longer = text;
    longer.push_back(i);
    plain(target, sampler, longer, tokens - 1, p * law[static_cast<std::size_t>(i)], all);
  }
}

const std::vector<int> prompt{1, 0, 2};

/// The law of the texts of a rule, with drafts of a drafter that make() gives.
template <class A, class Make>
Texts texts_of(Enumeration& all, A const& rule, Make&& make, int vocab, SpeculateOptions const& o,
               slip s = slip::none) {
  Texts got;
  std::vector<int> ids;
  double sum = 0;
  all.run(
      [&] {
        Toy target(vocab, 1, s);
        auto drafter = make();
        ids = speculate(target, drafter, prompt, o, rule, [](int) {}).ids;
      },
      [&](double p) { got[ids] += p, sum += p; });
  CHECK(sum == doctest::Approx(1).epsilon(1e-12));
  return got;
}
Texts plain_texts(int vocab, GenerateOptions const& o) {
  Toy target(vocab, 1);
  Sampler sampler(vocab, generate_detail::sampling(o));
  Texts want;
  plain(target, sampler, prompt, o.tokens, 1, want);
  return want;
}
/// A model that drafts, rather like the target or not at all.
auto model_of(int vocab) {
  return [vocab] { return DraftModel(Toy(vocab, 2)); };
}
auto ngram() {
  return [] { return NgramDrafter(2, 1); };
}
auto tree_of(int vocab) {
  return [vocab] { return ModelTree(Toy(vocab, 2), {2, 2}); };
}

std::vector<GenerateOptions> ways(int tokens) {
  return {{.tokens = tokens, .temperature = 1, .top_k = 0},
          {.tokens = tokens, .temperature = 0.6F, .top_k = 2},
          {.tokens = tokens, .temperature = 1.3F, .top_k = 0, .top_p = 0.9F, .repetition_penalty = 1.6F},
          {.tokens = tokens, .temperature = 0, .top_k = 0}};
}
struct Size {
  int vocab, tokens, draft;
};
constexpr Size sizes[] = {{3, 1, 2}, {3, 2, 1}, {3, 3, 1}, {3, 3, 2}, {3, 3, 3}, {4, 3, 2}, {6, 2, 1}, {3, 4, 2}};

/// How far the texts of a rule are from plain decoding's at worst, by both kinds of drafter.
template <class A> double worst(Enumeration& all, A const& rule) {
  double most = 0;
  for (Size const& n : sizes)
    for (GenerateOptions const& o : ways(n.tokens)) {
      const auto want = plain_texts(n.vocab, o);
      const SpeculateOptions how{.text = o, .draft = n.draft};
      most = std::max(most, total_variation(texts_of(all, rule, model_of(n.vocab), n.vocab, how), want));
      most = std::max(most, total_variation(texts_of(all, rule, ngram(), n.vocab, how), want));
    }
  return most;
}
/// Of one size and drawn plainly: for rules that are wrong.
template <class A> double wrong(Enumeration& all, A const& rule, slip s = slip::none) {
  const GenerateOptions o{.tokens = 3, .temperature = 1, .top_k = 0};
  const SpeculateOptions how{.text = o, .draft = 2};
  return total_variation(texts_of(all, rule, model_of(3), 3, how, s), plain_texts(3, o));
}

// Wrong rules. Each of these has been somebody's.

/// Draws at half the temperature, and says the law of the whole.
struct OtherTemperature : Rejection<Enumerated> {
  int draft(Drawing const& at, Law& q, Drafted const&) const {
    q = at.law();
    Law sharp = q;
    for (double& p : sharp) p *= p;
    return chance.choose(sharp, at.noise(Drawing::use::draft));
  }
};
/// Proposes the likeliest token as if it had been drawn.
struct LikeliestAsDrawn : Rejection<Enumerated> {
  static int draft(Drawing const& at, Law& q, Drafted const& earlier) {
    q = at.law();
    return at.likeliest(earlier);
  }
};
/// Takes what is turned down from p itself, not from what q left of it.
struct NothingTakenAway : Rejection<Enumerated> {
  int next(Drawing const& at, Drafted const& d) const {
    Law p = at.law();
    if (d.count > 0) {
      const auto x = static_cast<std::size_t>(d.tokens[0]);
      if (chance.happens(p[x] / (*d.law)[x], at.noise(Drawing::use::stays))) return d.tokens[0];
    }
    return chance.choose(p, at.noise(Drawing::use::instead));
  }
};
/// The number that drew the draft decides whether it stays.
struct SameNumber : Rejection<Enumerated> {
  int draft(Drawing const& at, Law& q, Drafted const&) const {
    q = at.law();
    return chance.choose(q, at.noise(Drawing::use::stays));
  }
};
/// The token behind the draft comes from the row before.
struct RowBefore : Rejection<Enumerated> {
  mutable Law before{};
  int next(Drawing const& at, Drafted const& d) const {
    const Law own = at.law();
    const int id = d.count > 0 || before.empty() ? Rejection<Enumerated>::next(at, d)
                                                 : chance.choose(before, at.noise(Drawing::use::instead));
    before = d.count > 0 && id == d.tokens[0] ? own : Law{};
    return id;
  }
};
/// A point mass that keeps x possible after it was turned down.
struct StillPossible : PointMass<Enumerated> {
  int next(Drawing const& at, Drafted const& d) const {
    const Law p = at.law();
    if (d.count > 0 && chance.happens(p[static_cast<std::size_t>(d.tokens[0])], at.noise(Drawing::use::stays)))
      return d.tokens[0];
    return chance.choose(p, at.noise(Drawing::use::instead));
  }
};

static_assert(Acceptance<Match> && Acceptance<Greedy> && Acceptance<Rejection<>> && Acceptance<PointMass<>> &&
              Acceptance<WithoutReplacement<>> && Acceptance<Typical<>>);
static_assert(Match::kept == keeps::ids && Greedy::kept == keeps::ids && Rejection<>::kept == keeps::law &&
              PointMass<>::kept == keeps::law && WithoutReplacement<>::kept == keeps::law &&
              Typical<>::kept == keeps::nothing);

/// Draws one token and proposes another.
struct Liar {
  template <class F> void propose(std::vector<int>& text, int, F&& draw) const {
    const float certain[] = {0, -__builtin_inff(), -__builtin_inff()};
    draw(certain);
    text.push_back(1);
  }
};
/// The digits of a number to the base 3.
struct Fixed {
  int script;
  template <class F> void propose(std::vector<int>& text, int most, F&&) const {
    for (int i = 0, rest = script; i < most; ++i, rest /= 3) text.push_back(rest % 3);
  }
};

/// Random logits of a place, and who draws by them.
struct Spot {
  std::vector<float> logits{};
  Sampler sampler;
  Spot(int vocab, std::uint64_t stream, Sampling how = {}) : sampler(vocab, how) {
    test::Random random(stream);
    for (int i = 0; i < vocab; ++i) logits.push_back(2 * random.uniform());
  }
  Drawing at() { return {sampler, logits.data(), Key{1, 2}, nullptr, 0}; }
};
/// The law of the token after `siblings` drafts, and how probable it is that one of them stayed.
template <class A>
std::map<int, double> with_siblings(Enumeration& all, A const& rule, Spot& target, Spot& draft, int siblings,
                                    double& stayed) {
  std::map<int, double> got;
  int id = 0;
  std::vector<int> tokens;
  stayed = 0;
  all.run(
      [&] {
        tokens.clear();
        Law q;
        for (int i = 0; i < siblings; ++i)
          tokens.push_back(rule.draft(draft.at(), q, {tokens.data(), static_cast<int>(tokens.size()), &q}));
        id = rule.next(target.at(), {tokens.data(), siblings, &q});
      },
      [&](double p) {
        got[id] += p;
        if (std::find(tokens.begin(), tokens.end(), id) != tokens.end()) stayed += p;
      });
  return got;
}

}  // namespace

TEST_CASE("rejection, point masses and siblings without replacement keep the law of texts") {
  Enumeration all;
  CHECK(worst(all, Rejection<Enumerated>{{&all}}) < 1e-12);
  CHECK(worst(all, PointMass<Enumerated>{{&all}}) < 1e-12);
  CHECK(worst(all, WithoutReplacement<Enumerated>{{{&all}}}) < 1e-12);
}

TEST_CASE("typical acceptance does not, and says so") {
  Enumeration all;
  const double far = wrong(all, Typical<Enumerated>{{&all}});
  CHECK(far > 0.05);
  CHECK(far < 1);
}

TEST_CASE("rules that are wrong show in the law of texts") {
  Enumeration all;
  const Enumerated chance{&all};
  CHECK(wrong(all, Rejection<Enumerated>{chance}) < 1e-12);
  CHECK(wrong(all, OtherTemperature{{chance}}) > 1e-3);
  CHECK(wrong(all, LikeliestAsDrawn{{chance}}) > 1e-3);
  CHECK(wrong(all, NothingTakenAway{{chance}}) > 1e-3);
  CHECK(wrong(all, SameNumber{{chance}}) > 1e-3);
  CHECK(wrong(all, RowBefore{{chance}}) > 1e-3);
  CHECK(wrong(all, PointMass<Enumerated>{chance}) < 1e-12);
  CHECK(wrong(all, StillPossible{{chance}}) > 1e-3);
}

TEST_CASE("states that are not taken back as they should be show in the law of texts") {
  Enumeration all;
  for (const slip s : {slip::row, slip::shift}) {
    CHECK(wrong(all, Rejection<Enumerated>{{&all}}, s) > 1e-3);
    CHECK(wrong(all, PointMass<Enumerated>{{&all}}, s) > 1e-3);
  }
}

TEST_CASE("trees keep the law of texts, by every rule for siblings; a branch that is mixed up shows") {
  Enumeration all;
  const Enumerated chance{&all};
  for (Size const& n : {Size{3, 2, 1}, Size{3, 3, 2}})
    for (GenerateOptions const& o : ways(n.tokens)) {
      const auto want = plain_texts(n.vocab, o);
      const auto far = [&](auto const& rule, auto make, int nodes, slip s = slip::none) {
        const SpeculateOptions how{.text = o, .draft = n.draft, .nodes = nodes};
        return total_variation(texts_of(all, rule, make, n.vocab, how, s), want);
      };
      for (const int nodes : {1, 3, 6}) {
        CHECK(far(Rejection<Enumerated>{chance}, tree_of(n.vocab), nodes) < 1e-12);
        CHECK(far(WithoutReplacement<Enumerated>{{chance}}, tree_of(n.vocab), nodes) < 1e-12);
        CHECK(far(PointMass<Enumerated>{chance}, tree_of(n.vocab), nodes) < 1e-12);
        CHECK(far(
                  PointMass<Enumerated>{chance}, [] { return NgramTree(3, 2, 1); }, nodes) < 1e-12);
      }
      if (n.draft == 2 && o.temperature == 1) {
        CHECK(far(WithoutReplacement<Enumerated>{{chance}}, tree_of(n.vocab), 6, slip::branch) > 1e-3);
        CHECK(far(PointMass<Enumerated>{chance}, tree_of(n.vocab), 6, slip::branch) > 1e-3);
      }
    }
}

TEST_CASE("siblings: the law of one place, and how often a draft stays") {
  Enumeration all;
  const Enumerated chance{&all};
  for (const int vocab : {2, 3, 5, 6})
    for (std::uint64_t stream = 0; stream < 4; ++stream)
      for (const int top_k : {0, 2}) {
        Spot target(vocab, 10 + stream, {.top_k = top_k}), draft(vocab, 20 + stream);
        std::map<int, double> p;
        double tv = 0;
        const Law own = target.at().law(), its = draft.at().law();
        for (int i = 0; i < vocab; ++i) {
          const auto k = static_cast<std::size_t>(i);
          if (own[k] > 0) p[i] = own[k];
          tv += 0.5 * std::abs(own[k] - its[k]);
        }
        double before[3] = {};
        for (int siblings = 1; siblings <= 3; ++siblings) {
          double stayed = 0;
          const auto look = [&](auto const& rule, double& least) {
            CHECK(total_variation(with_siblings(all, rule, target, draft, siblings, stayed), p) < 1e-12);
            CHECK(stayed > least - 1e-12);
            least = stayed;
          };
          look(Rejection<Enumerated>{chance}, before[0]);
          if (siblings == 1) CHECK(stayed == doctest::Approx(1 - tv).epsilon(1e-12));  // no rule keeps more
          look(WithoutReplacement<Enumerated>{{chance}}, before[1]);
          CHECK(before[1] > before[0] - 1e-12);
          look(PointMass<Enumerated>{chance}, before[2]);
        }
      }
}

TEST_CASE("siblings that differ, looked at as if they had been drawn alike, show") {
  Enumeration all;
  struct Forgets : Rejection<Enumerated, false> {
    int next(Drawing const& at, Drafted const& d) const { return Rejection<Enumerated>{chance}.next(at, d); }
  };
  double most = 0, stayed = 0;
  for (std::uint64_t stream = 0; stream < 8; ++stream) {
    Spot target(5, 10 + stream), draft(5, 20 + stream);
    std::map<int, double> p;
    const Law own = target.at().law();
    for (int i = 0; i < 5; ++i) p[i] = own[static_cast<std::size_t>(i)];
    most = std::max(most, total_variation(with_siblings(all, Forgets{{{&all}}}, target, draft, 3, stayed), p));
  }
  CHECK(most > 1e-3);
}

TEST_CASE("a draft that its law cannot have drawn is refused") {
  Toy target(3, 1);
  const Liar liar;
  CHECK_THROWS_WITH_AS(speculate(target, liar, prompt, {.text = {.tokens = 3, .temperature = 1}}, Rejection{}),
                       doctest::Contains("a draft with the token 1, which its law does not draw"), error);
}

TEST_CASE("matching: plain decoding's ids for every seed, and every rule's ids follow from the seed") {
  int same[3] = {}, moved = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const SpeculateOptions o{.text = {.tokens = 6, .temperature = 1, .top_k = 0, .seed = seed}, .draft = 3};
    const auto ids = [&](auto const& rule, int draft) {
      Toy target(5, 1);
      DraftModel drafter(Toy(5, 2));
      return speculate(target, drafter, prompt, {.text = o.text, .draft = draft}, rule).ids;
    };
    const auto want = ids(Match{}, 0);
    CHECK(ids(Match{}, 3) == want);
    const auto look = [&](auto const& rule, int& equal) {
      const auto got = ids(rule, 3);
      CHECK(got == ids(rule, 3));
      equal += got == want;
    };
    look(Rejection{}, same[0]);
    look(PointMass{}, same[1]);
    look(WithoutReplacement{}, same[2]);
    moved += want[4] != want[3];
  }
  for (const int n : same) CHECK(n < 100);  // their ids are their own
  CHECK(moved > 50);
}

TEST_CASE("greedy: every draft there is leaves plain decoding's ids") {
  const GenerateOptions o{.tokens = 4, .temperature = 0, .top_k = 0};
  const auto want = plain_texts(3, o).begin()->first;
  for (int script = 0; script < 27; ++script) {
    const Fixed drafter{script};
    Toy target(3, 1);
    CHECK(speculate(target, drafter, prompt, {.text = o, .draft = 3}, Greedy{}).ids == want);
    Toy again(3, 1);
    CHECK(speculate(again, drafter, prompt, {.text = o, .draft = 3}, Rejection{}).ids == want);
    Toy once_more(3, 1);
    CHECK(speculate(once_more, drafter, prompt, {.text = o, .draft = 3}, PointMass{}).ids == want);
  }
}

}  // namespace test_acceptance
