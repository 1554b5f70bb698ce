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

#include <fauna/core/call.hpp>

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
/// [R,K].
template <int E> struct RouterLosses {
  /// The balance loss. `one` says that rows of p sum to 1 as they are.
  template <class S>
  static S balance(Batch const& b, Balance const& how, Matrix<const S> p, bool one, Matrix<const int> ids) {
    S sum{};
    each_group(b, how, p.rows(), [&](int from, int to, int rows, int groups) {
      int n[E];
      const int choices = count(b, how, ids, from, to, n);
      S mean[E]{};
      for (int r = from; r < to; ++r) {
        if (!counted(b, how, r)) continue;
        const S all = one ? S(1) : total(p.row(r));
        for (int e = 0; e < E; ++e) mean[e] += p(r, e) / all;
      }
      for (int e = 0; e < E; ++e)
        sum += static_cast<S>(static_cast<double>(E) * n[e] / (static_cast<double>(groups) * rows * rows * choices)) *
               mean[e];
    });
    return sum;
  }
  /// dp [R,E] = weight times the gradient of the balance loss.
  template <class S>
  static void balance_gradient(Batch const& b, Balance const& how, double weight, Matrix<const S> p, bool one,
                               Matrix<const int> ids, Matrix<S> dp) {
    for (int r = 0; r < dp.rows(); ++r)
      for (int e = 0; e < E; ++e) dp(r, e) = S(0);
    if (weight == 0) return;
    each_group(b, how, p.rows(), [&](int from, int to, int rows, int groups) {
      int n[E];
      const int choices = count(b, how, ids, from, to, n);
      for (int r = from; r < to; ++r) {
        if (!counted(b, how, r)) continue;
        for (int e = 0; e < E; ++e)
          dp(r, e) = static_cast<S>(weight * E * n[e] / (static_cast<double>(groups) * rows * rows * choices));
        if (one) continue;
        const S all = total(p.row(r));
        S dot{};
        for (int e = 0; e < E; ++e) dot += dp(r, e) * p(r, e) / all;
        for (int e = 0; e < E; ++e) dp(r, e) = (dp(r, e) - dot) / all;
      }
    });
  }

  template <class S> static S z(Matrix<const S> l) {
    S sum{};
    for (int r = 0; r < l.rows(); ++r) {
      const S z = log_sum_exp(l.row(r));
      sum += z * z;
    }
    return static_cast<S>(1.0 / l.rows()) * sum;
  }
  /// dl [R,E] += weight times the gradient of the z loss.
  template <class S> static void z_gradient(double weight, Matrix<const S> l, Matrix<S> dl) {
    using std::exp;
    if (weight == 0) return;
    for (int r = 0; r < l.rows(); ++r) {
      const S z = log_sum_exp(l.row(r)), factor = static_cast<S>(2 * weight / l.rows()) * z;
      for (int e = 0; e < E; ++e) dl(r, e) += factor * exp(l(r, e) - z);
    }
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
      if (S* const to = c.shown(name)) *to = static_cast<S>(value);
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
  template <class S> static S total(const S* p) {
    S sum = p[0];
    for (int e = 1; e < E; ++e) sum += p[e];
    return sum;
  }
  template <class S> static S log_sum_exp(const S* l) {
    using std::exp, std::log;
    S most = l[0], sum(0);
    for (int e = 1; e < E; ++e) most = l[e] > most ? l[e] : most;
    for (int e = 0; e < E; ++e) sum += exp(l[e] - most);
    return most + log(sum);
  }
};

}  // namespace fauna::inline v0
