// One update of a model whose gradients are in shards (shards.hpp): the norm of all, and Muon's steps.
#pragma once
#include <cmath>
#include <vector>

#include <fauna/backend/cpu.hpp>
#include <fauna/dist/collectives.hpp>
#include <fauna/dist/shards.hpp>

namespace fauna::inline v0 {

inline constexpr std::size_t shard_block = 4096;  ///< elements: cuts of tensors, and sums of squares

/// The shard in which a tensor lies.
inline Shard const& shard_of(std::vector<Shard> const& shards, Parameter const& p) {
  std::size_t i = 0;
  while (i + 1 < shards.size() && shards[i + 1].cut.from <= p.place) ++i;
  return shards[i];
}
/// The place nearest to `at` that is a tensor's, or its end.
inline std::size_t within_tensor(Parameter const& p, std::size_t at) {
  return at < p.place ? p.place : at < p.place + p.size() ? at : p.place + p.size();
}

namespace shard_detail {

template <class S> double sum_of_squares(const S* g, std::size_t n) {
  double s[4] = {};
  std::size_t i = 0;
  const auto square = [](S x) { return static_cast<double>(x) * static_cast<double>(x); };
  for (; i + 4 <= n; i += 4)
    for (std::size_t k = 0; k < 4; ++k) s[k] += square(g[i + k]);
  for (; i < n; ++i) s[0] += square(g[i]);
  return (s[0] + s[1]) + (s[2] + s[3]);
}

}  // namespace shard_detail

/// Of each tensor's gradient that trains, the sum of squares, of which each rank adds up its parts; the same bits on
/// every rank and for every number of ranks.
template <class T, Communicator C>
std::vector<double> sums_of_squares(T& model, C& c, std::vector<Shard> const& shards) {
  struct Part {
    std::size_t parameter, from, to;
  };
  std::vector<Part> parts;  // cut at blocks; ascending
  for (const std::size_t i : by_place(model)) {
    Parameter const& p = model.parameters()[i];
    const std::size_t end = p.place + p.size();
    for (std::size_t at = p.place, to = 0; at < end && p.trainable && p.is == role::parameter; at = to) {
      to = at / shard_block * shard_block + shard_block;
      if (to > end) to = end;
      parts.push_back({i, at, to});
    }
  }
  std::vector<double> squares(parts.size()), sums(model.parameters().size());
  model.reduce([&](auto* g, std::size_t) {
    for (Shard const& s : shards) {
      const auto first = [&](int r) {
        std::size_t i = 0;
        while (i < parts.size() && parts[i].from < s.cut.at(r)) ++i;
        return i;
      };
      const std::size_t from = first(c.rank()), to = first(c.rank() + 1);
      parallel_for(model.threads(), static_cast<int>(to - from), 8, [&](int begin, int end) {
        for (std::size_t i = from + static_cast<std::size_t>(begin); i < from + static_cast<std::size_t>(end); ++i)
          squares[i] = shard_detail::sum_of_squares(g + parts[i].from, parts[i].to - parts[i].from);
      });
      if (s.trains) all_gather(c, squares.data(), first);
    }
  });
  for (std::size_t i = 0; i < parts.size(); ++i) sums[parts[i].parameter] += squares[i];
  return sums;
}

/// The same of gradients that are all here.
template <class T> std::vector<double> sums_of_squares(T const& model) {
  std::vector<double> sums(model.parameters().size());
  for (std::size_t i = 0; i < sums.size(); ++i) {
    Parameter const& p = model.parameters()[i];
    if (!p.trainable || p.is != role::parameter) continue;
    const auto* g = model.gradient(p).data();
    for (std::size_t k = 0; k < p.size(); ++k) sums[i] += static_cast<double>(g[k]) * static_cast<double>(g[k]);
  }
  return sums;
}

// Replicas of a model that ranks have in parts may share each part, as ZeRO says: R is DataParallel, or
// one rank.

template <class R>
inline constexpr int zero_stage = [] {
  if constexpr (requires { R::stage; }) return R::stage;
  else return 0;
}();
/// Each tensor's sum of squares over its replicas' parts.
template <class R, class T> std::vector<double> squares_by(R& replicas, T& model) {
  if constexpr (zero_stage < R >> 0) return replicas.squares(model);
  else return sums_of_squares(model);
}
/// Which elements of a tensor's gradient are here once replicas have added theirs: all of them, or this rank's.
template <class R> ElementRange kept_by(R const& replicas, Parameter const& p) {
  if constexpr (zero_stage<R> == 0) {
    return {0, p.size()};
  } else {
    Cut const& cut = shard_of(replicas.shards(), p).cut;
    const int me = replicas.ranks().rank();
    return {within_tensor(p, cut.at(me)) - p.place, within_tensor(p, cut.at(me + 1)) - p.place};
  }
}
/// A step with a norm of all parts of the model.
template <class R, class T>
UpdateReport update_by(R& replicas, T& model, AdamWOptions const& o, UpdateReport const& seen) {
  if constexpr (zero_stage < R >> 0) return replicas.update(model, o, seen);
  else return model.update(o, seen);
}

/// The norm of all gradients, and what is wrong with them, of each tensor's sum of squares.
template <class T> UpdateReport norm_of_sums(T const& model, std::vector<double> const& sums) {
  UpdateReport r;
  double total = 0;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    Parameter const& p = model.parameters()[i];
    if (!p.trainable || p.is != role::parameter) continue;
    total += sums[i];
    if (sums[i] == 0 && r.without_gradient < 0) r.without_gradient = static_cast<int>(i);
    if (!std::isfinite(sums[i]) && r.not_finite < 0) r.not_finite = static_cast<int>(i);
  }
  r.gradient_norm = std::sqrt(total);
  return r;
}

/// Muon's steps (ops/muon), which need whole matrices: each on one rank, in turn. Values, momentum and gradient go
/// there from the keepers of their parts, and values and momentum come back.
template <class T, Communicator C>
void step_matrices(T& model, C& c, std::vector<Shard> const& shards, AdamWOptions const& o, UpdateReport const& seen) {
  using S = typename T::scalar;
  enum field : int { value, momentum, gradient };
  const int n = c.size(), me = c.rank();
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
        Shard const& s = shard_of(shards, p);
        const auto from = [&](int r) { return within_tensor(p, s.cut.at(r)) - p.place; };
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
      parcels.exchange(c);
    };
    for (const field what : {value, momentum, gradient}) move(what, false);
    if (number(me) < matrices.size())
      model.step_matrix(matrices[number(me)], whole[value].data(), whole[gradient].data(), whole[momentum].data(), o,
                        seen);
    for (const field what : {value, momentum}) move(what, true);
  }
}

}  // namespace fauna::inline v0
