// Data parallel training: every rank has the whole model and runs its part of a batch; gradients are added over ranks.
//   DataParallel<C>      every rank updates all of the model (DDP: Li et al. 2020, "PyTorch Distributed")
//   DataParallel<C, 1>   every rank keeps the optimizer's moments for its part of the parameters, updates those, and
//   gets
//                        the others' (ZeRO stage 1: Rajbhandari et al. 2020, "ZeRO", section 5.1)
// With n ranks and N bytes of parameters, padding included, both send 2 (n - 1) / n · N bytes an update and rank: the
// gradients to who adds them up; then the sums, or the new values. Beside them go 8 bytes a block of 4096 elements for
// the global norm and 8 a node for the loss.
//
// An update's sequences are cut into pieces, by default one a rank. Gradients of pieces are added by a fixed tree
// (collectives.hpp), so that a given number of pieces has the same bits on any number of ranks. A rank with several
// pieces holds as many as log2 of them in memory of a gradient each.
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include <fauna/backend/cpu.hpp>
#include <fauna/dist/collectives.hpp>
#include <fauna/dist/solo.hpp>
#include <fauna/train/one_rank.hpp>

namespace fauna::inline v0 {

template <Communicator C, int Zero = 0> class DataParallel {
  static_assert(Zero == 0 || Zero == 1, "fauna: ZeRO has stages 0 (plain data parallel) and 1 here");

 public:
  /// `pieces`: 0 for one a rank.
  explicit DataParallel(C& ranks, int pieces = 0) : c_(&ranks), pieces_(pieces > 0 ? pieces : ranks.size()) {}

  bool writes() const { return c_->rank() == 0; }
  int pieces() const { return pieces_; }
  C& ranks() const { return *c_; }
  /// Pieces [first, last) are this rank's.
  int first_piece() const { return shares().from(c_->rank()); }
  int last_piece() const { return shares().from(c_->rank() + 1); }
  /// Elements of the flat memory that a rank adds up; with ZeRO, whose moments it keeps.
  Cut cut(std::size_t elements) const { return {elements, block, c_->size()}; }

  template <class T> void start(T& model) {
    static_assert(!memory<typename T::backend>::remote, "fauna: ranks exchange tensors in the host's memory");
    if constexpr (Zero > 0)
      model.reduce([&](auto*, std::size_t n) { model.keep_moments(cut(n).at(c_->rank()), cut(n).at(c_->rank() + 1)); });
  }

  /// pass(i), for each piece of this rank, adds its gradients, and what buffers gather, to the model's, which are zero
  /// before; it returns the piece's part of the loss. Afterwards the model has the sums over all pieces: all of them,
  /// or with ZeRO those of this rank's part. Returns the sum of the losses.
  template <class T, class F> double gradients(T& model, F&& pass) {
    typename T::scalar* g = nullptr;
    std::size_t n = 0;
    model.reduce([&](auto* elements, std::size_t count) {
      g = elements;
      n = count;
    });
    std::vector<PieceNode> nodes;  // that this rank has; the last one's gradients are the model's, the others put aside
    std::vector<double> losses;
    for (int i = first_piece(); i < last_piece(); ++i) {
      PieceNode node{i, 1};
      double loss = pass(i);
      while (!nodes.empty() && nodes.back().count == node.count && nodes.back().first % (2 * node.count) == 0) {
        in_parts(model, n, [g, left = aside<T>(nodes.size() - 1)](std::size_t at, std::size_t count) {
          add_to(g + at, left + at, count);
        });
        loss = losses.back() + loss;
        node = {nodes.back().first, 2 * node.count};
        nodes.pop_back();
        losses.pop_back();
      }
      if (i + 1 < last_piece())
        in_parts(model, n, [g, to = put_aside<T>(nodes.size(), n)](std::size_t at, std::size_t count) {
          for (std::size_t k = at; k < at + count; ++k) {
            to[k] = g[k];
            g[k] = 0;
          }
        });
      nodes.push_back(node);
      losses.push_back(loss);
    }
    std::vector<typename T::scalar*> own;
    for (std::size_t i = 0; i < nodes.size(); ++i) own.push_back(i + 1 < nodes.size() ? aside<T>(i) : g);
    reduce_scatter(*c_, shares(), own, g, cut(n));
    if constexpr (Zero == 0) all_gather(*c_, g, [cut = cut(n)](int r) { return cut.at(r); });
    return sum_of(losses);
  }

  /// One AdamW step with one norm over all ranks' gradients. Nothing is updated, on any rank, where one is not finite.
  template <class T> UpdateReport update(T& model, AdamWOptions const& o) {
    const UpdateReport seen = norm(model);
    if (seen.not_finite >= 0) return seen;
    if constexpr (Zero == 0) return model.update(o, seen);
    model.reduce([&](auto* g, std::size_t n) {  // buffers' hooks read all that their buffers gathered
      for (Parameter const& p : model.parameters())
        if (p.is == role::buffer && p.trainable)
          all_gather(*c_, g, [&, cut = cut(n)](int r) { return within(p, cut.at(r)); });
    });
    model.update(o, seen);
    model.clear_gradients();                        // those of the others' parts; the update has cleared its own
    model.share([&](auto* values, std::size_t n) {  // what moments were kept of, by tensor: frozen ones lie elsewhere
      for (Parameter const& p : model.parameters())
        if (p.is == role::parameter && p.trainable)
          all_gather(*c_, values + p.offset, [&, cut = cut(n)](int r) { return within(p, cut.at(r)) - p.place; });
    });
    return seen;
  }

  /// The norm of all gradients, and what is wrong with them; the same bits on every rank and for every number of ranks.
  template <class T> UpdateReport norm(T& model) {
    struct Part {
      std::size_t parameter, from, to;
    };
    std::vector<Part> parts;         // of trainable tensors, cut at blocks; ascending
    std::vector<std::size_t> order;  // of the tensors, as their gradients lie
    for (std::size_t i = 0; i < model.parameters().size(); ++i) {
      std::size_t at = order.size();
      for (order.push_back(i); at > 0 && model.parameters()[order[at - 1]].place > model.parameters()[i].place; --at)
        order[at] = order[at - 1];
      order[at] = i;
    }
    for (const std::size_t i : order) {
      Parameter const& p = model.parameters()[i];
      const std::size_t end = p.place + p.size();
      for (std::size_t at = p.place, to = 0; at < end && p.trainable && p.is == role::parameter; at = to) {
        to = at / block * block + block;
        if (to > end) to = end;
        parts.push_back({i, at, to});
      }
    }
    std::vector<double> squares(parts.size());
    model.reduce([&](auto* g, std::size_t n) {
      const auto first = [&, cut = cut(n)](int r) {
        std::size_t i = 0;
        while (i < parts.size() && parts[i].from < cut.at(r)) ++i;
        return i;
      };
      const std::size_t from = first(c_->rank()), to = first(c_->rank() + 1);
      parallel_for(model.threads(), static_cast<int>(to - from), 8, [&](int begin, int end) {
        for (std::size_t i = from + static_cast<std::size_t>(begin); i < from + static_cast<std::size_t>(end); ++i)
          squares[i] = sum_of_squares(g + parts[i].from, parts[i].to - parts[i].from);
      });
      all_gather(*c_, squares.data(), first);
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
    if constexpr (Zero > 0)
      model.reduce([&](auto*, std::size_t n) {
        if (writes()) model.keep_moments(0, n);
        for (int which = 0; which < 2; ++which) gather(*c_, model.moments(which), cut(n), 0);
      });
    f();
    if (Zero > 0 && writes()) start(model);
  }
  template <class F> auto once(F&& f) {
    decltype(f()) value{};
    if (writes()) value = f();
    broadcast(*c_, &value, 1, 0);
    return value;
  }
  int most(int x) {
    for (const int other : all_gather(*c_, x))
      if (other > x) x = other;
    return x;
  }
  /// Of all ranks' counts, such as the tokens that a loss is the mean over.
  long long total(long long count) {
    long long sum = 0;
    for (const long long each : all_gather(*c_, count)) sum += each;
    return sum;
  }
  /// Throws, on every rank, where a rank's text is not rank 0's; `what` says what it is.
  void require_same(std::string const& what, std::uint64_t hash) {
    const auto all = all_gather(*c_, hash);
    for (std::size_t r = 1; r < all.size(); ++r)
      if (all[r] != all[0])
        fail("ranks", "rank " + std::to_string(r) + " has another " + what + " than rank 0",
             "the same on all " + std::to_string(all.size()) + " ranks");
  }

 private:
  static constexpr std::size_t block = 4096;  // elements: cuts of tensors, and sums of squares

  PieceShares shares() const { return {pieces_, c_->size()}; }
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
  double sum_of(std::vector<double> const& own) {
    const std::vector<PieceNode> nodes = shares().all();
    std::vector<double> all(nodes.size());
    const auto first = [&](int r) {
      std::size_t i = 0;
      while (i < nodes.size() && nodes[i].first < shares().from(r)) ++i;
      return i;
    };
    for (std::size_t i = 0; i < own.size(); ++i) all[first(c_->rank()) + i] = own[i];
    all_gather(*c_, all.data(), first);
    return all[fold_tree(nodes, [&all](std::size_t to, std::size_t from) { all[to] += all[from]; })];
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
  std::vector<Region> aside_;  ///< gradients of nodes that wait for the one to their right
};

template <class C> using data_parallel = DataParallel<C>;
template <int Stage, class C> using zero = DataParallel<C, Stage>;

}  // namespace fauna::inline v0
