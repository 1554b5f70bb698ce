// Speculation for several texts at once: each has a drafter, drafts and an end of its own, and one pass of the target
// verifies all drafts of a step (Qian et al. 2024, "BASS: batched attention-optimized speculative sampling":
// ragged acceptance). A text goes on by as many tokens as it kept; a text that has ended drops out of the pass.
#pragma once
#include <fauna/decode/speculate/match.hpp>
#include <fauna/decode/speculate/slots.hpp>
#include <fauna/decode/speculate/text.hpp>
#include <fauna/io/clock.hpp>

namespace fauna::inline v0 {

namespace speculate_detail {

/// Rows of a text that one step of several texts reads at most.
inline int most_rows(SpeculateOptions const& o) {
  const int chain = 1 + o.draft, tree = few + o.nodes, block = chain > tree ? chain : tree;
  return o.text.chunk > block ? o.text.chunk : block;
}

/// Slots forget the texts that they had. Reads all but the last token of each prompt that stands several times: once,
/// for the slots of all.
template <TextSlots S> void read_shared(S& target, std::vector<Continuation>& all, int chunk) {
  std::vector<std::size_t> first(all.size());
  std::vector<Continuation> shared(all.size());
  for (auto& prompt : shared) prompt.done = true;
  for (std::size_t s = 0; s < all.size(); ++s) {
    while (all[first[s]].ids != all[s].ids) ++first[s];
    const std::size_t rows = all[s].ids.size() - 1;
    if (first[s] == s || rows > static_cast<std::size_t>(target.context())) continue;
    Continuation& prompt = shared[first[s]];
    prompt.ids.assign(all[s].ids.begin(), all[s].ids.end() - 1);
    prompt.adapter = all[s].adapter;
    prompt.done = rows == 0;
  }
  for (std::size_t s = 0; s < all.size(); ++s) target.take_back(static_cast<int>(s), 0);
  while (target.step(shared, chunk, [](int, const float*) {})) {}
  for (std::size_t s = 0; s < all.size(); ++s) {
    if (shared[first[s]].done) continue;
    if (first[s] != s) target.copy(static_cast<int>(first[s]), static_cast<int>(s));
    all[s].read = shared[first[s]].read;
  }
}

/// Tells a DraftLength of steps that several texts make together.
class Steps {
 public:
  explicit Steps(DraftLength* length) : length_(length) {}

  /// The texts are about to have drafts.
  void begin(std::vector<Continuation> const& all) {
    if (length_ == nullptr) return;
    int live = 0;
    for (auto const& text : all) live += !text.done;
    if (live != live_ && live > 0) length_->forget_times();
    live_ = live;
    texts_ = drafted_ = 0;
    start_ = seconds_now();
  }
  /// They have them, and the rows that each is to read are known.
  void read(std::vector<Continuation> const& all) {
    if (length_ == nullptr) return;
    drafted_at_ = seconds_now();
    tells_ = true;
    for (auto const& text : all)
      tells_ = tells_ && (text.done || (text.pending() == text.wanted && text.most >= text.wanted));
  }
  /// The target has read them; once for each text, before anything is made of its logits.
  void passed() {
    if (length_ != nullptr && texts_ == 0) read_at_ = seconds_now();
  }
  /// Of a draft so many tokens stay.
  void accepted(int drafted, int stay) {
    if (length_ == nullptr) return;
    ++texts_;
    drafted_ += drafted;
    length_->saw(drafted, stay);
  }
  void end() {
    if (length_ == nullptr || texts_ == 0) return;
    // A pass that read other rows too tells nothing of its time.
    length_->took(static_cast<double>(drafted_) / texts_, drafted_at_ - start_, tells_ ? read_at_ - drafted_at_ : 0);
  }

