// Gradients of ranks that share a model's tensors (data_parallel.hpp): who computes which, how they are added, and when
// they and weights go.
//
// An update's sequences are cut into pieces, by default one a rank. Gradients of pieces are added by a fixed tree
// (collectives.hpp), so that a given number of pieces has the same bits on any number of ranks and in any stage.
//   stages 0, 1   a rank has neighbouring pieces, adds them up, and sends what they came to once an update. It holds as
//                 many as log2 of them in memory of a gradient each
//   stages 2, 3   pieces go round the ranks, a pass each; each pass sends. A rank holds as many as log2 of all of
//                 them in memory of its part of a gradient each
//
// With overlap::on, where the communicator can, gradients go while backward goes on (Li et al. 2020, section 3.2.3), a
// layer's on their way while the next one runs, and with stage 3 weights come a layer ahead (Zhao et al. 2023, section
// 3.3.2). What is sent and added is the same, in the same order. In stages 0 and 1 this is the last batch's backward
// pass, and layers are cut one by one, as in the others.
#pragma once
#include <utility>
#include <vector>

#include <fauna/backend/cpu.hpp>
#include <fauna/dist/in_flight.hpp>
#include <fauna/dist/sharded_update.hpp>

namespace fauna::inline v0 {

/// Do ranks exchange gradients and weights while they compute?
enum class overlap : bool { off, on };

template <Communicator C, int Zero> class ShardedGradients {
 public:
  int pieces() const { return pieces_; }
  C& ranks() const { return *c_; }
  /// How the model is cut, once it is ready to train.
  std::vector<Shard> const& shards() const { return shards_; }

  /// pass(i), for each piece of this rank, adds its gradients, and what buffers gather, to the model's, which are zero
  /// before; it returns the piece's part of the loss. Afterwards the model has the sums over all pieces: all of them,
  /// or with ZeRO those of this rank's part. Returns the sum of the losses. In stages 2 and 3 a pass is one accumulate.
  template <class T, class F> double gradients(T& model, F&& pass) {
    const Heard<T> heard{model};
    if constexpr (Zero < 2) return gradients_at_once(model, pass);
    else return gradients_by_layer(model, pass);
  }

  /// Told before the last accumulate of a pass. In stages 0 and 1 gradients of a layer are whole once that has left it.
  template <class T> void last_batch(T& model) {
    if constexpr (Zero < 2)
      if (overlaps() && last_pass_)
        listen(model, [](void* user, int layer, bool backward, bool before) {
          auto const& to = *static_cast<Listener*>(user);
          if (backward && !before) to.ranks->send_layer(*static_cast<T*>(to.model), layer);
        });
  }

 protected:
  ShardedGradients(C& ranks, int pieces, overlap how) : c_(&ranks), pieces_(pieces), overlap_(how) {}

  static constexpr std::size_t block = shard_block;

  static constexpr int no_unit = -2;
  static constexpr std::size_t at_once = std::size_t{1} << 17;  // elements that are added while they are in the cache

  bool overlaps() const {
    if constexpr (AsynchronousCommunicator<C>) return overlap_ == overlap::on;
    else return false;
  }
  /// Who hears of a model's layers.
  struct Listener {
    ShardedGradients* ranks = nullptr;
    void* model = nullptr;
  };
  template <class T> void listen(T& model, void (*announce)(void*, int, bool, bool)) {
    listener_ = {this, &model};
    how_.announce = announce;
    how_.user = &listener_;
    if (overlaps()) how_.between = [](void* user) { static_cast<Listener*>(user)->ranks->poll(); };
    model.announce(&how_);
  }
  void poll() {
    sums_.poll();
    for (auto& p : gathers_) (void)p.ended();
  }
  void wait_for_gathers() {
    for (auto& p : gathers_) p.wait();
    gathers_.clear();
  }

  /// The model's layers are heard of until it goes.
  template <class T> struct Heard {
    T& model;
    ~Heard() { model.announce(nullptr); }
  };
  /// A pass, in stages 2 and 3: between begin_pass and end_pass, what is outside of layers is there. `Trains`: a
  /// backward pass follows each forward pass.
  template <bool Trains, class T> void listen_to_pass(T& model) {
    listen(model, [](void* user, int layer, bool backward, bool before) {
      auto const& to = *static_cast<Listener*>(user);
      to.ranks->template hear<Trains>(*static_cast<T*>(to.model), layer, backward, before);
    });
  }
  template <class T> void begin_pass(T& model) {
    fetch(model, outside);
    if (!layers_.empty()) fetch_ahead(model, layers_.front());
  }
  template <bool Trains, class T> void hear(T& model, int layer, bool backward, bool before) {
    std::size_t i = 0;
    while (i < layers_.size() && layers_[i] != layer) ++i;
    if (i == layers_.size()) return;  // it has no tensors
    const bool first = i == 0, last = i + 1 == layers_.size();
    if (before) {
      fetch(model, layer);
      if (backward ? !first : !last) fetch_ahead(model, layers_[backward ? i - 1 : i + 1]);
      return;
    }
    if (backward) reduce(model, layer);
    release(model, layer);
    if (Trains && !backward && last) fetch_ahead(model, layer);  // what is behind it runs first
  }
  template <class T> void end_pass(T& model) {
    wait_for_gathers();
    if (ahead_ != no_unit) release(model, std::exchange(ahead_, no_unit));
    release(model, outside);
  }

  template <class T, class F> double gradients_at_once(T& model, F& pass) {
    auto* const g = gradients_of(model);
    const std::size_t n = end_of(shards_.back());
    const PieceShares shares{pieces_, c_->size()};
    const int last = shares.from(c_->rank() + 1);
    // Those that this rank has; the last one's gradients are the model's, the others put aside.
    std::vector<PieceNode>& nodes = nodes_;
    std::vector<double> losses;
    nodes.clear();
    not_sent_ = layers_.size();
    const auto add_losses = [&losses](std::size_t left, std::size_t right) {
      losses[left] += losses[right];
      losses.pop_back();
    };
    for (int i = shares.from(c_->rank()); i < last; ++i) {
      last_pass_ = i + 1 == last;
      losses.push_back(pass(i));
      if (last_pass_ && overlaps()) break;
      push_node(nodes, {i, 1}, [&](std::size_t left, std::size_t right) {
        in_parts(model, 0, n,
                 [g, from = aside<T>(left)](std::size_t at, std::size_t count) { add_to(g + at, from + at, count); });
        add_losses(left, right);
      });
      if (i + 1 < last)
        in_parts(model, 0, n, [g, to = put_aside<T>(nodes.size() - 1, n)](std::size_t at, std::size_t count) {
          for (std::size_t k = at; k < at + count; ++k) {
            to[k] = g[k];
            g[k] = 0;
          }
        });
    }
    if (overlaps()) {
      while (not_sent_ > 0) send_layer(model, layers_[not_sent_ - 1]);
      send(model, outside);
      end_sums(model);
      wait_for_gathers();
      if (!losses.empty()) push_node(nodes, {last - 1, 1}, add_losses);
    } else {
      for (Shard const& s : shards_) {
        if (!s.trains) continue;
        reduce_scatter(*c_, shares, own_nodes(model), g, s.cut, at_once);
        if constexpr (Zero == 0) all_gather(*c_, g, [&](int r) { return s.cut.at(r); });
      }
    }
    return sum_of(losses, shares.all(), [&](int r) { return shares.nodes(r).size(); });
  }
  /// The arrays of this rank's nodes.
  template <class T> std::vector<typename T::scalar*> own_nodes(T& model) {
    const std::size_t nodes = PieceShares{pieces_, c_->size()}.nodes(c_->rank()).size();
    std::vector<typename T::scalar*> own;
    for (std::size_t i = 0; i < nodes; ++i) own.push_back(i + 1 < nodes ? aside<T>(i) : gradients_of(model));
    return own;
  }
  /// Layers go one after another, from the last one on, on all ranks; what comes in another order waits for the end.
  template <class T> void send_layer(T& model, int layer) {
    if (not_sent_ == 0 || layers_[not_sent_ - 1] != layer) return;
    send(model, layer);
    --not_sent_;
  }
  /// In the last pass: a unit's gradients are added to what was put aside, and go.
  template <class T> void send(T& model, int unit) {
    const PieceShares shares{pieces_, c_->size()};
    const int me = c_->rank(), last = shares.from(me + 1);
    std::vector<PieceNode> nodes = nodes_;
    if (shares.from(me) < last)
      push_node(nodes, {last - 1, 1}, [&](std::size_t left, std::size_t) {
        for (Shard const& s : shards_)
          if (s.unit == unit && s.trains)
            in_parts(model, s.cut.from, end_of(s),
                     [g = gradients_of(model), from = aside<T>(left)](std::size_t at, std::size_t count) {
                       add_to(g + at, from + at, count);
                     });
      });
    end_sums(model);
    std::vector<int> counts;
    counts.reserve(static_cast<std::size_t>(c_->size()));
    for (int r = 0; r < c_->size(); ++r) counts.push_back(static_cast<int>(shares.nodes(r).size()));
    sums_.begin(*c_, shards_, unit, own_nodes(model), counts);
  }

  template <class T, class F> double gradients_by_layer(T& model, F& pass) {
    const int n = c_->size(), me = c_->rank();
    std::vector<double> losses;
    nodes_.clear();
    for (first_ = 0; first_ < pieces_; first_ += n) {
      begin_pass(model);
      if (first_ + me < pieces_) {
        listen_to_pass<true>(model);
        losses.push_back(pass(first_ + me));
      } else {  // no piece is left, and the others still need what this rank has
        for (std::size_t i = 0; i < 2 * layers_.size(); ++i) {
          const bool backward = i >= layers_.size();
          const int layer = layers_[backward ? 2 * layers_.size() - 1 - i : i];
          for (const bool before : {true, false}) hear<true>(model, layer, backward, before);
        }
      }
      reduce(model, outside);
      end_sums(model);
      end_pass(model);
      for (int p = first_; p < first_ + n && p < pieces_; ++p)
        push_node(nodes_, {p, 1}, [](std::size_t, std::size_t) {});
    }
    std::vector<PieceNode> all;  // as they come from the ranks
    for (int r = 0; r < n; ++r)
      for (int p = r; p < pieces_; p += n) all.push_back({p, 1});
    return sum_of(losses, all, [&](int r) { return static_cast<std::size_t>((pieces_ - r + n - 1) / n); });
  }

  /// A unit's values are gathered, and what this rank does not keep of them is freed again.
  template <class T> void fetch(T& model, int unit) {
    if constexpr (Zero == 3) {
      if (unit == ahead_) {
        wait_for_gathers();
        ahead_ = no_unit;
        return;
      }
      for (Shard const& s : shards_)
        if (s.unit == unit) gather(model, s);
    }
  }
  /// The same, beside what runs until it is fetched; one unit.
  template <class T> void fetch_ahead(T& model, int unit) {
    if (Zero < 3 || !overlaps() || ahead_ != no_unit) return;
    ahead_ = unit;
    for (Shard const& s : shards_)
      if (s.unit == unit)
        model.share([&](auto* v, std::size_t) {
          begin_all_gather(v + s.values, [&](int r) { return s.cut.at(r) - s.cut.from; });
        });
  }
  template <class T> void release(T& model, int unit) {
    if constexpr (Zero == 3)
      for (Shard const& s : shards_)
        if (s.unit == unit) release(model, s);
  }
  template <class T> void gather(T& model, Shard const& s) {
    model.share(
        [&](auto* v, std::size_t) { all_gather(*c_, v + s.values, [&](int r) { return s.cut.at(r) - s.cut.from; }); });
  }
  template <class S, class Offset> void begin_all_gather(S* data, Offset&& offset) {
    if constexpr (AsynchronousCommunicator<C>) gathers_.push_back(all_gather_parcels(*c_, data, offset).begin(*c_));
  }
  template <class T> void release(T& model, Shard const& s) {
    const std::size_t from = s.cut.at(c_->rank()) - s.cut.from, to = from + s.cut.size(c_->rank());
    model.discard_values({s.values, s.values + from});
    model.discard_values({s.values + to, s.values + s.cut.n});
  }
  template <class T> void release_all(T& model) {
    for (Shard const& s : shards_) release(model, s);
  }

  /// The gradients of a unit, of the pieces of this pass, go to their keepers, and are zero here. They are added to
  /// what has come before by the tree; the last pass leaves the sums in their place.
  template <class T> void reduce(T& model, int unit) {
    auto* const g = gradients_of(model);
    if (!overlaps()) {
      for (Shard const& s : shards_)
        if (s.unit == unit && s.trains) reduce(model, g, s);
      return;
    }
    end_sums(model);
    const int here = pieces_ - first_ < c_->size() ? pieces_ - first_ : c_->size();
    std::vector<int> counts;
    counts.reserve(static_cast<std::size_t>(c_->size()));
    for (int r = 0; r < c_->size(); ++r) counts.push_back(r < here ? 1 : 0);
    sums_.begin(*c_, shards_, unit, std::vector{g}, counts);
  }
  template <class T, class S> void reduce(T& model, S* g, Shard const& s) {
    const int me = c_->rank(), n = c_->size(), here = pieces_ - first_ < n ? pieces_ - first_ : n;
    std::size_t largest = 0;
    for (int r = 0; r < n; ++r)
      if (s.cut.size(r) > largest) largest = s.cut.size(r);
    const auto slice = [&](int r, std::size_t at) {
      return at < s.cut.size(r) ? (s.cut.size(r) - at < at_once ? s.cut.size(r) - at : at_once) : 0;
    };
    std::vector<S> room(static_cast<std::size_t>(n) * slice(me, 0));
    const auto arrived = [&](int r) { return room.data() + static_cast<std::size_t>(r) * slice(me, 0); };
    for (std::size_t at = 0; at < largest; at += at_once) {
      Parcels parcels(n);
      for (int r = 0; r < n; ++r) {
        if (r == me) continue;
        if (me < here) parcels.send(r, g + s.cut.at(r) + at, slice(r, at));
        if (r < here) parcels.receive(r, arrived(r), slice(me, at));
      }
      parcels.exchange(*c_);
      add_pieces<T>(g, s, at, slice(me, at), arrived);
    }
    clear_sent(model, s);
  }
  /// Elements [at, at + count) of this rank's part of a shard, of which arrived(r) is rank r's, another's.
  template <class T, class S, class F>
  void add_pieces(S* g, Shard const& s, std::size_t at, std::size_t count, F&& arrived) {
    const int me = c_->rank();
    std::size_t own = 0;
    for (Shard const& each : shards_) own += each.cut.size(me);
    std::vector<PieceNode> nodes = nodes_;
    std::vector<S*> values;  // of nodes
    const auto kept = [&](std::size_t i) { return put_aside<T>(i, own) + s.kept + at; };
    for (std::size_t i = 0; i < nodes.size(); ++i) values.push_back(kept(i));
    const auto add = [&](std::size_t to, std::size_t from) { add_to(values[to], values[from], count); };
    for (int r = 0; r < c_->size() && first_ + r < pieces_; ++r) {
      values.push_back(r == me ? g + s.cut.at(me) + at : arrived(r));
      push_node(nodes, {first_ + r, 1}, add);
      values.resize(nodes.size());
    }
    if (last_of_pieces()) copy(values[fold_tree(nodes, add)], g + s.cut.at(me) + at, count);
    else
      for (std::size_t i = 0; i < nodes.size(); ++i) copy(values[i], kept(i), count);
  }
  template <class T> void clear_sent(T& model, Shard const& s) {
    const int me = c_->rank();
    model.clear_gradients({s.cut.from, last_of_pieces() ? s.cut.at(me) : end_of(s)});
    if (last_of_pieces()) model.clear_gradients({s.cut.at(me + 1), end_of(s)});
  }
  /// In a pass of stages 2 and 3.
  bool last_of_pieces() const { return first_ + c_->size() >= pieces_; }

  /// Adds up the unit that is on its way, if one is.
  template <class T> void end_sums(T& model) {
    using S = typename T::scalar;
    if (sums_.empty()) return;
    S* const g = gradients_of(model);
    const int me = c_->rank();
    sums_.template end<S>(me, [&](Shard const& s, auto&& arrived) {
      const std::size_t all = s.cut.size(me);
      for (std::size_t at = 0; at < all; at += at_once) {
        const std::size_t count = all - at < at_once ? all - at : at_once;
        if constexpr (Zero < 2) add_nodes(own_nodes(model), g, s, at, count, arrived);
        else add_pieces<T>(g, s, at, count, [&](int r) { return arrived(r, 0) + at; });
      }
      if constexpr (Zero >= 2) clear_sent(model, s);
      if constexpr (Zero == 0) begin_all_gather(g, [&](int r) { return s.cut.at(r); });
    });
  }
  /// As add_pieces, of all nodes of all ranks: arrived(r, i) is of rank r's node i.
  template <class S, class F>
  void add_nodes(std::vector<S*> const& own, S* g, Shard const& s, std::size_t at, std::size_t count, F&& arrived) {
    const PieceShares shares{pieces_, c_->size()};
    const int me = c_->rank();
    std::vector<S*> values;
    for (int r = 0; r < c_->size(); ++r)
      for (std::size_t i = 0; i < shares.nodes(r).size(); ++i)
        values.push_back((r == me ? own[i] + s.cut.at(me) : arrived(r, static_cast<int>(i))) + at);
    const std::size_t sum =
        fold_tree(shares.all(), [&](std::size_t to, std::size_t from) { add_to(values[to], values[from], count); });
    copy(values[sum], g + s.cut.at(me) + at, count);
  }

  template <class T> typename T::scalar* aside(std::size_t i) const {
    return static_cast<typename T::scalar*>(aside_[i].data());
  }
  template <class T> typename T::scalar* put_aside(std::size_t i, std::size_t n) {
    if (i == aside_.size()) aside_.emplace_back(n * sizeof(typename T::scalar));
    return aside<T>(i);
  }
  /// f(at, count), in threads, of all elements from one on to another.
  template <class T, class F> static void in_parts(T const& model, std::size_t first, std::size_t end, F&& f) {
    const int parts = static_cast<int>((end - first + block - 1) / block);
    parallel_for(model.threads(), parts, 8, [&](int from, int to) {
      const std::size_t at = first + static_cast<std::size_t>(from) * block,
                        until = first + static_cast<std::size_t>(to) * block;
      f(at, (until < end ? until : end) - at);
    });
  }
  template <class T> static typename T::scalar* gradients_of(T& model) {
    typename T::scalar* g = nullptr;
    model.reduce([&g](auto* elements, std::size_t) { g = elements; });
    return g;
  }
  static std::size_t end_of(Shard const& s) { return s.cut.from + s.cut.n; }
  template <class S> static void copy(const S* from, S* to, std::size_t n) {
    for (std::size_t i = 0; i < n && to != from; ++i) to[i] = from[i];
  }
  /// The sum of the losses of all nodes, by the tree. `nodes` has those of rank 0, then of rank 1, and so on, count(r)
  /// of rank r; this rank knows its own.
  template <class Count>
  double sum_of(std::vector<double> const& own, std::vector<PieceNode> const& nodes, Count&& count) {
    std::vector<std::size_t> first(static_cast<std::size_t>(c_->size()) + 1);
    for (int r = 0; r < c_->size(); ++r)
      first[static_cast<std::size_t>(r) + 1] = first[static_cast<std::size_t>(r)] + count(r);
    std::vector<double> all(nodes.size());
    for (std::size_t i = 0; i < own.size(); ++i) all[first[static_cast<std::size_t>(c_->rank())] + i] = own[i];
    all_gather(*c_, all.data(), [&](int r) { return first[static_cast<std::size_t>(r)]; });
    std::vector<PieceNode> ordered;
    std::vector<double> values;
    for (int piece = 0; piece < pieces_; piece = ordered.back().first + ordered.back().count)
      for (std::size_t i = 0; i < nodes.size(); ++i)
        if (nodes[i].first == piece) {
          ordered.push_back(nodes[i]);
          values.push_back(all[i]);
        }
    return values[fold_tree(ordered, [&](std::size_t to, std::size_t from) { values[to] += values[from]; })];
  }
  C* c_;
  int pieces_;
  overlap overlap_;
  std::vector<Shard> shards_;
  std::vector<int> layers_;       ///< units, ascending
  int first_ = 0;                 ///< in stages 2 and 3: piece of this pass, of rank 0
  std::vector<PieceNode> nodes_;  ///< of the passes before: this rank's gradients, or its parts of all ranks'
  bool last_pass_ = false;        ///< of this rank in an update
  std::size_t not_sent_ = 0;      ///< layers, in stages 0 and 1 of a last pass
  InFlight<C> sums_;
  std::vector<Pending<C>> gathers_;
  int ahead_ = no_unit;  ///< whose values are being gathered
  Listener listener_;
  Rounds how_;
  std::vector<Region> aside_;  ///< gradients of nodes that wait for what is to their right
};

}  // namespace fauna::inline v0
