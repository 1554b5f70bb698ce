// Continuous batching: which text has which slot of the engine, and what each reads in the next step (Yu et al. 2022,
// Orca, section 4.1: scheduling by iteration). Texts come and go between steps; beginnings that a slot has read already
// are not read again. With drafts a step gives a text as many tokens as it would have had anyway; a state that cannot
// go back to those that stay goes back to before them, and they are read once more, with the next draft. No text
// depends on those beside it: a step computes each row by itself, and prompts are read in pieces that end at multiples
// of `chunk`, whoever else is there.
#pragma once
#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <tools/src/engine.hpp>
#include <tools/src/say.hpp>
#include <tools/src/serve/drafting.hpp>
#include <tools/src/serve/job.hpp>
#include <tools/src/serve/writer.hpp>

namespace tool::serve {

class Scheduler {
 public:
  struct Limits {
    int context;   ///< tokens of prompt and text
    int chunk;     ///< tokens of prompts that a step reads
    int parallel;  ///< texts at once
    Drafts drafts{};
  };
  /// The engine has its weights. Everything is referred to, not copied.
  Scheduler(Engine& engine, fauna::Bpe const& tokenizer, std::vector<int> const& stop_ids, Limits limits)
      : tokenizer_(tokenizer),
        engine_vocab_(engine.vocab()),
        vocab_(std::min(engine.vocab(), tokenizer.vocab())),
        stop_ids_(stop_ids),
        limits_(limits),
        slots_(engine.slots(limits.parallel, limits.context, limits.chunk, false)),
        texts_(static_cast<std::size_t>(limits.parallel), nothing()),
        owners_(texts_.size()) {
    if (!limits.drafts.how.empty() && !slots_->cuts() && engine.slot_bytes(1) != engine.slot_bytes(limits.context))
      fauna::fail("serve", "--draft for a model whose state grows and cannot be taken back by a few tokens",
                  "one of keys and values alone, without windows, or of a state of one size");
    if (!slots_->cuts()) {
      kept_.resize(texts_.size());
      slots_.reset();
      slots_ = engine.slots(2 * limits.parallel, limits.context, limits.chunk, !limits.drafts.how.empty());
    }
    drafters_.emplace(limits.drafts, *slots_, limits.parallel, limits.context, limits.chunk);
  }

  /// Ids that a text can have are below it.
  int vocab() const { return vocab_; }
  std::vector<int> const& stop_ids() const { return stop_ids_; }
  int running() const { return static_cast<int>(std::count_if(owners_.begin(), owners_.end(), has_text)); }
  int free() const { return limits_.parallel - running(); }

  /// Puts text i of a job into a slot, of which one is free; it is written with an adapter of the engine's, or none.
  void start(std::shared_ptr<Job> const& job, int i, int adapter = fauna::no_adapter) {
    job->becomes(progress::runs);
    try {
      place(job, i, adapter);
    } catch (std::exception const& e) {
      Owner owner{job};
      fail(owner, e);
      ended(owner);
    }
  }

  /// One call of the model for all texts that run. Those that nobody reads rest; false: all do, and nothing was done.
  bool step() {
    bool all_rest = true;
    for (std::size_t s = 0; s < texts_.size(); ++s) {
      if (!has_text(owners_[s])) continue;
      if (owners_[s].job->over()) texts_[s].done = true;
      owners_[s].rests = owners_[s].job->behind();
      all_rest = all_rest && owners_[s].rests && !texts_[s].done;
    }
    if (all_rest) return false;
    for (int s = 0; s < limits_.parallel && drafters_->any(); ++s) propose(s);
    try {
      share();
      slots_->step(texts_, limits_.chunk, [this](int slot, const float* logits) { draw(slot, logits); });
      for (int s = 0; s < limits_.parallel; ++s) {
        if (!has_text(owners_[static_cast<std::size_t>(s)])) continue;
        keep(s);
        for (int other = 0; text_at(s).done && other < limits_.parallel; ++other)
          if (owners_[static_cast<std::size_t>(other)].leader == s) go_on(other);
      }
    } catch (std::exception const& e) {
      fail_all(e);
    }
    for (std::size_t s = 0; s < texts_.size(); ++s) {
      if (!has_text(owners_[s]) || !texts_[s].done) continue;
      ended(owners_[s]);
      owners_[s] = {};
      last_use_[s] = ++uses_;
    }
    return true;
  }

