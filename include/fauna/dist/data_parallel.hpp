// Data parallel training: every rank has the whole model and runs its part of a batch; gradients are added over ranks.
//   DataParallel<C>      every rank updates all of the model (DDP: Li et al. 2020, "PyTorch Distributed")
// ZeRO (Rajbhandari et al. 2020, section 5) has a rank update its part, and keep of all else no more than that:
//   DataParallel<C, 1>   of the optimizer's moments
//   DataParallel<C, 2>   and of gradients, which are added as soon as a layer's are there
//   DataParallel<C, 3>   and of values, which are gathered a layer before its forward and its backward pass, and freed
//                        after it (FSDP: Zhao et al. 2023)
// What is sent is in docs/distributed.md; beside it go 8 bytes a block of 4096 elements for the global norm, and 8 a
// piece or node for the loss.
//
// An update's sequences are cut into pieces, by default one a rank. Gradients of pieces are added by a fixed tree
// (collectives.hpp), so that a given number of pieces has the same bits on any number of ranks and in any stage.
//   stages 0, 1   a rank has neighbouring pieces, adds them up, and sends what they came to once an update. It holds as
//                 many as log2 of them in memory of a gradient each
//   stages 2, 3   pieces go round the ranks, a pass each; each pass sends. A rank holds as many as log2 of all of
//                 them in memory of its part of a gradient each
#pragma once
#include <bit>
#include <cmath>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include <fauna/backend/cpu.hpp>
#include <fauna/dist/checkpoint.hpp>
#include <fauna/dist/solo.hpp>
#include <fauna/train/one_rank.hpp>

