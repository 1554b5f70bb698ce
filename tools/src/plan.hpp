// What a decoder costs on many ranks, layout by layout, from its config alone.
#pragma once
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <fauna/dist/planner.hpp>
#include <fauna/io/print.hpp>
#include <fauna/models/explain.hpp>
#include <fauna/train/curve.hpp>
#include <tools/src/family.hpp>
#include <tools/src/settings.hpp>

namespace tool {

/// The numbers of a config's line. Throws for models that are no decoders of attention.
inline fauna::PlannedModel planned(ModelConfig const& c) {
  std::istringstream words(c.line());
  std::string family, word;
  words >> family;
  std::map<std::string, std::string> all;
  while (words >> word) all[word.substr(0, word.find('='))] = word.substr(word.find('=') + 1);
  const auto has = [&](const char* key) { return all.count(key) > 0; };
  const auto number = [&](const char* key, long otherwise) { return has(key) ? std::stol(all.at(key)) : otherwise; };
  if (!has("heads") || !has("width") || has("mixers"))
    fauna::fail("plan", "a model of " + family, "a decoder whose layers all have attention");
  const bool plain = family == "gpt" || family == "gpt_neox" || family == "falcon" || !c.described().gated;
  fauna::PlannedModel m{.layers = static_cast<int>(number("layers", 0)),
                        .width = number("width", 0),
                        .heads = number("heads", 1),
                        .vocab = number("vocab", 0),
                        .tied = c.tied()};
  m.kv_heads = number("kv_heads", m.heads);
  m.key_size = m.value_size = number("head_size", m.width / m.heads);
  m.hidden = number("hidden", 4 * m.width);
  const auto real = [](long x) { return static_cast<double>(x); };
  const double h = real(m.width), norms = 2 * h;
  if (has("nope")) {  // latent attention: keys and values are made of a row of `rank`, for each head its own
    const long rank = number("rank", 0), query = number("query_rank", 0), nope = number("nope", 0),
               rope = number("rope", 0);
    m.kv_heads = m.heads;
    m.key_size = nope + rope;
    m.value_size = number("value", 0);
    const double queries = real(m.heads * m.key_size);
    m.attention = (query > 0 ? real(query) * (h + 1 + queries) : h * queries) + h * real(rank + rope) + real(rank) +
                  real(rank * m.heads * (nope + m.value_size)) + real(m.heads * m.value_size) * h + norms;
  } else {
    m.attention = 2 * h * real((m.heads + m.kv_heads) * m.key_size) + norms;
  }
  const double matrices = plain ? 2 : 3;
  m.mlp = matrices * h * real(m.hidden);
  if (has("experts") && number("experts", 0) > 0) {
    m.experts = static_cast<int>(number("experts", 0));
    m.chosen = static_cast<int>(number("chosen", 1));
    m.expert_hidden = number("expert_hidden", m.hidden);
    m.shared_hidden = number("shared_hidden", 0);
    const long every = number("moe_every", 1);
    m.dense_layers = static_cast<int>(number("dense", m.layers - m.layers / every));
    m.expert = matrices * h * real(m.expert_hidden);
    m.shared = matrices * h * real(m.shared_hidden) + h * m.experts;
  }
  return m;
}

inline void print_plans(std::string const& name, ModelConfig const& c, settings::Plan const& s) {
  const fauna::PlannedModel model = planned(c);
  const long own = c.context() < 8192 ? c.context() : 8192;
  const fauna::PlannedRun run{.length = s.seq > 0 ? s.seq : own,
                              .batch = s.batch > 0 ? s.batch : s.gpus * s.microbatch,
                              .microbatch = static_cast<int>(s.microbatch),
                              .zero_bubble = s.zero_bubble};
  const fauna::PlannedMachine on{.ranks = static_cast<int>(s.gpus),
                                 .node = static_cast<int>(s.node),
                                 .memory = s.memory * 1e9,
                                 .peak = s.peak * 1e12,
                                 .inside = s.inside * 1e9,
                                 .across = s.across * 1e9,
                                 .efficiency = s.efficiency};
  const auto plans = fauna::plan_meshes(model, run, on);
  const auto count = [](double x) { return fauna::grouped(static_cast<std::size_t>(x)); };
  std::string text = name + ": " + count(model.parameters()) + " parameters" +
                     (model.experts > 0 ? ", " + count(model.active()) + " of a token" : "") + ", " +
                     fauna::decimal(1e-9 * model.flops_per_token(run.length), 2) + " GFLOP a token; " +
                     std::to_string(run.batch) + " sequences of " + std::to_string(run.length) + " tokens a step, on " +
                     std::to_string(on.ranks) + " ranks of " + fauna::decimal(s.memory, 0) + " GB\n";
  if (plans.front().bytes() > on.memory) text += "NOTHING FITS; the layout that needs least memory:\n";
  text +=
      "  dp  shard    tp    pp  x v    cp    ep  recompute |    GiB: states gathered activations logits |     sent GB "
      "| idle % |   s/step tokens/s/rank MFU %\n";
  const char* const kept[] = {"none", "selective", "full"};
  const auto cell = [](std::string const& x, std::size_t width) { return fauna::explained::padded(x, width, true); };
  for (std::size_t i = 0; i < plans.size() && i < static_cast<std::size_t>(s.top); ++i) {
    fauna::MeshPlan const& p = plans[i];
    fauna::PlannedMesh const& m = p.mesh;
    const auto gib = [](double bytes) { return fauna::decimal(bytes / 1073741824, 1); };
    text += cell(std::to_string(m.copies), 4) + cell(std::to_string(m.shards), 7) + cell(std::to_string(m.tensor), 6) +
            cell(std::to_string(m.stages), 6) + cell(std::to_string(m.rounds), 5) + cell(std::to_string(m.context), 6) +
            cell(std::to_string(m.experts), 6) + cell(kept[static_cast<int>(p.kept)], 11) + " |" +
            cell(gib(p.bytes()), 6) + cell(gib(p.state_bytes), 8) + cell(gib(p.gathered_bytes), 9) +
            cell(gib(p.activation_bytes), 12) + cell(gib(p.logit_bytes), 7) + " |" +
            cell(fauna::decimal(
                     1e-9 * (p.sent_tensor + p.sent_shards + p.sent_stages + p.sent_context + p.sent_experts), 1),
                 12) +
            " |" + cell(fauna::decimal(100 * p.bubble, 1), 7) + " |" + cell(fauna::decimal(p.seconds, 2), 9) +
            cell(fauna::decimal(p.tokens_per_second, 0), 14) + cell(fauna::decimal(100 * p.mfu, 1), 6) + '\n';
  }
  fauna::print(stdout, text);
}

}  // namespace tool
