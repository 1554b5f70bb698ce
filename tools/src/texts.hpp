// How generate and sample write texts.
#pragma once
#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include <fauna/backend/cpu.hpp>
#include <fauna/io/clock.hpp>
#include <fauna/io/file.hpp>
#include <fauna/io/print.hpp>
#include <tools/src/acceptance.hpp>
#include <tools/src/drafts.hpp>
#include <tools/src/engine.hpp>
#include <tools/src/say.hpp>
#include <tools/src/settings.hpp>

namespace tool {

inline int threads_of(long asked) { return asked > 0 ? static_cast<int>(asked) : fauna::default_threads(); }

/// The prompt's text, from a file where it says so.
inline std::string prompt_of(settings::Generate const& s) {
  return s.prompt.rfind("FILE:", 0) == 0 ? fauna::read_file(s.prompt.substr(5)) : s.prompt;
}

/// The rule by which drafts stay. What it and measured lengths make of the text is said, where that is another than the
/// seed's.
inline AnyAcceptance acceptance_of(settings::Generate const& s) {
  AnyAcceptance rule(s.acceptance);
  if (rule.kept == fauna::keeps::nothing)
    say("--acceptance " + s.acceptance + " is lossy: the text is not drawn by the model's own law");
  else if (rule.kept == fauna::keeps::law && s.adaptive)
    say("--adaptive with --acceptance " + s.acceptance + ": the text follows from what was measured, not from --seed");
  return rule;
}

/// The tree of s.draft_tree, of drafts of `most` tokens at most, where it says one.
inline std::optional<fauna::DraftTree> shape_of(settings::Generate const& s, int most) {
  if (s.draft_tree.empty()) return {};
  const auto depth = static_cast<std::size_t>(std::min(most, fauna::DraftTree::most_nodes));
  return fauna::sequoia_tree(std::vector<std::vector<double>>(depth, ranks_of(s.draft_tree)),
                             static_cast<int>(s.draft_nodes));
}
/// Drafts that branch and follow a text alone: of the model that drafts in a shape, where there is one.
inline AnyTree tree_of_text(settings::Generate const& s, fauna::DraftTree const* shape, Engine* draft, int vocab,
                            int context, int chunk) {
  if (shape == nullptr) return AnyTree(s.draft, vocab);
  return AnyTree(AnyReader(*draft, std::min(context, draft->context()), chunk), *shape);
}

/// The text after a prompt, written by `write` as it comes, with drafts of s.draft.
class WithDrafts {
 public:
  WithDrafts(Engine& model, Engine* draft, settings::Generate const& s, std::uint64_t vocabulary, int context,
             int chunk)
      : reader_(model, context, chunk),
        drafter_(s.draft, &reader_, draft, context, chunk, vocabulary),
        acceptance_(acceptance_of(s)),
        length_(std::min(static_cast<int>(s.draft_max), context - 1)),
        nodes_(static_cast<int>(s.draft_nodes)),
        adaptive_(s.adaptive),
        compares_(s.draft_stats),
        stats_(s.draft, acceptance_.kept) {
    const auto shape = shape_of(s, length_.most());
    const fauna::DraftTree* const given = shape ? &*shape : nullptr;
    if (is_tree_of_rows(s.draft)) tree_ = of_rows_.emplace(s.draft, nodes_, threads_of(s.threads), given)(reader_);
    else if (is_tree_of_text(s.draft) || shape) tree_ = tree_of_text(s, given, draft, reader_.vocab(), context, chunk);
  }

  template <class Text, class F>
  void operator()(Text const& text, std::vector<int> const& ids, fauna::GenerateOptions const& o, F&& write) {
    read_prompt(ids);
    if (adaptive_ && !length_.measured(1) && !tree_) {
      fauna::measure(reader_, ids, length_);
      read_prompt(ids);
    }
    if (tree_) draft_by(*tree_, text, ids, o, write);
    else draft_by(drafter_, text, ids, o, write);
  }
  void finish() const {
    drafter_.save();
    if (compares_) stats_.print(length_);
  }

 private:
  template <class D, class Text, class F>
  void draft_by(D& drafter, Text const& text, std::vector<int> const& ids, fauna::GenerateOptions const& o, F&& write) {
    fauna::Speculative<AnyReader, D, AnyAcceptance> model{
        .target = reader_,
        .drafter = drafter,
        .draft = length_.most(),
        .acceptance = acceptance_,
        .length = &length_,
        .adapts = adaptive_ ? fauna::adapt::always : fauna::adapt::never,
        .nodes = nodes_};
    const double start = fauna::seconds_now();
    const std::string got = fauna::generate_text(model, text, ids, o, write);
    const double seconds = fauna::seconds_now() - start;
    if (!compares_ || model.counts.tokens == 0) return;
    read_prompt(ids);
    fauna::Speculative plain{reader_, drafter_, 0};
    const double again = fauna::seconds_now();
    const bool same = fauna::generate_text(plain, text, ids, o, [](std::string const&) {}) == got;
    stats_.add(model.counts, seconds, plain.counts.tokens, fauna::seconds_now() - again, same);
  }
  /// All but the last token, whose logits are the text's.
  void read_prompt(std::vector<int> const& ids) {
    const int n = static_cast<int>(ids.size()) - 1;
    if (n > 0 && n <= reader_.context()) reader_.logits(ids.data(), n, 1, n);
  }