 private:
  struct Owner {
    std::shared_ptr<Job> job{};
    std::unique_ptr<Writer> writer{};
    int waited = 0;            ///< steps in which its prompt was not read
    int leader = -1;           ///< a slot whose text reads what this one begins with, too
    fauna::DraftTree draft{};  ///< behind its text, until that has been read
    bool rests = false;        ///< nobody has read what it wrote so far
    bool begun = false;        ///< a step has read of it, with its adapter, which its drafts are made with too
    bool again = false;        ///< its last tokens stayed of a draft that did not, and are to be read once more
  };
  /// The state after the beginning of a prompt.
  struct Kept {
    std::vector<int> ids{};
    int adapter = fauna::no_adapter;
    long used = 0;
  };
  static bool has_text(Owner const& owner) { return owner.job != nullptr; }
  /// What a slot holds that nobody has used.
  static fauna::Continuation nothing() {
    fauna::Continuation none;
    none.done = true;
    return none;
  }
  fauna::Continuation const& text_at(int slot) const { return texts_[static_cast<std::size_t>(slot)]; }
  fauna::Continuation& text_at(int slot) { return texts_[static_cast<std::size_t>(slot)]; }

  void place(std::shared_ptr<Job> const& job, int i, int adapter) {
    auto const& prompt = job->prompt(i);
    // The last token is drawn, and never read.
    const int room = limits_.context - static_cast<int>(prompt.size()) + 1;
    const int most = job->drawing.tokens < 0 ? room : std::min(job->drawing.tokens, room);
    Owner owner{job, std::make_unique<Writer>(*job, i, tokenizer_, vocab_, stop_ids_, most)};
    if (owner.writer->nothing_to_read()) {
      owner.writer->finish("length");
      return ended(owner);
    }
    const auto [from, held] = longest(owner.writer->begins_with(), adapter);
    // In the place of a text that it goes on from, unless more of that would be lost than kept.
    const int slot = is_free(from) && 2 * held >= text_at(from).read ? from : longest_free();
    text_at(slot) = nothing();  // should something fail on the way
    take(slot, from, held);
    text_at(slot) = owner.writer->start(held);
    text_at(slot).adapter = adapter;
    owner.leader = leader(slot);
    owners_[static_cast<std::size_t>(slot)] = std::move(owner);
  }

  /// Of an owner's text nothing more comes: it has been written, or nobody waits for it.
  void ended(Owner const& owner) {
    Job& job = *owner.job;
    ++job.ended;
    if (job.failed) job.becomes(progress::failed);
    else if (job.over()) job.becomes(job.cancelled() ? progress::done : progress::late);
    else if (job.ended == job.texts()) job.becomes(progress::done);
  }
  /// The next token of a text, and where it has a draft as many as stay: each is drawn as it would be without.
  void draw(int slot, const float* logits) {
    Owner& owner = owners_[static_cast<std::size_t>(slot)];
    auto& text = text_at(slot);
    const fauna::DraftTree draft = std::exchange(owner.draft, {});
    owner.begun = true;
    const int read = text.read -= draft.size();
    text.ids.resize(text.ids.size() - static_cast<std::size_t>(draft.size()));
    text.parents.clear();
    try {
      drafters_->see(slot, draft, logits);
      std::vector<int> path;
      int node = fauna::DraftTree::root;
      do {
        owner.writer->next(text, logits + static_cast<std::ptrdiff_t>(node + 1) * engine_vocab_);
        node = draft.find(text.ids.back(), node);
        if (node == fauna::DraftTree::root) break;
        path.push_back(node);
      } while (!text.done);
      const int stayed = static_cast<int>(path.size()), whole = read + stayed;
      if (!draft.is_chain()) slots_->keep(slot, read, path);
      text.read = stayed < draft.size() ? slots_->take_back(slot, whole) : whole;
      owner.again = text.read < whole && text.pending() <= fauna::speculate_detail::few;
      if (draft.size() > 0)
        owner.job->metrics.draft(static_cast<std::size_t>(draft.size()), static_cast<std::size_t>(stayed));
    } catch (std::exception const& e) {  // this job's alone
      fail(owner, e);
      text.done = true;
    }
  }
  /// Puts a draft behind a text that is being written: of no more rows than a step that reads the weights once has for
  /// it.
  void propose(int slot) {
    auto& text = text_at(slot);
    text.wanted = 1;
    Owner& owner = owners_[static_cast<std::size_t>(slot)];
    if (text.done || owner.rests || !owner.begun || (text.pending() != 1 && !owner.again)) return;
    if (drafters_->branch() && prompts_wait()) return;
    const std::size_t written = text.ids.size();
    const int rows = slots_->cuts() ? limits_.chunk : std::min(limits_.chunk, fauna::speculate_detail::few),
              free = std::min({rows - text.pending(), step_rows / running() - text.pending(),
                               limits_.context - static_cast<int>(written)}),
              most = std::min({limits_.drafts.most, free, owner.writer->room(text)});
    if (most < 1) return;
    try {
      int nodes = free;
      if (drafters_->branch())
        nodes = std::min({free, limits_.drafts.nodes, slots_->tree_room(static_cast<int>(written))});
      owner.draft = drafters_->propose(slot, text.ids, most, nodes, engine_vocab_, stop_ids_,
                                       [&](const float* logits) { return owner.writer->guess(text, logits); });
      text.read = slots_->take_back(slot, text.read);  // the model's own layers may have read the draft
      text.ids.insert(text.ids.end(), owner.draft.tokens.begin(), owner.draft.tokens.end());
      if (!owner.draft.is_chain()) text.parents = owner.draft.parents;
      text.wanted += owner.draft.size();
    } catch (std::exception const& e) {
      text.ids.resize(written);
      fail(owner, e);
      text.done = true;
    }
  }
  /// Is there more of a prompt to read than goes along with a draft? A mixer in chunks reads all rows one by one beside
  /// a tree, and would not give those the bits that they have alone.
  bool prompts_wait() const {
    for (std::size_t s = 0; s < texts_.size(); ++s) {
      fauna::Continuation const& text = texts_[s];
      if (text.done || owners_[s].rests || owners_[s].leader >= 0) continue;  // nothing, or nothing of its own now
      if (text.pending() - text.wanted >= fauna::speculate_detail::few) return true;
    }
    return false;
  }
  static void fail(Owner& owner, std::exception const& e) {
    say(std::string("a request failed: ") + e.what());
    owner.job->failed = true;
    owner.job->cancel();  // its other texts
  }
  /// The model itself failed: nobody knows what the slots hold.
  void fail_all(std::exception const& e) {
    for (std::size_t s = 0; s < texts_.size(); ++s) {
      if (has_text(owners_[s])) fail(owners_[s], e);
      texts_[s] = nothing();
    }
    for (Kept& kept : kept_) kept = {};
  }

