// Which layout for which machine: every mesh of data, sharded, tensor, pipeline, context and expert parallel ranks that
// is legal for a decoder, with the memory of its fullest rank, what it sends, and a modelled step time. Nothing runs.
//   memory of states      16 bytes a parameter (f32 weights, gradients and two moments) over all that shards them
//                         (Rajbhandari et al. 2020, section 3.1), and two gathered layers in bf16
//   of activations        T (8 h + 4 H d + 4 K d + 6 f + 4 H) bytes a layer for T tokens of a microbatch, 16-bit, with
//                         fused attention; with full recomputation 2 T h (Korthikanti et al. 2022, section 4)
//   operations            6 (N - N_table) + 6 L H (d_k + d_v) S a token of a sequence of S, as torchtitan counts: no
//                         half for causality, none for recomputation
//   idle of a pipeline    1F1B (p-1)/(m+p-1); interleaved v times less (Narayanan et al. 2021, section 2.2); with
//                         backward passes in halves a third of that over what is busy (Qi et al. 2023, section 3)
// The time is a model with numbers of its own (PlannedMachine); it ranks layouts and predicts no clock.
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include <fauna/core/error.hpp>

namespace fauna::inline v0 {

/// What a plan has to know of a decoder.
struct PlannedModel {
  int layers = 32, dense_layers = 0;                      ///< of a mixture so many first ones have no experts
  long width = 4096, heads = 32, kv_heads = 32;           ///< h, H, K
  long key_size = 128, value_size = 128, hidden = 11008;  ///< d_k, d_v, f
  long vocab = 32000;
  bool tied = false;
  double attention = 0, mlp = 0;              ///< parameters of a layer's attention with its norms; of an MLP
  int experts = 0, chosen = 0;                ///< of a layer; of a token
  long expert_hidden = 0, shared_hidden = 0;  ///< columns inside an expert; of the one for all tokens
  double expert = 0, shared = 0;              ///< parameters of an expert; of what all tokens meet

