// What config.json says of mixtures of experts, alike in the families that have them.
#pragma once
#include <fauna/models/moe_decoder.hpp>
#include <tools/src/dense.hpp>

namespace tool {

/// Experts, and those of a row.
template <class C> void read_experts(Config& c, C& m) {
  // transformers writes either, by its version; the hub's files have the first.
  m.experts = c.whole(c.has("num_local_experts") && !c.has("num_experts") ? "num_local_experts" : "num_experts");
  m.chosen = c.whole("num_experts_per_tok");
  if (m.chosen > m.experts) c.wrong("num_experts_per_tok", "at most num_experts, " + std::to_string(m.experts));
}
/// Experts, those of a row, their size; which layers have an MLP without experts; the balance loss.
template <class C> void read_mixture(Config& c, C& m) {
  read_experts(c, m);
  m.expert_hidden = c.whole("moe_intermediate_size");
  m.renormalised = c.flag("norm_topk_prob", false);
  if (Config::Json const* aux = c.find("router_aux_loss_coef")) m.balance = aux->get<float>();
  c.only("decoder_sparse_step", 1);
  if (Config::Json const* dense = c.find("mlp_only_layers")) {
    m.dense = static_cast<int>(dense->size());
    for (int i = 0; i < m.dense; ++i)
      if (!dense->is_array() || (*dense)[static_cast<std::size_t>(i)] != i || m.dense >= m.layers)
        c.wrong("mlp_only_layers", "the first layers, in order, and not all of them");
  }
  c.without_effect({"output_router_logits"});  // of training with the reference library
}
template <class C> void mixture_json(C const& m, Config::Json& j) {
  j["num_experts"] = m.experts;
  j["num_experts_per_tok"] = m.chosen;
  j["moe_intermediate_size"] = m.expert_hidden;
  j["norm_topk_prob"] = m.renormalised;
  j["router_aux_loss_coef"] = shortest(m.balance);
  j["decoder_sparse_step"] = 1;
  j["mlp_only_layers"] = Config::Json::array();
  for (int i = 0; i < m.dense; ++i) j["mlp_only_layers"].push_back(i);
}

/// The same under DeepSeek's names: groups of experts, shared ones, dense layers first.
template <class C> void read_grouped_mixture(Config& c, C& m) {
  m.experts = c.whole("n_routed_experts");
  m.chosen = c.whole("num_experts_per_tok");
  for (auto [field, to] : {std::pair{"n_group", &m.groups}, {"topk_group", &m.kept_groups}})
    *to = c.has(field) ? c.whole(field) : 1;
  if (m.experts % m.groups != 0)
    c.wrong("n_group", "a number that divides the " + std::to_string(m.experts) + " experts");
  if (m.kept_groups > m.groups) c.wrong("topk_group", "at most n_group, " + std::to_string(m.groups));
  if (const int there = m.experts / m.groups * m.kept_groups; m.chosen > there)
    c.wrong("num_experts_per_tok", "at most the " + std::to_string(there) + " experts of topk_group groups");
  m.expert_hidden = c.whole("moe_intermediate_size");
  m.shared_hidden = c.whole("n_shared_experts") * m.expert_hidden;
  if (Config::Json const* dense = c.find("first_k_dense_replace"); dense == nullptr || *dense != 0)
    m.dense = c.whole("first_k_dense_replace");
  if (m.dense >= m.layers) c.wrong("first_k_dense_replace", "fewer than all layers");
  m.renormalised = c.flag("norm_topk_prob", m.renormalised);
  m.weight_scale = static_cast<float>(c.positive("routed_scaling_factor", 1));
  if (Config::Json const* aux = c.find("router_aux_loss_coef")) m.balance = aux->get<float>();
  c.without_effect({"output_router_logits", "num_nextn_predict_layers", "num_mtp_layers"});
}
template <class C> void grouped_mixture_json(C const& m, Config::Json& j) {
  if (m.shared_hidden % m.expert_hidden != 0)
    fauna::fail("fauna", fauna::to_text(m), "a whole number of shared experts",
                "the reference library counts them in experts of expert_hidden columns");
  j["n_routed_experts"] = m.experts;
  j["num_experts_per_tok"] = m.chosen;
  j["n_group"] = m.groups;
  j["topk_group"] = m.kept_groups;
  j["moe_intermediate_size"] = m.expert_hidden;
  j["n_shared_experts"] = m.shared_hidden / m.expert_hidden;
  j["first_k_dense_replace"] = m.dense;
  j["norm_topk_prob"] = m.renormalised;
  j["routed_scaling_factor"] = shortest(m.weight_scale);
  j["router_aux_loss_coef"] = shortest(m.balance);
}

}  // namespace tool
