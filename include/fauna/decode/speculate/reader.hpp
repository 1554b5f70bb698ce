// A text before a model. The cache follows the text: it reads what it has not read, in blocks whose rows all give
// logits, and comes back from tokens that the text did not keep.
#pragma once
#include <cstring>
#include <string>
#include <vector>

#include <fauna/decode/cache.hpp>
#include <fauna/decode/exits.hpp>
#include <fauna/decode/speculate/states_by_row.hpp>
#include <fauna/decode/speculate/step.hpp>
#include <fauna/decode/speculate/tree.hpp>

namespace fauna::inline v0 {

/// Gives the logits of the last rows of a text; what of the text is known already, and what has to be taken back, is
/// its own affair.
template <class R>
concept TextReader = requires(R& r, const int* ids, int n) {
  { r.vocab() } -> std::convertible_to<int>;
  { r.context() } -> std::convertible_to<int>;
  { r.logits(ids, n, n, n) } -> std::convertible_to<const float*>;
};

/// One that draws tokens where its logits are.
template <class R>
concept DrawsThere = TextReader<R> && requires {
  requires R::draws_there;
};

/// One text, before a Trained or Loaded model that others may use beside it. Hidden: it remembers what the trunk gave
/// for the rows of the last call, or, once remember_all was called, for all that it has read since.
template <class T, bool Hidden = false> class Reader {
  using model = typename T::model;
  using Kept = Cache<model, typename T::backend>;

 public:
  /// context: rows at most. chunk: rows that one call reads at most, where no logits of them are wanted. adapter: which
  /// of those beside the model's weights reads. how: a recurrent state goes back.
  Reader(T& m, int context, int chunk = 512, int adapter = no_adapter, rewinds how = rewinds::automatic)
      : model_(&m), cache_(1, context), chunk_(chunk < context ? chunk : context), adapter_(adapter), how_(how) {
    StatesByRow<Kept>::check(how);
    if (chunk < 1) fail("reader", "chunks of " + std::to_string(chunk) + " rows", "at least 1");
  }

  int vocab() const { return model::vocab; }
  int context() const { return cache_.context(); }
  /// Rows that the cache holds of the text now.
  int length() const { return cache_.length(0); }
  Kept& cache() { return cache_; }

  /// The logits [wanted, vocab] of the last `wanted` of n ids, until the next call. The first `stays` ids are of the
  /// text for good; later ones are drafts, and the next call may have others in their place.
  const float* logits(const int* ids, int n, int wanted, int stays) {
    const int rows = read_before(ids, n, wanted, stays);
    if (wanted == 1) return read(ids, rows, stays, logit_rows::last);
    return read(ids, rows, stays, logit_rows::all) + static_cast<std::ptrdiff_t>(rows - wanted) * model::vocab;
  }

  /// The tokens [wanted] that plain decoding draws behind these rows without filters, the first of them at `position`
  /// of its text; until the next call. Of models whose logits are not the host's, no row of these comes here.
  static constexpr bool draws_there = !Hidden && memory<typename T::backend>::remote;
  const int* draws(const int* ids, int n, int wanted, int stays, float temperature, Key text,
                   std::size_t position) requires draws_there {
    const int rows = read_before(ids, n, wanted, stays);
    std::vector<Key> keys;
    keys.reserve(static_cast<std::size_t>(wanted));
    for (int i = 0; i < wanted; ++i) keys.push_back(text.child(position + static_cast<std::size_t>(i)));
    drawn_.resize(keys.size());
    const int* const from = ids + length();
    prepare(rows);
    model_->draws(cache_, with_drafts(rows, from, stays), wanted, temperature, keys.data(), drawn_.data());
    read_.insert(read_.end(), from, from + rows);
    return drawn_.data();
  }

  /// What the trunk gave for a row of the text [width], and the logits [rows, vocab] of such rows, until the next call;
  /// null where the last call did not read it.
  const float* hidden(int row) const requires Hidden {
    const int i = row - first_hidden_;
    return i >= 0 && i < static_cast<int>(hidden_.size()) / width() ? hidden_.data() + i * width() : nullptr;
  }
  /// layers: beside them what enters these layers, side by side.
  void remember_all(std::vector<int> const& layers = {}) requires Hidden {
    if (remembers_all_ && layers_ == layers) return;
    for (const int l : layers)
      if (l < 1 || l >= this->layers())
        fail("reader", "what enters layer " + std::to_string(l),
             "1 to " + std::to_string(this->layers() - 1) + ", of the model's layers");
    cache_.clear();
    read_.clear(), hidden_.clear(), hidden_ids_.clear(), between_.clear();
    forget();
    first_hidden_ = tree_rows_ = early_rows_ = 0;
    remembers_all_ = true;
    layers_ = layers;
  }
  /// What remember_all has of a row: of those layers, or what the trunk gave.
  const float* feature(int row) const requires Hidden {
    return layers_.empty() ? hidden(row) : between_.data() + static_cast<std::ptrdiff_t>(row) * features();
  }
  int features() const requires Hidden {
    return layers_.empty() ? width() : static_cast<int>(layers_.size()) * width();
  }
  /// The model's layers; 0: it does not say how many it has.
  static constexpr int layers() {
    if constexpr (requires { model::config.layers; }) return model::config.layers;
    else return 0;
  }
  /// Of the rows of a text, how many, from the first one on, hidden() would give: after remember_all.
  int known(const int* ids, int n) const requires Hidden {
    int i = 0;
    while (i < n && i < static_cast<int>(hidden_ids_.size()) && hidden_ids_[static_cast<std::size_t>(i)] == ids[i]) ++i;
    return i;
  }
  /// How many tokens behind the next one the model predicts itself, and what a depth of that, from 0 on, gives for rows
  /// first, first + 1, …  [rows, width], until the next call: of h [rows, width] and tokens, as Lm::further has it.
  static constexpr int depths() { return static_cast<int>(model::depths); }
  const float* further(int depth, int first, const float* h, const int* tokens, int rows) requires Hidden {
    prepare(rows);
    further_.resize(static_cast<std::size_t>(rows) * static_cast<std::size_t>(width()));
    model_->further(cache_, batch_of(rows, tokens), depth, &first, Matrix<const float>(h, rows, width()),
                    Matrix<float>(further_.data(), rows, width()));
    return further_.data();
  }
  /// Rows [n, table_width] of the token table, until the next call.
  const float* embed(const int* ids, int n) requires Hidden {
    prepare(n);
    table_.resize(static_cast<std::size_t>(n) * static_cast<std::size_t>(model::table_width));
    model_->embed(Batch::uniform(1, n, ids), Matrix<float>(table_.data(), n, model::table_width));
    return table_.data();
  }
  static constexpr int width() { return model::width; }
  static constexpr int table_width() { return model::table_width; }
  const float* head(const float* rows, int n) requires Hidden {
    prepare(n);
    head_.resize(static_cast<std::size_t>(n) * static_cast<std::size_t>(model::vocab));
    model_->head(Matrix<const float>(rows, n, width()), Matrix<float>(head_.data(), n, model::vocab));
    return head_.data();
  }

  /// The logits [vocab] of the last of n ids by the model's first `layers` layers, with its last norm and head; until
  /// the next call. What these have of the ids before the last of the first `stays` is what they have in all calls.
  const float* early(const int* ids, int n, int stays, int layers) {
    if (early_rows_ == 0 || early_layers_ != layers || length() - early_rows_ != stays - 1 || length() >= n ||
        same(ids, length()) != length()) {
      leave();
      take_back(same(ids, stays - 1));
      for (int rows = stays - 1 - length(); rows > 0; rows = stays - 1 - length())
        read(ids, rows < chunk_ ? rows : chunk_, stays, logit_rows::none);
    }
    const int rows = n - length();
    const int* const from = ids + length();
    prepare(rows);
    logits_.resize(static_cast<std::size_t>(model::vocab));
    model_->early_logits(cache_, batch_of(rows, from), layers / exits().round,
                         Matrix<float>(logits_.data(), 1, model::vocab));
    read_.insert(read_.end(), from, from + rows);
    early_rows_ += rows;
    early_layers_ = layers;
    return logits_.data();
  }
  static constexpr Exits exits() { return exits_of<model>(); }

  /// Nodes of a tree behind n ids at most.
  static int tree_room(int n) { return speculate_detail::tree_room<model>(n); }
  /// The logits [1 + nodes, vocab] of the last of n ids, and of each node of a tree behind them. keep() says which of
  /// the nodes stay; before that, or the next call, the cache has the rows of all.
  const float* tree_logits(const int* ids, int n, DraftTree const& tree) {
    leave();
    take_back(same(ids, n - 1));
    while (n - length() > speculate_detail::few) {
      const int rows = n - 1 - length();
      read(ids, rows < chunk_ ? rows : chunk_, n, logit_rows::none);
    }
    const int chain = n - length(), rows = chain + tree.size(), first = length();
    std::vector<int> tokens(ids + first, ids + n), parents, positions;
    for (int r = 0; r < chain; ++r) parents.push_back(r - 1), positions.push_back(first + r);
    for (int i = 0; i < tree.size(); ++i) {
      const int parent = chain + tree.parent(i);
      tokens.push_back(tree.token(i));
      parents.push_back(parent);
      positions.push_back(positions[static_cast<std::size_t>(parent)] + 1);
    }
    Batch b = batch_of(rows, tokens.data());
    b.parent = parents.data();
    b.positions = positions.data();
    remember(b);
    call(b, logit_rows::all, rows);
    read_.insert(read_.end(), tokens.begin(), tokens.end());
    tree_rows_ = tree.size();
    return logits_.data() + static_cast<std::ptrdiff_t>(chain - 1) * model::vocab;
  }
  /// Of the last tree's nodes a path stays, from its root on.
  void keep(std::vector<int> const& path) {
    if (tree_rows_ == 0) return;
    const int from = length() - tree_rows_;
    tree_rows_ = 0;
    if constexpr (Hidden)
      for (std::size_t i = 0; i < path.size(); ++i) {
        const auto row = [&](int r) {
          return hidden_.begin() + static_cast<std::ptrdiff_t>(from - first_hidden_ + r) * width();
        };
        for (int c = 0; c < width(); ++c) row(static_cast<int>(i))[c] = row(path[i])[c];
        if (!layers_.empty())
          std::memmove(place(from + static_cast<int>(i)), place(from + path[i]),
                       static_cast<std::size_t>(features()) * sizeof(float));
        if (remembers_all_)
          hidden_ids_[static_cast<std::size_t>(from) + i] = hidden_ids_[static_cast<std::size_t>(from + path[i])];
      }
    if (remembers_all_) hidden_ids_.resize(static_cast<std::size_t>(from) + path.size());
    for (std::size_t i = 0; i < path.size(); ++i)
      read_[static_cast<std::size_t>(from) + i] = read_[static_cast<std::size_t>(from + path[i])];
    if constexpr (forgets_rows<model>) {
      std::vector<int> rows;
      rows.reserve(path.size());
      for (const int node : path) rows.push_back(from + node);
      cache_.keep(0, from, rows);
    } else if (const int last = path.empty() ? from : from + path.back() + 1; states_.nearest(0, last) == last) {
      states_.put_back(cache_, 0, last, from + static_cast<int>(path.size()));
    } else {
      take_back(from);
    }
    read_.resize(static_cast<std::size_t>(length()));
  }

 private:
  /// Rows of drafts that are not the text's are forgotten: of a tree's branches, and of the first layers alone.
  void leave() {
    keep({});
    const int whole = length() - early_rows_;
    early_rows_ = 0;
    take_back(whole);
  }
  /// How many of the first `most` ids have been read as they are.
  int same(const int* ids, int most) const {
    int n = 0;
    while (n < most && n < length() && read_[static_cast<std::size_t>(n)] == ids[n]) ++n;
    return n;
  }
  /// To the first n rows, or fewer: those that are missing then are read again.
  void take_back(int n) {
    if (n == length()) return;
    if (forgets_rows<model> && cache_.can_rewind(0, n)) {
      cache_.rewind({.lengths = {n}});
    } else if (const int known = states_.nearest(0, n); known >= 0 && cache_.can_rewind(0, known)) {
      states_.put_back(cache_, 0, known, known);
    } else if (!mark_.lengths.empty() && mark_.lengths[0] <= n && cache_.can_rewind(0, mark_.lengths[0])) {
      cache_.rewind(mark_);
    } else {
      cache_.clear();
      forget();
    }
    read_.resize(static_cast<std::size_t>(length()));
  }
  /// Reads a text up to the rows of its last call, which are then that many.
  int read_before(const int* ids, int n, int wanted, int stays) {
    leave();
    take_back(same(ids, n - wanted));
    int rows = 0;
    while ((rows = speculate_detail::next_rows(n - length(), wanted, chunk_)) < n - length())
      read(ids, rows, stays, logit_rows::none);
    return rows;
  }
  const float* read(const int* ids, int rows, int stays, logit_rows which) {
    const int wanted = which == logit_rows::all ? rows : which == logit_rows::last ? 1 : 0;
    const int* from = ids + length();
    call(with_drafts(rows, from, stays), which, wanted);
    read_.insert(read_.end(), from, from + rows);
    return logits_.data();
  }
  /// The next rows of a text of which the first `stays` stay.
  Batch with_drafts(int rows, const int* tokens, int stays) {
    Batch b = batch_of(rows, tokens);
    if (length() <= stays && length() + rows > stays) remember(b);
    return b;
  }
  /// What take_back() needs where a recurrent state has read the rows of a batch, of which not all may stay.
  void remember(Batch& b) {
    if (forgets_rows<model> || how_ == rewinds::replay) return;
    if (StatesByRow<Kept>::keeps(how_, b.rows, b.parent != nullptr)) {
      mark_ = {};
      states_.begin(how_, cache_, b, [](int) { return true; });
    } else if (mark_.lengths.empty() || mark_.lengths[0] != length()) {
      states_.forget(0);
      mark_ = cache_.mark();
    }
  }
  /// What is known of earlier rows is of another text.
  void forget() {
    mark_ = {};
    states_.forget(0);
  }
  Batch batch_of(int rows, const int* tokens) const {
    Batch b = Batch::uniform(1, rows, tokens);
    b.adapters = &adapter_;
    return b;
  }
  void call(Batch const& batch, logit_rows which, int wanted) {
    prepare(batch.rows);
    logits_.resize(static_cast<std::size_t>(wanted) * static_cast<std::size_t>(model::vocab));
    const Matrix<float> y(logits_.data(), wanted, model::vocab);
    if constexpr (Hidden) {
      first_hidden_ = remembers_all_ ? 0 : length();
      const int before = length() - first_hidden_;
      hidden_.resize(static_cast<std::size_t>(before + batch.rows) * static_cast<std::size_t>(width()));
      if (remembers_all_) {
        hidden_ids_.resize(static_cast<std::size_t>(before));
        hidden_ids_.insert(hidden_ids_.end(), batch.tokens, batch.tokens + batch.rows);
      }
      const Matrix<float> h(hidden_.data() + static_cast<std::ptrdiff_t>(before) * width(), batch.rows, width());
      between_.resize(layers_.empty() ? 0 : static_cast<std::size_t>((before + batch.rows) * features()));
      seen_ = 0;
      const Tap<float> tap{see, this};
      model_->hidden(cache_, batch, h, layers_.empty() ? nullptr : &tap);
      if (seen_ < layers_.size())
        fail("reader", "a model whose layers do not end with what is called mlp", "one that shows what enters a layer");
      if (wanted > 0) model_->head(h.middle_rows(batch.rows - wanted, wanted), y);
    } else {
      model_->logits(cache_, batch, which, y);
    }
  }
  float* place(int row) { return between_.data() + static_cast<std::ptrdiff_t>(row) * features(); }
  /// Of a layer's last block, which adds to what it reads, the output: what enters the next layer.
  static void see(void* self, Path const& path, bool, Matrix<const float> v) {
    auto& r = *static_cast<Reader*>(self);
    if (path.text == nullptr || std::strcmp(path.text, "mlp") != 0 || path.parent == nullptr) return;
    for (std::size_t i = 0; i < r.layers_.size(); ++i) {
      if (path.parent->index + 1 != r.layers_[i]) continue;
      ++r.seen_;
      for (int row = 0; row < v.rows(); ++row)
        std::memcpy(r.place(r.length() + row) + static_cast<std::ptrdiff_t>(i) * width(), v.row(row),
                    static_cast<std::size_t>(width()) * sizeof(float));
    }
  }
  void prepare(int rows) {
    if (rows <= prepared_) return;
    prepared_ = rows;
    model_->prepare_inference({.sequences = 1, .length = rows, .context = context()});
  }

  T* model_;
  Kept cache_;
  typename Kept::Mark mark_{};
  std::vector<int> read_{};  ///< the ids whose rows the cache holds
  std::vector<int> drawn_{};
  std::vector<float> logits_{}, hidden_{}, head_{}, further_{}, table_{};
  int first_hidden_ = 0;           ///< the row of the text that hidden_ begins with
  std::vector<int> hidden_ids_{};  ///< the ids of hidden_'s rows, where all are remembered
  bool remembers_all_ = false;
  std::vector<int> layers_{};
  std::vector<float> between_{};  ///< what entered these layers, of hidden_'s rows
  std::size_t seen_ = 0;          ///< of these layers, in a call
  int chunk_, prepared_ = 0, adapter_;
  rewinds how_;
  StatesByRow<Kept> states_{};
  int early_rows_ = 0, early_layers_ = 0;  ///< of the cache's last rows, those that only the first layers have read
  int tree_rows_ = 0;  ///< of the cache's last rows, those of a tree of which nobody has said what stays
};

}  // namespace fauna::inline v0