  constexpr bool sparse(int layer) const { return experts > 0 && layer >= dense_layers; }
  constexpr int sparse_layers() const { return experts > 0 ? layers - dense_layers : 0; }
  constexpr double table() const { return static_cast<double>(vocab * width); }
  /// Of layer parameters those that only experts have; and the others.
  constexpr double expert_parameters() const { return sparse_layers() * (experts * expert); }
  constexpr double dense_parameters() const {
    return layers * attention + (layers - sparse_layers()) * mlp + sparse_layers() * shared +
           static_cast<double>(width);
  }
  constexpr double parameters() const { return (tied ? 1 : 2) * table() + dense_parameters() + expert_parameters(); }
  /// Those that a token meets.
  constexpr double active() const { return parameters() - expert_parameters() + sparse_layers() * (chosen * expert); }
  /// Training, forward and backward, in a sequence of `length` tokens.
  constexpr double flops_per_token(long length) const {
    return 6 * (active() - (tied ? 0 : table())) +
           6.0 * layers * static_cast<double>(heads * (key_size + value_size) * length);
  }
  /// Bytes that a layer keeps of a token for backward, in 16 bits.
  constexpr double saved_bytes(int layer) const {
    const long inner = sparse(layer) ? chosen * expert_hidden + shared_hidden : hidden;
    return static_cast<double>(8 * width + 4 * heads * value_size + 2 * kv_heads * (key_size + value_size) + 6 * inner +
                               4 * heads);
  }
};

/// The machine; defaults are those of H100s with NVLink and 400 Gbit/s each.
struct PlannedMachine {
  int ranks = 8, node = 8;   ///< in all; of a node
  double memory = 80e9;      ///< bytes of a rank that may be used
  double peak = 989e12;      ///< FLOP/s of a rank
  double inside = 300e9;     ///< bytes/s that a rank sends within its node
  double across = 40e9;      ///< and to other nodes
  double latency = 2e-5;     ///< seconds before the first byte of a message arrives
  double efficiency = 0.45;  ///< of the peak that a rank reaches, with all that is no product
  double overlap = 0.8;      ///< of the time of products, in which what can be sent meanwhile is sent
};

enum class recompute : int { none, selective, full };

/// Ranks by dimension: copies, shards of each, tensor, pipeline, context; of the shards' and the context's ranks
/// `experts` share the experts.
struct PlannedMesh {
  int copies = 1, shards = 1, tensor = 1, stages = 1, context = 1, experts = 1;
  int rounds = 1;  ///< of stages a rank has: interleaved where there are several
  constexpr int ranks() const { return copies * shards * tensor * stages * context; }
  bool operator==(PlannedMesh const&) const = default;
};

struct PlannedRun {
  long length = 8192;  ///< tokens of a sequence
  long batch = 0;      ///< sequences of an update; 0: one for each rank
  int microbatch = 1;  ///< sequences that a rank takes at once
  recompute kept = recompute::full;
  bool zero_bubble = false;  ///< pipelines have backward passes in halves, as zb1p of pipeline_schedule.hpp
};

/// What a layout costs a step and its fullest rank.
struct MeshPlan {
  PlannedMesh mesh{};
  recompute kept = recompute::full;
  double state_bytes = 0, gathered_bytes = 0, activation_bytes = 0, logit_bytes = 0;
  double sent_tensor = 0, sent_shards = 0, sent_stages = 0, sent_context = 0,
         sent_experts = 0;                             ///< bytes a rank and step
  double bubble = 0;                                   ///< part of the step in which a rank of a pipeline waits
  double seconds = 0, tokens_per_second = 0, mfu = 0;  ///< of a step; of a rank; of useful operations over the peak
  constexpr double bytes() const { return state_bytes + gathered_bytes + activation_bytes + logit_bytes; }
};

/// Why a mesh cannot be; empty: it can.
inline std::string illegal(PlannedMesh const& m, PlannedModel const& of, PlannedRun const& run, int ranks) {
  const auto number = [](long n) { return std::to_string(n); };
  const auto divides = [](long a, long b) { return a > 0 && b % a == 0; };
  if (m.ranks() != ranks) return "its product is " + number(m.ranks()) + ", not " + number(ranks);
  if (!divides(m.tensor, of.heads)) return number(of.heads) + " heads over " + number(m.tensor) + " tensor ranks";
  if (!divides(m.tensor, of.kv_heads) && !divides(of.kv_heads, m.tensor))
    return number(of.kv_heads) + " key heads over " + number(m.tensor) + " tensor ranks";
  for (const long inner : {of.hidden, of.experts > 0 ? of.expert_hidden : 0})
    if (inner % m.tensor != 0) return number(inner) + " columns of an MLP over " + number(m.tensor) + " tensor ranks";
  if (m.stages * m.rounds > of.layers)
    return number(of.layers) + " layers in " + number(m.stages * m.rounds) + " stages";
  if (!divides(static_cast<long>(m.tensor) * 2 * m.context, run.length) && m.context * m.tensor > 1)
    return "sequences of " + number(run.length) + " tokens in " + number(2 * m.context) + " chunks over " +
           number(m.tensor) + " tensor ranks";
  if (!divides(static_cast<long>(m.copies) * m.shards * run.microbatch, run.batch))
    return number(run.batch) + " sequences over " + number(m.copies * m.shards) + " data ranks, " +
           number(run.microbatch) + " at once";
  const long microbatches = run.batch / (static_cast<long>(m.copies) * m.shards * run.microbatch);
  if (m.rounds > 1 && (m.stages < 2 || microbatches % m.stages != 0))
    return number(microbatches) + " microbatches in rounds of " + number(m.stages) + " stages";
  if (m.experts > 1 && (of.experts == 0 || !divides(m.experts, of.experts) ||
                        !divides(m.experts, static_cast<long>(m.shards) * m.context)))
    return number(of.experts) + " experts over " + number(m.experts) + " of " + number(m.shards * m.context) +
           " ranks with shards and context";
  return {};
}

/// The costs of a legal mesh.
inline MeshPlan plan_mesh(PlannedMesh const& m, PlannedModel const& of, PlannedRun const& run,
                          PlannedMachine const& on) {
  MeshPlan out{.mesh = m, .kept = run.kept};
  const auto real = [](auto x) { return static_cast<double>(x); };
  const auto share = [](int n) { return n > 1 ? 1 - 1.0 / n : 0; };  // of a tensor, what a collective sends
  const double t = m.tensor, p = m.stages, c = m.context, shards = real(m.shards) * c, e = m.experts;
  const double tokens = real(run.microbatch) * real(run.length) / c;  // of a microbatch on a rank
  const double batches = real(run.batch) / (real(m.copies) * m.shards * run.microbatch);
  const int layers = (of.layers + m.stages - 1) / m.stages;
  const double part = real(layers) / of.layers;  // of all layers, on the fullest rank
  const int sparse = of.sparse_layers() > 0 ? layers : 0;

  // Parameters of the fullest rank: the first stage has the table, the last the head.
  const double ends = (of.tied || m.stages > 1 ? 1 : 2) * of.table();
  const double dense = (part * of.dense_parameters() + ends) / t, routed = part * of.expert_parameters() / (t * e);
  out.state_bytes = 16 * (dense / shards + routed / (shards / e));
  const double unit = of.dense_parameters() / of.layers / t + (sparse > 0 ? of.experts * of.expert / (t * e) : 0);
  if (shards > 1) out.gathered_bytes = m.stages > 1 ? 2 * (dense + routed) : 2 * 2 * unit;  // see `repeats`

  const double flight = m.stages == 1                      ? 1
                        : m.rounds > 1 && !run.zero_bubble ? p * (1 + (p - 1) / (p * m.rounds))
                                                           : (batches < p ? batches : p);
  const double saved = of.saved_bytes(of.layers - 1), input = 2 * real(of.width);
  const double each = run.kept == recompute::none        ? saved
                      : run.kept == recompute::selective ? input + (saved - input) / 2
                                                         : input;
  out.activation_bytes = tokens / t * (layers * each * flight + (run.kept == recompute::none ? 0 : saved));
  out.logit_bytes = tokens * real(of.vocab) / t * 10;

  // What a rank sends in a step.
  const double row = real(of.width) * 2;  // bytes of a token between layers
  out.sent_tensor = batches * layers * 8 * share(m.tensor) * tokens * row;
  // Weights before forward and before backward, gradients once; a pipeline keeps its weights over microbatches.
  const double gathers = m.stages > 1 ? 1 : 2, repeats = m.stages > 1 ? 1 : batches;
  const double mine = dense * share(static_cast<int>(shards)) + routed * share(static_cast<int>(shards / e));
  out.sent_shards = mine * (2 * gathers + 4) * repeats;
  out.sent_shards += 2 * share(m.copies) * (dense / shards + routed / (shards / e)) * 4;
  out.sent_stages = m.stages > 1 ? batches * m.rounds * 2 * tokens * row / t : 0;
  const double keys = real(of.kv_heads * (of.key_size + of.value_size));
  out.sent_context =
      batches * layers * share(m.context) * real(run.microbatch) * real(run.length) * keys / t * (2 + 2 + 4);
  out.sent_experts = batches * sparse * 4 * share(m.experts) * tokens * of.chosen * row / t;

  const double work = of.flops_per_token(run.length) * real(run.batch) * real(run.length) / m.ranks();
  const double again = run.kept == recompute::full ? 4.0 / 3 : run.kept == recompute::selective ? 7.0 / 6 : 1;
  const double products = work * again / (on.peak * on.efficiency);
  // Tensor ranks stand next to each other; what is outside a node goes over the network.
  const auto wire = [&](int inner, int group) { return inner * group <= on.node ? on.inside : on.across; };
  const double waits = out.sent_tensor / wire(1, m.tensor) + out.sent_experts / wire(m.tensor, m.context * m.experts) +
                       out.sent_stages / on.across;
  const double per_layer = (m.tensor > 1 ? 8 : 0) + (sparse > 0 && m.experts > 1 ? 4 : 0) + 3 * (c - 1);
  const double messages = batches * (layers * per_layer + (m.stages > 1 ? 2 * m.rounds : 0));
  const double behind =
      out.sent_shards / wire(m.tensor * m.context, m.shards * m.copies) + out.sent_context / wire(m.tensor, m.context);
  const double hidden = on.overlap * products;
  const double busy = products + waits + messages * on.latency + (behind > hidden ? behind - hidden : 0);
  const double idle = (p - 1) / (batches * m.rounds) / (run.zero_bubble ? 3 : 1);  // over what is busy
  out.bubble = idle / (1 + idle);
  out.seconds = busy * (1 + idle);
  out.tokens_per_second = real(run.batch) * real(run.length) / out.seconds / m.ranks();
  out.mfu = work / out.seconds / on.peak;
  return out;
}

/// All legal meshes that fit into the memory, the fastest first, each with the least recomputation that fits. Where
/// none fits, the one that needs least memory alone.
inline std::vector<MeshPlan> plan_meshes(PlannedModel const& of, PlannedRun run, PlannedMachine const& on) {
  if (on.ranks < 1 || run.length < 1 || run.microbatch < 1 || run.batch < 0)
    fail("plan", std::to_string(on.ranks) + " ranks, sequences of " + std::to_string(run.length), "1 or more of each");
  if (run.batch == 0) run.batch = static_cast<long>(on.ranks) * run.microbatch;
  const auto faster = [](MeshPlan const& a, MeshPlan const& b) {
    return a.seconds != b.seconds ? a.seconds < b.seconds : a.bytes() < b.bytes();
  };
  std::vector<MeshPlan> fit;
  MeshPlan least;
  bool any = false;
  const auto consider = [&](PlannedMesh const& m) {
    if (!illegal(m, of, run, on.ranks).empty()) return;
    for (const recompute kept : {recompute::none, recompute::selective, recompute::full}) {
      PlannedRun how = run;
      how.kept = kept;
      const MeshPlan plan = plan_mesh(m, of, how, on);
      if (!any || plan.bytes() < least.bytes()) least = plan;
      any = true;
      if (plan.bytes() > on.memory) continue;
      fit.push_back(plan);
      for (std::size_t i = fit.size() - 1; i > 0 && faster(fit[i], fit[i - 1]); --i) std::swap(fit[i], fit[i - 1]);
      if (fit.size() > 64) fit.pop_back();
      return;
    }
  };
  const auto each_divisor = [](int n, int most, auto&& f) {
    for (int d = 1; d <= n && d <= most; ++d)
      if (n % d == 0) f(d);
  };
  each_divisor(on.ranks, on.node, [&](int tensor) {
    each_divisor(on.ranks / tensor, of.layers, [&](int stages) {
      each_divisor(on.ranks / tensor / stages, 64, [&](int context) {
        const int data = on.ranks / tensor / stages / context;
        each_divisor(data, data, [&](int shards) {
          each_divisor(of.experts > 0 ? shards * context : 1, of.experts > 0 ? of.experts : 1, [&](int experts) {
            for (const int rounds : {1, 2, 4})
              if (rounds == 1 || stages > 1)
                consider({data / shards, shards, tensor, stages, context, experts, rounds});
          });
        });
      });
    });
  });
  if (!any)
    fail("plan", "no mesh of " + std::to_string(on.ranks) + " ranks is legal",
         "a batch that data ranks divide, heads and layers that others do",
         illegal({.shards = on.ranks}, of, run, on.ranks));
  if (fit.empty()) fit.push_back(least);
  return fit;
}

}  // namespace fauna::inline v0