  AnyReader reader_;
  AnyDrafter drafter_;
  AnyAcceptance acceptance_;
  fauna::DraftLength length_;
  std::optional<TreesOfRows> of_rows_{};
  std::optional<AnyTree> tree_{};
  int nodes_;
  bool adaptive_, compares_;
  DraftStats stats_;
};

/// Several texts after a prompt at once, each with drafts of s.draft.
class WithDraftsEach {
 public:
  static constexpr int most = 8;  ///< texts at once

  WithDraftsEach(Engine& model, Engine* draft, settings::Generate const& s, std::uint64_t vocabulary,
                 fauna::GenerateOptions const& o)
      : length_(std::min(static_cast<int>(s.draft_max), o.context - 1)),
        options_{.text = o,
                 .draft = length_.most(),
                 .length = &length_,
                 .adapts = s.adaptive ? fauna::adapt::always : fauna::adapt::never,
                 .nodes = static_cast<int>(s.draft_nodes)},
        slots_(model, std::min(most, static_cast<int>(s.num_samples)), o.context,
               fauna::speculate_detail::most_rows(options_)),
        acceptance_(acceptance_of(s)),
        compares_(s.draft_stats),
        stats_(s.draft, acceptance_.kept) {
    const auto shape = shape_of(s, length_.most());
    const fauna::DraftTree* const given = shape ? &*shape : nullptr;
    pool_file_ = pool_of(s.draft);
    if (!pool_file_.empty()) pool_ = pool_in(pool_file_, vocabulary);
    if (is_tree_of_rows(s.draft)) slots_.remember();
    for (int i = 0; i < slots_.count(); ++i) readers_.push_back(slots_.reader(i));
    of_rows_.emplace(s.draft, options_.nodes, threads_of(s.threads), given);
    for (auto& reader : readers_)
      if (is_tree_of_rows(s.draft)) trees_.push_back((*of_rows_)(reader));
      else if (is_tree_of_text(s.draft) || shape)
        trees_.push_back(tree_of_text(s, given, draft, slots_.vocab(), o.context, o.chunk));
      else if (pool_) drafters_.emplace_back(*pool_);
      else drafters_.emplace_back(s.draft, &reader, draft, o.context, o.chunk);
  }
  WithDraftsEach(WithDraftsEach const&) = delete;  // the options refer to the length

  /// Texts `first` and up to `texts` - 1 behind it: the first is written as it comes, the others when all have ended.
  /// next() stands between two.
  template <class Text, class F, class N>
  void operator()(Text const& text, std::vector<int> const& ids, long first, int texts, F&& write, N&& next) {
    options_.text.sample = static_cast<std::uint64_t>(first);
    if (trees_.empty()) draft_by(drafters_, text, ids, texts, write, next);
    else draft_by(trees_, text, ids, texts, write, next);
  }
  void finish() const {
    if (pool_) pool_->save(pool_file_);
    if (compares_) stats_.print(length_);
  }

 private:
  template <class D, class Text, class F, class N>
  void draft_by(std::vector<D>& drafters, Text const& text, std::vector<int> const& ids, int texts, F&& write,
                N&& next) {
    drafters.erase(drafters.begin() + texts, drafters.end());  // the last texts may be fewer
    std::vector<std::string> held(static_cast<std::size_t>(texts));
    const auto show = [&](std::size_t i, std::string const& piece) {
      if (i == 0) write(piece);
      else held[i] += piece;
    };
    const Run run = spoken(drafters, text, ids, texts, options_, acceptance_, show);
    for (std::size_t i = 1; i < held.size(); ++i) {
      next();
      write(held[i]);
    }
    if (!compares_ || run.counts.tokens == 0) return;
    auto plain = options_;
    plain.draft = 0;
    plain.length = nullptr;
    const Run again = spoken(drafters, text, ids, texts, plain, fauna::Match{}, [](std::size_t, std::string const&) {});
    stats_.add(run.counts, run.seconds, again.counts.tokens, again.seconds, again.texts == run.texts);
  }
  struct Run {
    std::vector<std::string> texts{};
    fauna::DraftCounts counts{};  ///< of all
    double seconds = 0;           ///< from the first token on
  };
  template <class D, class Text, class A, class F>
  Run spoken(std::vector<D>& drafters, Text const& text, std::vector<int> const& ids, int texts,
             fauna::SpeculateOptions const& o, A const& a, F&& see) {
    const auto n = static_cast<std::size_t>(texts);
    const auto one = [&see](std::size_t i) { return [&see, i](std::string const& piece) { see(i, piece); }; };
    std::vector<fauna::TextPieces<Text, decltype(one(0))>> pieces;
    for (std::size_t i = 0; i < n; ++i) pieces.emplace_back(text, o.text, one(i));
    double start = 0;
    const auto all =
        fauna::speculate(slots_, drafters, std::vector<std::vector<int>>(n, ids), o, a, [&](int i, int id) {
          if (start == 0) start = fauna::seconds_now();
          return pieces[static_cast<std::size_t>(i)].push(id);
        });
    Run run{.seconds = fauna::seconds_now() - start};
    for (auto& p : pieces) run.texts.push_back(p.finish());
    for (auto const& t : all) run.counts += t.counts;
    return run;
  }

