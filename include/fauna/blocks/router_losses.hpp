// What a router is trained with beside the model's loss, and what shows how even its load is.
// Of R rows, n_e of the R K choices fell on expert e; q_r = p_r / Σ_f p_rf:
//   balance  E Σ_e f_e P_e,  f_e = n_e / (R K),  P_e = mean over r of q_re
//            1 where all is even, whatever K (Fedus et al. 2021, equation 4); for each sequence alone, and then the
//            mean of those (DeepSeek-AI 2024, "DeepSeek-V3 technical report", equations 17 to 20)
//   z        mean of (log Σ_e exp l_e)² (Zoph et al. 2022, equation 5)
// f has no derivative, so q_re gets E f_e / R. Of the load:
//   max_violation  max n / mean n - 1 (Wang et al. 2024, section 4.1): 0 where it is even
//   load_entropy   -Σ f_e log f_e in nats: log E where it is even
//   dead           experts that no row chose
//   dropped        the part of all choices for which there was no place
#pragma once
#include <cmath>
#include <type_traits>

#include <fauna/blocks/ranks.hpp>
#include <fauna/core/call.hpp>
#include <fauna/ops/add/op.hpp>
#include <fauna/ops/router/op.hpp>

namespace fauna::inline v0 {

/// Over which rows the balance loss has its means.
enum class loss_scope : int { batch, sequence };

/// Which rows and choices of a batch the balance loss counts.
struct Balance {
  loss_scope scope = loss_scope::batch;
  bool targets_alone = false;  ///< rows whose target counts in the model's loss: no prompts, no padding
  int choices = 0;             ///< so many first choices of a row; 0: all
  constexpr bool operator==(Balance const&) const = default;
};

/// The losses of a router of E experts, from the probabilities p [R,E] or logits l [R,E] and what was chosen, ids
/// [R,K]. Of what is chosen the host counts how often, with the rest the backend works. Where ranks have some rows each
/// of a batch, f and the numbers of rows are those of all of them, and a rank adds its rows' part, R / R_own times: the
/// mean over ranks, weighed by their rows as their losses are, is the loss of the batch.
template <int E> struct RouterLosses {
  /// Adds the balance loss to *value.
  template <class B, class S>
  static void balance(B const& on, Batch const& b, Balance const& how, Choice const& choice,
                      Matrix<const std::type_identity_t<S>> p, Matrix<const int> ids, S* value,
                      Group<S> const* ranks = nullptr) {
    each_run(on, b, how, ids, ranks, p.rows(), [&](int from, int n, const double* shares) {
      router<B>::balance(on, p.middle_rows(from, n), choice, shares, value);
    });
  }
  /// dp [R,E] = weight times the gradient of the balance loss.
  template <class B, class S>
  static void balance_gradient(B const& on, Batch const& b, Balance const& how, Choice const& choice, double weight,
                               Matrix<const std::type_identity_t<S>> p, Matrix<const int> ids, Matrix<S> dp,
                               Group<S> const* ranks = nullptr) {
    add<B>::clear(on, dp);
    if (weight == 0) return;
    each_run(on, b, how, ids, ranks, p.rows(), [&](int from, int n, const double* shares) {
      router<B>::balance_gradient(on, p.middle_rows(from, n), choice, shares, weight, dp.middle_rows(from, n));
    });
  }

  /// Tells the call how even the load is: n [E] choices, of which `kept` found a place.
  template <class C> static void show(C const& c, const int* n, int kept) {
    using S = typename C::scalar;
    int all = 0, most = 0, dead = 0;
    for (int e = 0; e < E; ++e) {
      all += n[e];
      most = n[e] > most ? n[e] : most;
      dead += n[e] == 0;
    }
    if (all == 0) return;
    double entropy = 0;
    for (int e = 0; e < E; ++e) {
      const double f = static_cast<double>(n[e]) / all;
      entropy -= f > 0 ? f * std::log(f) : 0;
    }
    const auto set = [&](const char* name, double value) {
      if (S* const to = c.shown(name)) router<typename C::backend_type>::store(c.backend, static_cast<S>(value), to);
    };
    set("max_violation", static_cast<double>(E) * most / all - 1);
    set("load_entropy", entropy);
    set("dead", dead);
    set("dropped", static_cast<double>(all - kept) / all);
  }

 private:
  static bool counted(Batch const& b, Balance const& how, int row) {
    return !how.targets_alone || b.targets == nullptr || b.targets[row] != ignore_target;
  }
  static int counted(Batch const& b, Balance const& how, int from, int to) {
    int n = 0;
    for (int r = from; r < to; ++r) n += counted(b, how, r);
    return n;
  }
  /// f(first row, last + 1, counted rows, groups with any) for each group of rows that has means of its own.
  template <class F> static void each_group(Batch const& b, Balance const& how, int rows, F&& f) {
    if (how.scope == loss_scope::batch) {
      if (const int n = counted(b, how, 0, rows); n > 0) f(0, rows, n, 1);
      return;
    }
    int groups = 0;
    for (int q = 0; q < b.sequences; ++q) groups += counted(b, how, b.first(q), b.last(q)) > 0;
    for (int q = 0; q < b.sequences; ++q)
      if (const int n = counted(b, how, b.first(q), b.last(q)); n > 0) f(b.first(q), b.last(q), n, groups);
  }
  /// n [E]: how many choices of rows [from, to) fell on each expert; returns how many a row has.
  static int count(Batch const& b, Balance const& how, Matrix<const int> ids, int from, int to, int* n) {
    const int choices = how.choices > 0 && how.choices < ids.cols() ? how.choices : ids.cols();
    for (int e = 0; e < E; ++e) n[e] = 0;
    for (int r = from; r < to; ++r)
      for (int j = 0; counted(b, how, r) && j < choices; ++j) ++n[ids(r, j)];
    return choices;
  }
  /// What ranks count together.
  struct Sums {
    int chosen[E]{};  ///< where the batch has one mean
    int counted = 0, groups = 0, rows = 0;
  };
  template <class S>
  static Sums of_all(Group<S> const& ranks, Batch const& b, Balance const& how, Matrix<const int> ids, int rows) {
    Sums own, all;
    each_group(b, how, rows, [&](int from, int to, int of, int groups) {
      own.groups = groups;
      if (how.scope == loss_scope::sequence) return;
      own.counted = of;
      (void)count(b, how, ids, from, to, own.chosen);
    });
    own.rows = rows;
    for (Sums const& s : from_all(ranks, own)) {
      for (int e = 0; e < E; ++e) all.chosen[e] += s.chosen[e];
      all.counted += s.counted;
      all.groups += s.groups;
      all.rows += s.rows;
    }
    return all;
  }
  /// f(first row, rows, shares [E]: E f_e / rows) for each run of counted rows that have a mean together.
  template <class B, class S, class F>
  static void each_run(B const& on, Batch const& b, Balance const& how, Matrix<const int> chosen, Group<S> const* ranks,
                       int rows, F&& f) {
    router<B>::on_host(on, chosen, [&](Matrix<const int> ids) {
      const Sums all = ranks != nullptr ? of_all(*ranks, b, how, ids, rows) : Sums{};
      each_group(b, how, rows, [&](int from, int to, int of, int groups) {
        int n[E];
        double shares[E], part = 1;
        const int choices = count(b, how, ids, from, to, n);
        if (ranks != nullptr) {
          part = static_cast<double>(rows) / all.rows;
          if (how.scope == loss_scope::sequence) {
            groups = all.groups;
          } else {
            of = all.counted;
            for (int e = 0; e < E; ++e) n[e] = all.chosen[e];
          }
        }
        for (int e = 0; e < E; ++e) shares[e] = static_cast<double>(E) * n[e] / (part * groups * of * of * choices);
        for (int r = from, last; r < to; r = last) {
          for (last = r; last < to && counted(b, how, last) == counted(b, how, r);) ++last;
          if (counted(b, how, r)) f(r, last - r, shares);
        }
      });
    });
  }
};

}  // namespace fauna::inline v0