 private:
  DraftLength* length_;
  int live_ = 0, texts_ = 0, drafted_ = 0;
  double start_ = 0, drafted_at_ = 0, read_at_ = 0;
  bool tells_ = false;
};

}  // namespace speculate_detail

/// Continues each prompt by up to options.text.tokens tokens, text s with drafters[s] and as sample options.text.sample
/// + s, and calls see(s, id) with each; see may return false to end that text. A text has the ids that speculate gives
/// it alone, and with drafts of a fixed length as many steps, but where drafters share what they know (SharedPool) or
/// wait until a prompt has been read (EarlyExit): who is beside it changes nothing else. A DraftLength says what pays
/// for all of them, and is asked as by speculate for one. A prompt that stands several times is read once. Throws for
/// another number of drafters. target: a Loaded model, or Slots, of which the first are then the texts'.
template <TextSlots S, Proposes D, Acceptance A, class F>
std::vector<Speculated> speculate(S& target, std::vector<D>& drafters, std::vector<std::vector<int>> const& prompts,
                                  SpeculateOptions const& options, A const& a, F&& see) {
  GenerateOptions const& o = options.text;
  const int vocab = target.vocab(), context = target.context();
  speculate_detail::check(prompts, options, a, vocab, context);
  if (drafters.size() != prompts.size())
    fail("speculate", std::to_string(drafters.size()) + " drafters for " + std::to_string(prompts.size()) + " prompts",
         "one for each: a drafter follows its text");
  if (prompts.size() > static_cast<std::size_t>(target.count()))
    fail("speculate", std::to_string(prompts.size()) + " prompts for " + std::to_string(target.count()) + " slots",
         "no more than there are slots");
  for (D& d : drafters) speculate_detail::check(d, vocab);

  std::vector<Continuation> all;
  all.reserve(prompts.size());
  for (auto const& prompt : prompts) all.push_back(speculate_detail::begin(prompt, o, all.size()));
  std::vector<DraftedText<A>> texts;
  for (auto& text : all) texts.emplace_back(text, options, a, vocab, context);
  speculate_detail::Steps steps(TreeDrafter<D> ? nullptr : options.length);
  const auto next = [&](int s, const float* logits) {
    steps.passed();
    const auto q = static_cast<std::size_t>(s);
    DraftedText<A>& text = texts[q];
    if constexpr (requires { drafters[q].see(text.draft(), logits); }) drafters[q].see(text.draft(), logits);
    const bool branches = text.branches();
    auto const& path = text.accept(logits, [&](int id) { return generate_detail::goes_on(see, s, id); });
    const int stay = static_cast<int>(path.size());
    if (branches) target.keep(s, all[q].read - stay, path);
    steps.accepted(text.draft().size(), stay);
  };
  if (o.tokens > 0) speculate_detail::read_shared(target, all, o.chunk);
  bool any = true;
  while (any) {
    const int most = TreeDrafter<D> ? options.draft : options.next_draft(a.kept);
    bool prompts_left = false;
    steps.begin(all);
    for (std::size_t s = 0; s < all.size(); ++s) {
      if (texts[s].rests()) {
        texts[s].propose(drafters[s], most, [&](int rows) { return target.tree_room(rows); });
        all[s].read = target.take_back(static_cast<int>(s), all[s].read);
      }
      all[s].most = speculate_detail::next_rows(all[s], o.chunk);
      const bool tree = !all[s].parents.empty() && all[s].most == all[s].pending();
      prompts_left = prompts_left || (!all[s].done && !tree && all[s].most > speculate_detail::few);
    }
    // A mixer in chunks reads all rows one by one beside a tree, and where they are more than a few they would not have
    // the bits that they have alone.
    for (auto& text : all)
      if (prompts_left && !text.parents.empty() && text.most == text.pending()) text.most = 0;
    steps.read(all);
    any = target.step(all, unbounded, next);
    steps.end();
  }
  std::vector<Speculated> out;
  for (std::size_t s = 0; s < all.size(); ++s)
    out.push_back({.ids = static_cast<std::vector<int>&&>(all[s].ids), .counts = texts[s].counts()});
  return out;
}
template <class T, Proposes D, Acceptance A, class F>
requires(!TextSlots<T>) std::vector<Speculated> speculate(T& target, std::vector<D>& drafters,
                                                          std::vector<std::vector<int>> const& prompts,
                                                          SpeculateOptions const& options, A const& a, F&& see) {
  const int texts = static_cast<int>(prompts.size());
  Slots<T> slots(target, texts > 0 ? texts : 1, generate_detail::longest(options.text, context_of<typename T::model>),
                 speculate_detail::most_rows(options), true, options.rewind);
  return speculate(slots, drafters, prompts, options, a, see);
}
template <class T, Proposes D, Acceptance A = Match>
std::vector<Speculated> speculate(T& target, std::vector<D>& drafters, std::vector<std::vector<int>> const& prompts,
                                  SpeculateOptions const& options = {}, A const& a = {}) {
  return speculate(target, drafters, prompts, options, a, [](int, int) {});
}

}  // namespace fauna::inline v0