  /// How many rows each text reads in the next step: a text that is being written its one; of the prompts the one with
  /// the shortest rest, so that a long one keeps nobody waiting, and others as long as `chunk` rows hold them. Who
  /// waits counts as shorter with each step, so that every prompt has its turn.
  void share() {
    order_.clear();
    for (int s = 0; s < limits_.parallel; ++s) {
      auto& text = text_at(s);
      text.most = text.wanted;
      if (text.done) continue;
      if (follows(s) || owners_[static_cast<std::size_t>(s)].rests) text.most = 0;
      else if (owners_[static_cast<std::size_t>(s)].again) text.most = text.pending();
      else if (text.pending() > text.wanted) order_.push_back(s);
    }
    const auto rank = [this](int s) {
      return text_at(s).pending() - owners_[static_cast<std::size_t>(s)].waited * limits_.chunk / patience;
    };
    std::stable_sort(order_.begin(), order_.end(), [&](int a, int b) { return rank(a) < rank(b); });
    int room = limits_.chunk;
    for (const int s : order_) {
      auto& text = text_at(s);
      Owner& owner = owners_[static_cast<std::size_t>(s)];
      const int piece = std::min(text.pending(), limits_.chunk - text.read % limits_.chunk);
      const bool now = s == order_[0] || piece <= room;
      text.most = now ? piece : 0;
      owner.waited = now ? 0 : owner.waited + 1;
      room -= now ? piece : 0;
    }
  }