  fauna::DraftLength length_;
  fauna::SpeculateOptions options_;
  AnySlots slots_;
  AnyAcceptance acceptance_;
  bool compares_;
  DraftStats stats_;
  std::string pool_file_{};
  std::optional<fauna::PoolDrafter> pool_{};  ///< of all
  std::optional<TreesOfRows> of_rows_{};
  std::vector<AnyReader> readers_{};  ///< by slot, as these
  std::vector<AnyDrafter> drafters_{};
  std::vector<AnyTree> trees_{};  ///< or these
};

/// Writes s.num_samples texts to stdout as they come, with drafts several at once where these allow it. `draft`: the
/// model that drafts, if one does; `ids`: the prompt's tokens; `vocabulary`: a hash of what these mean; `shown`: what
/// each text starts with; `rule`: what texts obey, or null.
template <class Text>
void write_texts(Engine& model, Engine* draft, Text const& text, std::vector<int> const& ids,
                 std::vector<int> const& stop_ids, settings::Generate const& s, std::uint64_t vocabulary,
                 std::string const& shown, fauna::TokenRule* rule = nullptr) {
  const int own = model.context(), prompt = static_cast<int>(ids.size());
  if (s.context > own)
    fauna::fail("generate", "--context " + std::to_string(s.context), "at most the model's " + std::to_string(own));
  const int most = s.context > 0 ? static_cast<int>(s.context) : own, tokens = static_cast<int>(s.max_new_tokens);
  const long room = static_cast<long>(most) - prompt + 1;  // the last token is drawn, and never read
  const bool slide = s.at_context_end == "slide";
  if (!slide && prompt > most)
    fauna::fail("generate", "a prompt of " + std::to_string(prompt) + " tokens",
                "at most the context of " + std::to_string(most),
                "--at-context-end slide goes on from the last " + std::to_string(most));
  if (s.at_context_end == "stop" && tokens > room)
    tool::say("a text ends with the context of " + std::to_string(most) + ", after " + std::to_string(room) +
              " tokens; --at-context-end slide goes on");
  fauna::GenerateOptions o{.tokens = tokens,
                           .temperature = static_cast<float>(s.temperature),
                           .top_k = static_cast<int>(s.top_k),
                           .top_p = static_cast<float>(s.top_p),
                           .min_p = static_cast<float>(s.min_p),
                           .repetition_penalty = static_cast<float>(s.repetition_penalty),
                           .seed = s.seed,
                           .vocab = text.vocab(),
                           .stop_ids = stop_ids,
                           .stop = s.stop,
                           .chunk = static_cast<int>(s.chunk),
                           .context = tokens < room ? prompt + tokens : most,
                           .at_end = slide                          ? fauna::context_end::slide
                                     : s.at_context_end == "refuse" ? fauna::context_end::refuse
                                                                    : fauna::context_end::stop,
                           .rule = rule};
  std::string before = shown;  // until the first piece comes, so that an error stands alone
  const auto write = [&before](std::string const& piece) {
    fauna::print(stdout, before + piece);
    before.clear();
  };
  const auto next = [&] {
    write("\n---------------\n");
    before = shown;
  };
  model.rewind = fauna::rewinds_of(s.rewind);
  if (draft != nullptr) draft->rewind = model.rewind;
  std::optional<WithDrafts> drafts;
  std::optional<WithDraftsEach> each;
  if (s.num_samples > 1 && !s.draft.empty()) each.emplace(model, draft, s, vocabulary, o);
  else if (!s.draft.empty()) drafts.emplace(model, draft, s, vocabulary, o.context, o.chunk);
  for (long i = 0; i < s.num_samples;) {
    if (i > 0) next();
    o.sample = static_cast<std::uint64_t>(i);
    const long left = s.num_samples - i, texts = !each ? 1 : std::min<long>(left, WithDraftsEach::most);
    if (each) (*each)(text, ids, i, static_cast<int>(texts), write, next);
    else if (drafts) (*drafts)(text, ids, o, write);
    else fauna::generate_text(model, text, ids, o, write);
    i += texts;
  }
  write("\n");
  if (each) each->finish();
  if (drafts) drafts->finish();
}

}  // namespace tool