namespace fauna::inline v0 {

template <Communicator C, int Zero = 0> class DataParallel {
  static_assert(Zero >= 0 && Zero <= 3, "fauna: ZeRO has stages 1 to 3, and 0 is plain data parallel");

 public:
  /// `pieces`: 0 for one a rank; in stages 2 and 3, for the fewest that are of one batch each and one a rank.
  explicit DataParallel(C& ranks, int pieces = 0)
      : c_(&ranks), pieces_(pieces > 0 ? pieces : ranks.size()), asked_(pieces > 0) {}

  bool writes() const { return c_->rank() == 0; }
  bool evaluates() const { return Zero == 3 || writes(); }
  int pieces() const { return pieces_; }
  C& ranks() const { return *c_; }
  /// How the model is cut, once it is ready to train.
  std::vector<Shard> const& shards() const { return shards_; }

  /// Is a pass of a model one accumulate, in which all ranks come to a layer together?
  static constexpr bool by_layer = Zero >= 2;

  /// Of how many batches an update is. In stages 2 and 3 a piece is of one: what it adds up is sent after a pass.
  void divide(int batches) {
    if (Zero < 2) return;
    if (!asked_) pieces_ = batches * ((c_->size() + batches - 1) / batches);
    if (pieces_ % batches != 0)
      fail("train", std::to_string(pieces_) + " pieces of an update of " + std::to_string(batches) + " batches",
           "pieces of one batch each", "a multiple of the batches, or ZeRO's stage 1, which adds up any");
  }

  template <class T> void start(T& model) {
    static_assert(!memory<typename T::backend>::remote, "fauna: ranks exchange tensors in the host's memory");
    shards_ = shards_of(model, Zero >= 2, c_->rank(), c_->size(), block);
    layers_.clear();
    for (Shard const& s : shards_) {  // what is frozen of them stands behind
      std::size_t i = 0;
      while (i < layers_.size() && layers_[i] < s.unit) ++i;
      if (s.unit != outside && (i == layers_.size() || layers_[i] != s.unit))
        layers_.insert(layers_.begin() + static_cast<std::ptrdiff_t>(i), s.unit);
    }
    if constexpr (Zero > 0) keep_own_moments(model);
    if constexpr (Zero > 1) model.in_small_pages();
    if constexpr (Zero == 3) release_all(model);
    plan_for(model);
  }

  /// pass(i), for each piece of this rank, adds its gradients, and what buffers gather, to the model's, which are zero
  /// before; it returns the piece's part of the loss. Afterwards the model has the sums over all pieces: all of them,
  /// or with ZeRO those of this rank's part. Returns the sum of the losses. In stages 2 and 3 a pass is one accumulate.
  template <class T, class F> double gradients(T& model, F&& pass) {
    if constexpr (Zero < 2) return gradients_at_once(model, pass);
    else return gradients_by_layer(model, pass);
  }

  /// One step with one norm over all ranks' gradients. Nothing is updated, on any rank, where one is not finite. A
  /// matrix that is Muon's comes whole to one rank, and goes back in parts.
  template <class T> UpdateReport update(T& model, AdamWOptions const& o) {
    const UpdateReport seen = norm(model);
    if (seen.not_finite >= 0) return seen;
    if constexpr (Zero == 0) return model.update(o, seen);
    for (Parameter const& p : model.parameters()) {  // buffers' hooks read all of their values and what they gathered
      if (p.is != role::buffer || !p.trainable) continue;
      Cut const& cut = shard_of(p).cut;
      const auto from = [&](int r) { return within(p, cut.at(r)); };
      model.reduce([&](auto* g, std::size_t) { all_gather(*c_, g, from); });
      if constexpr (Zero == 3)
        model.share(
            [&](auto* v, std::size_t) { all_gather(*c_, v + p.offset, [&](int r) { return from(r) - p.place; }); });
    }
    step_matrices(model, o, seen);
    model.update(o, seen, false);
    for (Shard const& s : shards_) {  // those of the others' parts; the update has cleared its own
      model.clear_gradients({s.cut.from, s.cut.from + s.cut.n});
      if (Zero < 3 && s.trains) gather(model, s);
    }
    if constexpr (Zero == 3) release_all(model);
    return seen;
  }

  /// The norm of all gradients, and what is wrong with them; the same bits on every rank and for every number of ranks.
  template <class T> UpdateReport norm(T& model) {
    struct Part {
      std::size_t parameter, from, to;
    };
    std::vector<Part> parts;  // of trainable tensors, cut at blocks; ascending
    for (const std::size_t i : by_place(model)) {
      Parameter const& p = model.parameters()[i];
      const std::size_t end = p.place + p.size();
      for (std::size_t at = p.place, to = 0; at < end && p.trainable && p.is == role::parameter; at = to) {
        to = at / block * block + block;
        if (to > end) to = end;
        parts.push_back({i, at, to});
      }
    }
    std::vector<double> squares(parts.size());
    model.reduce([&](auto* g, std::size_t) {
      for (Shard const& s : shards_) {
        const auto first = [&](int r) {
          std::size_t i = 0;
          while (i < parts.size() && parts[i].from < s.cut.at(r)) ++i;
          return i;
        };
        const std::size_t from = first(c_->rank()), to = first(c_->rank() + 1);
        parallel_for(model.threads(), static_cast<int>(to - from), 8, [&](int begin, int end) {
          for (std::size_t i = from + static_cast<std::size_t>(begin); i < from + static_cast<std::size_t>(end); ++i)
            squares[i] = sum_of_squares(g + parts[i].from, parts[i].to - parts[i].from);
        });
        if (s.trains) all_gather(*c_, squares.data(), first);
      }
    });
    UpdateReport r;
    double total = 0;
    for (std::size_t i = 0; i < parts.size();) {
      const std::size_t parameter = parts[i].parameter;
      double sum = 0;
      for (; i < parts.size() && parts[i].parameter == parameter; ++i) sum += squares[i];
      total += sum;
      if (sum == 0 && r.without_gradient < 0) r.without_gradient = static_cast<int>(parameter);
      if (!std::isfinite(sum) && r.not_finite < 0) r.not_finite = static_cast<int>(parameter);
    }
    r.gradient_norm = std::sqrt(total);
    return r;
  }

  template <class T, class F> void with_state(T& model, F&& f) {
    if constexpr (Zero > 0) {
      if (writes()) model.keep_moments({{0, shards_.back().cut.from + shards_.back().cut.n}});
      for (Shard const& s : shards_) {
        const std::size_t own = writes() ? s.cut.from : s.kept;  // where the shard, or the rank's part of it, begins
        for (int which = 0; which < 2; ++which) gather_at_writer(model.moments(which) + own, s.cut);
        if constexpr (Zero == 3)
          model.share([&](auto* v, std::size_t) {
            gather_at_writer(v + s.values + (writes() ? 0 : s.cut.at(c_->rank()) - s.cut.from), s.cut);
          });
      }
    }
    f();
    if constexpr (Zero > 0)
      if (writes()) keep_own_moments(model);
    if constexpr (Zero == 3) release_all(model);
  }
  /// A checkpoint in parts beside `path`, which becomes its manifest; `head` is the writing rank's. Of such checkpoints
  /// the last `keep` stay. Saved again at the same update, the parts are those that are there. `later`: from a copy,
  /// and beside what follows, until end_parts() or the next one.
  template <class T>
  void save_parts(T& model, std::string const& path, CheckpointHead const& head, int keep, bool later = false) {
    const std::size_t slash = path.rfind('/');
    const std::string out = slash == std::string::npos ? "." : path.substr(0, slash);
    if (head.progress.iteration != saved_ || out != saved_in_) {
      end_parts();
      int number = 0;
      while (writes() && exists(out + '/' + checkpoint::step_name(head.progress.iteration, number))) ++number;
      step_ = checkpoint::step_name(head.progress.iteration, most(number));
      part_.write(model, shards_, out + '/' + step_, c_->rank(), later);
      saved_ = head.progress.iteration;
      saved_in_ = out;
    }
    head_ = checkpoint::head_of(model, head);
    keep_ = keep;
    manifests_.push_back(path);
    if (!later) end_parts();
  }
  /// Would end_parts() wait for no rank? All ask together.
  bool parts_ended() { return !part_.waits() || most(part_.ended() ? 0 : 1) == 0; }
  /// Waits for what save_parts began, on all ranks, and writes its manifests.
  void end_parts() {
    const std::vector<std::string> paths = std::exchange(manifests_, {});
    if (part_.waits()) {
      const long long at = std::exchange(saved_, -1);  // nothing, where a rank could not write
      lines_ = part_.join(*c_, [this](int x) { return most(x); });
      if (writes()) checkpoint::write_manifest(saved_in_ + '/' + step_ + checkpoint::own_manifest, head_, lines_);
      saved_ = at;
    }
    if (paths.empty() || !writes()) return;
    for (std::string const& path : paths)
      checkpoint::write_manifest(path, head_, checkpoint::from_beside(lines_, step_));
    checkpoint::keep_parts(saved_in_, keep_, head_);
  }
  template <class T, class F> auto once(T& model, F&& f) {
    decltype(f()) value{};
    if constexpr (Zero == 3) {
      const Pass<T> pass(*this, model);
      value = f();
    } else if (writes()) {
      value = f();
    }
    broadcast(*c_, &value, 1, 0);
    return value;
  }
  /// Gives every rank all values again, for who goes on with the model and without these ranks.
  template <class T> void make_whole(T& model) {
    for (Shard const& s : shards_)
      if (Zero == 3) gather(model, s);
  }
  int most(int x) { return most_of(*c_, x); }
  /// Of all ranks' counts, such as the tokens that a loss is the mean over.
  long long total(long long count) {
    long long sum = 0;
    for (const long long each : all_gather(*c_, count)) sum += each;
    return sum;
  }
  /// Throws, on every rank, where a rank's text is not rank 0's; `what` says what it is.
  void require_same(std::string const& what, std::uint64_t hash) { fauna::require_same(*c_, what, hash); }

 private:
  static constexpr std::size_t block = 4096;  // elements: cuts of tensors, and sums of squares

  /// While it lives the model's layers are heard of, and what is outside of them is there.
  template <class T> class Pass {
   public:
    Pass(DataParallel& ranks, T& model) : ranks_(ranks), model_(model) {
      ranks_.template before<T>(model_, outside);
      how_.announce = hear;
      how_.user = this;
      model_.announce(&how_);
    }
    Pass(Pass const&) = delete;
    Pass& operator=(Pass const&) = delete;
    ~Pass() {
      model_.announce(nullptr);
      ranks_.template after<T>(model_, outside);
    }

   private:
    static void hear(void* user, int layer, bool backward, bool before) {
      Pass& p = *static_cast<Pass*>(user);
      if (before) return p.ranks_.template before<T>(p.model_, layer);
      if (backward) p.ranks_.template reduce<T>(p.model_, layer);
      p.ranks_.template after<T>(p.model_, layer);
    }
    DataParallel& ranks_;
    T& model_;
    Rounds how_;
  };

  template <class T, class F> double gradients_at_once(T& model, F& pass) {
    typename T::scalar* g = nullptr;
    std::size_t n = 0;
    model.reduce([&](auto* elements, std::size_t count) {
      g = elements;
      n = count;
    });
    const PieceShares shares{pieces_, c_->size()};
    const int last = shares.from(c_->rank() + 1);
    std::vector<PieceNode> nodes;  // that this rank has; the last one's gradients are the model's, the others put aside
    std::vector<double> losses;
    for (int i = shares.from(c_->rank()); i < last; ++i) {
      losses.push_back(pass(i));
      push_node(nodes, {i, 1}, [&](std::size_t left, std::size_t right) {
        in_parts(model, n,
                 [g, from = aside<T>(left)](std::size_t at, std::size_t count) { add_to(g + at, from + at, count); });
        losses[left] += losses[right];
        losses.pop_back();
      });
      if (i + 1 < last)
        in_parts(model, n, [g, to = put_aside<T>(nodes.size() - 1, n)](std::size_t at, std::size_t count) {
          for (std::size_t k = at; k < at + count; ++k) {
            to[k] = g[k];
            g[k] = 0;
          }
        });
    }
    std::vector<typename T::scalar*> own;
    for (std::size_t i = 0; i < nodes.size(); ++i) own.push_back(i + 1 < nodes.size() ? aside<T>(i) : g);
    for (Shard const& s : shards_) {
      if (!s.trains) continue;
      reduce_scatter(*c_, shares, own, g, s.cut);
      if constexpr (Zero == 0) all_gather(*c_, g, [&](int r) { return s.cut.at(r); });
    }
    return sum_of(losses, shares.all(), [&](int r) { return shares.nodes(r).size(); });
  }

  template <class T, class F> double gradients_by_layer(T& model, F& pass) {
    const int n = c_->size(), me = c_->rank();
    std::vector<double> losses;
    nodes_.clear();
    for (first_ = 0; first_ < pieces_; first_ += n) {
      if (first_ + me < pieces_) {
        const Pass<T> now(*this, model);
        losses.push_back(pass(first_ + me));
        reduce(model, outside);
      } else {  // no piece is left, and the others still need what this rank has
        before(model, outside);
        for (const int layer : layers_) before(model, layer), after(model, layer);
        for (std::size_t i = layers_.size(); i-- > 0; after(model, layers_[i])) {
          before(model, layers_[i]);
          reduce(model, layers_[i]);
        }
        reduce(model, outside);
        after(model, outside);
      }
      for (int p = first_; p < first_ + n && p < pieces_; ++p)
        push_node(nodes_, {p, 1}, [](std::size_t, std::size_t) {});
    }
    std::vector<PieceNode> all;  // as they come from the ranks
    for (int r = 0; r < n; ++r)
      for (int p = r; p < pieces_; p += n) all.push_back({p, 1});
    return sum_of(losses, all, [&](int r) { return static_cast<std::size_t>((pieces_ - r + n - 1) / n); });
  }

  /// Muon's steps (ops/muon), which need whole matrices: each on one rank, in turn. Values, momentum and gradient go
  /// there from who keeps their parts, and values and momentum come back.
  template <class T> void step_matrices(T& model, AdamWOptions const& o, UpdateReport const& seen) {
    using S = typename T::scalar;
    enum field : int { value, momentum, gradient };
    const int n = c_->size(), me = c_->rank();
    std::vector<std::size_t> matrices;
    for (std::size_t i = 0; i < model.parameters().size(); ++i)
      if (model.by_muon(i)) matrices.push_back(i);
    S *values = nullptr, *gradients = nullptr;
    model.share([&values](auto* v, std::size_t) { values = v; });
    model.reduce([&gradients](auto* g, std::size_t) { gradients = g; });
    std::vector<S> whole[3];  // of the matrix that this rank has
    for (std::size_t first = 0; first < matrices.size(); first += static_cast<std::size_t>(n)) {
      const auto number = [first](int owner) { return first + static_cast<std::size_t>(owner); };
      const auto move = [&](field what, bool back) {
        Parcels parcels(n);
        for (int owner = 0; owner < n && number(owner) < matrices.size(); ++owner) {
          Parameter const& p = model.parameters()[matrices[number(owner)]];
          Shard const& s = shard_of(p);
          const auto from = [&](int r) { return within(p, s.cut.at(r)) - p.place; };
          const auto size = [&](int r) { return from(r + 1) - from(r); };
          S* part = nullptr;
          if (size(me) > 0)
            part = what == value      ? values + p.offset + from(me)
                   : what == momentum ? model.moments(0) + s.kept + (p.place + from(me) - s.cut.at(me))
                                      : gradients + p.place + from(me);
          if (owner != me) {
            if (back) parcels.receive(owner, part, size(me));
            else parcels.send(owner, part, size(me));
            continue;
          }
          whole[what].resize(p.size());
          for (int r = 0; r < n; ++r) {
            S* const there = whole[what].data() + from(r);
            if (r != me && back) parcels.send(r, there, size(r));
            else if (r != me) parcels.receive(r, there, size(r));
            else
              for (std::size_t k = 0; k < size(r); ++k) (back ? part[k] : there[k]) = back ? there[k] : part[k];
          }
        }
        parcels.exchange(*c_);
      };
      for (const field what : {value, momentum, gradient}) move(what, false);
      if (number(me) < matrices.size())
        model.step_matrix(matrices[number(me)], whole[value].data(), whole[gradient].data(), whole[momentum].data(), o,
                          seen);
      for (const field what : {value, momentum}) move(what, true);
    }
  }

  /// A unit's values are gathered; what this rank does not keep of them is freed.
  template <class T> void before(T& model, int unit) {
    if constexpr (Zero == 3)
      for (Shard const& s : shards_)
        if (s.unit == unit) gather(model, s);
  }
  template <class T> void after(T& model, int unit) {
    if constexpr (Zero == 3)
      for (Shard const& s : shards_)
        if (s.unit == unit) release(model, s);
  }
  template <class T> void gather(T& model, Shard const& s) {
    model.share(
        [&](auto* v, std::size_t) { all_gather(*c_, v + s.values, [&](int r) { return s.cut.at(r) - s.cut.from; }); });
  }
  template <class T> void release(T& model, Shard const& s) {
    const std::size_t from = s.cut.at(c_->rank()) - s.cut.from, to = from + s.cut.size(c_->rank());
    model.discard_values({s.values, s.values + from});
    model.discard_values({s.values + to, s.values + s.cut.n});
  }
  template <class T> void release_all(T& model) {
    for (Shard const& s : shards_) release(model, s);
  }

  /// The gradients of a unit, of the pieces of this pass, go to who keeps them, and are zero here. They are added to
  /// what has come before by the tree; the last pass leaves the sums in their place.
  template <class T> void reduce(T& model, int unit) {
    for (Shard const& s : shards_)
      if (s.unit == unit && s.trains) model.reduce([&](auto* g, std::size_t) { reduce(model, g, s); });
  }
  template <class T, class S> void reduce(T& model, S* g, Shard const& s, std::size_t most = std::size_t{1} << 17) {
    const int me = c_->rank(), n = c_->size(), here = pieces_ - first_ < n ? pieces_ - first_ : n;
    const bool last = first_ + n >= pieces_;
    std::size_t largest = 0, own = 0;
    for (Shard const& each : shards_) own += each.cut.size(me);
    for (int r = 0; r < n; ++r)
      if (s.cut.size(r) > largest) largest = s.cut.size(r);
    const auto slice = [&](int r, std::size_t at) {
      return at < s.cut.size(r) ? (s.cut.size(r) - at < most ? s.cut.size(r) - at : most) : 0;
    };
    std::vector<S> room(static_cast<std::size_t>(n) * slice(me, 0));
    std::vector<S*> values;  // of nodes
    std::vector<PieceNode> nodes;
    for (std::size_t at = 0; at < largest; at += most) {
      const std::size_t mine = slice(me, at);
      Parcels parcels(n);
      for (int r = 0; r < n; ++r) {
        if (r == me) continue;
        if (me < here) parcels.send(r, g + s.cut.at(r) + at, slice(r, at));
        if (r < here) parcels.receive(r, room.data() + static_cast<std::size_t>(r) * slice(me, 0), mine);
      }
      parcels.exchange(*c_);
      nodes = nodes_;
      values.clear();
      const auto kept = [&](std::size_t i) { return put_aside<T>(i, own) + s.kept + at; };
      for (std::size_t i = 0; i < nodes.size(); ++i) values.push_back(kept(i));
      const auto add = [&](std::size_t to, std::size_t from) { add_to(values[to], values[from], mine); };
      for (int r = 0; r < here; ++r) {
        values.push_back(r == me ? g + s.cut.at(me) + at : room.data() + static_cast<std::size_t>(r) * slice(me, 0));
        push_node(nodes, {first_ + r, 1}, add);
        values.resize(nodes.size());
      }
      const auto put = [mine](S* to, const S* from) {
        for (std::size_t i = 0; i < mine && to != from; ++i) to[i] = from[i];
      };
      if (last) put(g + s.cut.at(me) + at, values[fold_tree(nodes, add)]);
      else
        for (std::size_t i = 0; i < nodes.size(); ++i) put(kept(i), values[i]);
    }
    model.clear_gradients({s.cut.from, last ? s.cut.at(me) : s.cut.from + s.cut.n});
    if (last) model.clear_gradients({s.cut.at(me + 1), s.cut.from + s.cut.n});
  }

  template <class T> void keep_own_moments(T& model) {
    std::vector<ElementRange> own;
    for (Shard const& s : shards_) own.push_back({s.cut.at(c_->rank()), s.cut.at(c_->rank() + 1)});
    model.keep_moments(static_cast<std::vector<ElementRange>&&>(own));
  }
  template <class T> void plan_for(T& model) {
    constexpr std::size_t size = sizeof(typename T::scalar);
    MemoryPlan plan = model.planned();
    const ShardSizes all = sizes_of(shards_, c_->rank(), false), trained = sizes_of(shards_, c_->rank(), true);
    std::size_t levels = 0;  // of the tree, that wait from pass to pass: a node for each bit of the pieces before
    for (int p = c_->size(); p < pieces_; p += c_->size()) {
      const auto nodes = static_cast<std::size_t>(std::popcount(static_cast<unsigned>(p)));
      if (nodes > levels) levels = nodes;
    }
    if (Zero == 3) plan.weights = size * (all.own + all.beside);
    if (Zero >= 2) plan.gradients = size * ((levels + 1) * trained.own + trained.beside);
    if (Zero >= 1) plan.moments = size * 2 * trained.own;
    model.plan_parts(plan);
  }
  /// `own`: where this rank's part lies; on the writing rank, where the whole does.
  template <class S> void gather_at_writer(S* own, Cut const& cut) {
    Parcels parcels(c_->size());
    if (!writes()) parcels.send(0, own, cut.size(c_->rank()));
    else
      for (int r = 1; r < c_->size(); ++r) parcels.receive(r, own + (cut.at(r) - cut.from), cut.size(r));
    parcels.exchange(*c_);
  }
  Shard const& shard_of(Parameter const& p) const {
    std::size_t i = 0;
    while (i + 1 < shards_.size() && shards_[i + 1].cut.from <= p.place) ++i;
    return shards_[i];
  }
  static std::size_t within(Parameter const& p, std::size_t at) {
    return at < p.place ? p.place : at < p.place + p.size() ? at : p.place + p.size();
  }
  template <class T> typename T::scalar* aside(std::size_t i) const {
    return static_cast<typename T::scalar*>(aside_[i].data());
  }
  template <class T> typename T::scalar* put_aside(std::size_t i, std::size_t n) {
    if (i == aside_.size()) aside_.emplace_back(n * sizeof(typename T::scalar));
    return aside<T>(i);
  }
  template <class T, class F> static void in_parts(T const& model, std::size_t n, F&& f) {
    const int parts = static_cast<int>((n + block - 1) / block);
    parallel_for(model.threads(), parts, 8, [&](int from, int to) {
      const std::size_t at = static_cast<std::size_t>(from) * block, end = static_cast<std::size_t>(to) * block;
      f(at, (end < n ? end : n) - at);
    });
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
  template <class S> static double sum_of_squares(const S* g, std::size_t n) {
    double s[4] = {};
    std::size_t i = 0;
    const auto square = [](S x) { return static_cast<double>(x) * static_cast<double>(x); };
    for (; i + 4 <= n; i += 4)
      for (std::size_t k = 0; k < 4; ++k) s[k] += square(g[i + k]);
    for (; i < n; ++i) s[0] += square(g[i]);
    return (s[0] + s[1]) + (s[2] + s[3]);
  }

  C* c_;
  int pieces_;
  bool asked_;  ///< for so many pieces
  std::vector<Shard> shards_;
  std::vector<int> layers_;       ///< units, ascending
  int first_ = 0;                 ///< piece of this pass, of rank 0
  std::vector<PieceNode> nodes_;  ///< of the passes before, in stages 2 and 3: this rank's parts of their gradients
  long long saved_ = -1;          ///< in parts: the last one's update, folder, its name there, and its parts
  std::string saved_in_, step_, lines_;
  checkpoint::PartFile part_;           ///< this rank's
  CheckpointHead head_;                 ///< of the manifests
  std::vector<std::string> manifests_;  ///< that are to be written
  int keep_ = 0;
  std::vector<Region> aside_;  ///< gradients of nodes that wait for what is to their right
};

template <class C> using data_parallel = DataParallel<C>;
template <int Stage, class C> using zero = DataParallel<C, Stage>;

}  // namespace fauna::inline v0