  static int common(std::vector<int> const& a, std::size_t of_a, std::vector<int> const& b) {
    const std::size_t most = std::min(of_a, b.size() - 1);  // b's last token is read, for what follows it
    const auto end = a.begin() + static_cast<std::ptrdiff_t>(most);
    return static_cast<int>(std::mismatch(a.begin(), end, b.begin()).first - a.begin());
  }
  bool is_free(int slot) const {
    return slot >= 0 && slot < limits_.parallel && !has_text(owners_[static_cast<std::size_t>(slot)]);
  }
  /// The free slot that nobody has used for the longest time.
  int longest_free() const {
    int found = -1;
    for (int s = 0; s < limits_.parallel; ++s)
      if (is_free(s) &&
          (found < 0 || last_use_[static_cast<std::size_t>(s)] < last_use_[static_cast<std::size_t>(found)]))
        found = s;
    return found;
  }
  /// Which slot holds the most of a prompt's beginning, as an adapter has read it, -1 for none, and how many tokens
  /// that is.
  std::pair<int, int> longest(std::vector<int> const& prompt, int adapter) {
    int from = -1, most = 0;
    for (int s = 0; s < limits_.parallel && slots_->cuts(); ++s) {
      auto const& text = text_at(s);
      if (text.adapter != adapter) continue;
      const int held = common(text.ids, static_cast<std::size_t>(text.read), prompt);
      if (held > most || (held == most && held > 0 && is_free(s))) std::tie(from, most) = std::pair{s, held};
    }
    for (std::size_t k = 0; k < kept_.size(); ++k) {
      if (kept_[k].adapter != adapter) continue;
      const int held = common(kept_[k].ids, kept_[k].ids.size(), prompt);
      if (held <= most || static_cast<std::size_t>(held) < kept_[k].ids.size()) continue;  // it cannot be cut
      std::tie(from, most) = std::pair{limits_.parallel + static_cast<int>(k), held};
      kept_[k].used = ++uses_;
    }
    return {from, most};
  }
  /// A slot becomes the first `held` tokens of another, or nothing.
  void take(int slot, int from, int held) {
    if (from < 0) slots_->clear(slot);
    else if (!slots_->cuts()) slots_->copy(from, slot);
    else if (from == slot) slots_->cut(slot, held);
    else slots_->copy(from, slot, held);
    if (from != slot) drafters_->moved(slot);
  }
  /// Tokens of a text that another one will have read when the text can go on from there.
  int to_come(int of, int text) const {
    auto const& ids = texts_[static_cast<std::size_t>(of)].ids;
    const int shared = common(ids, ids.size(), texts_[static_cast<std::size_t>(text)].ids);
    return slots_->cuts() ? shared : boundary(of) <= shared ? boundary(of) : 0;
  }
  /// The slot whose text is about to read more of a prompt's beginning than a piece; -1 for none.
  int leader(int slot) const {
    int found = -1, most = text_at(slot).read + limits_.chunk - 1;
    for (int s = 0; s < limits_.parallel; ++s) {
      if (s == slot || is_free(s) || text_at(s).adapter != text_at(slot).adapter || to_come(s, slot) <= most) continue;
      most = to_come(s, slot);
      found = s;
    }
    return found;
  }
  /// Does a text wait for its leader?
  bool follows(int slot) {
    const int leader = owners_[static_cast<std::size_t>(slot)].leader;
    if (leader >= 0 && text_at(leader).read >= to_come(leader, slot)) go_on(slot);
    return owners_[static_cast<std::size_t>(slot)].leader >= 0;
  }
  /// A text takes what its leader has read, and needs it no more.
  void go_on(int slot) {
    Owner& owner = owners_[static_cast<std::size_t>(slot)];
    owner.leader = -1;
    const auto [from, held] = longest(text_at(slot).ids, text_at(slot).adapter);
    if (held <= text_at(slot).read) return;
    take(slot, from, held);
    text_at(slot).read = held;
    owner.writer->skipped(held);
  }
  /// The end of the last whole chunk before a prompt's end.
  int boundary(int slot) const { return (static_cast<int>(text_at(slot).prompt) - 1) / limits_.chunk * limits_.chunk; }
  /// Of a state that cannot go back, what it is at the boundary is kept for others.
  void keep(int slot) {
    auto const& text = text_at(slot);
    const int at = boundary(slot);
    if (kept_.empty() || at == 0 || text.read != at) return;
    const std::vector<int> ids(text.ids.begin(), text.ids.begin() + at);
    if (std::any_of(kept_.begin(), kept_.end(),
                    [&](Kept const& kept) { return kept.ids == ids && kept.adapter == text.adapter; }))
      return;
    const auto oldest =
        std::min_element(kept_.begin(), kept_.end(), [](Kept const& a, Kept const& b) { return a.used < b.used; });
    slots_->copy(slot, limits_.parallel + static_cast<int>(oldest - kept_.begin()));
    *oldest = {ids, text.adapter, ++uses_};
  }

  static constexpr int patience = 8;    ///< steps of waiting that count as much as a chunk
  static constexpr int step_rows = 16;  ///< for so many rows the weights are read once

  fauna::Bpe const& tokenizer_;
  int engine_vocab_, vocab_;
  std::vector<int> const& stop_ids_;
  Limits limits_;
  std::unique_ptr<Slots> slots_;
  std::vector<fauna::Continuation> texts_;  ///< by slot; one that is done still says what its slot holds
  std::vector<Owner> owners_;
  std::vector<Kept> kept_;              ///< in the slots after those of texts; none where a slot can go back
  std::optional<Drafters> drafters_{};  ///< of the slots
  std::vector<long> last_use_ = std::vector<long>(texts_.size());
  long uses_ = 0;
  std::vector<int> order_;
};

}  // namespace tool::serve
