// Sparse upcycling (Komatsuzaki et al. 2022, "Sparse upcycling: training mixture-of-experts from dense checkpoints",
// section 3): every expert of a layer starts as a copy of the dense model's MLP, and the router at random. Where the
// weights of the chosen sum to 1, the mixture is the dense model until it is trained, whatever the router says:
//   Σ_j w_j f(x) = f(x)
#pragma once
#include <fauna/core/label.hpp>
#include <fauna/core/rng.hpp>
#include <fauna/io/tensor_file.hpp>

namespace fauna::inline v0 {

/// What files call a layer's MLP and its matrices, the dense ones and an expert's.
struct UpcycleNames {
  const char *mlp, *moe;  ///< "mlp", "block_sparse_moe"
  struct {
    const char *dense, *expert;
  } matrices[3];  ///< {"gate_proj", "w1"}, ...
};

/// The tensors of a mixture. Their data are those of the dense file, which must live as long, and the routers here.
struct Upcycled {
  std::vector<SafeTensor> tensors{};
  std::vector<std::vector<float>> routers{};  ///< [experts, width] each, normal with deviation 0.02
  int layers = 0;
};

/// Throws where an MLP has tensors that an expert does not, or there is none at all.
inline Upcycled upcycled(TensorFile const& dense, UpcycleNames const& names, int experts, std::uint64_t seed = 1) {
  Upcycled all;
  all.routers.reserve(dense.tensors().size());  // data point into them
  const std::string mlp = '.' + std::string(names.mlp) + '.', moe = '.' + std::string(names.moe) + '.';
  for (SafeTensor const& t : dense.tensors()) {
    const std::size_t at = t.name.find(mlp);
    if (at == std::string::npos) {
      all.tensors.push_back(t);
      continue;
    }
    const std::string layer = t.name.substr(0, at), inside = t.name.substr(at + mlp.size());
    const char* expert = nullptr;
    for (auto const& m : names.matrices)
      if (inside == std::string(m.dense) + ".weight") expert = m.expert;
    if (expert == nullptr || t.shape.size() != 2)
      fail("upcycle", dense.path() + " has " + t.name + ' ' + t.text(),
           std::string(names.matrices[0].dense) + ", " + names.matrices[1].dense + " and " + names.matrices[2].dense +
               " of two dimensions each, without biases");
    for (int e = 0; e < experts; ++e) {
      all.tensors.push_back(t);
      all.tensors.back().name = layer + moe + "experts." + std::to_string(e) + '.' + expert + ".weight";
    }
    if (expert != names.matrices[0].expert) continue;
    SafeTensor router;
    router.name = layer + moe + "gate.weight";
    router.dtype = "F32";
    router.shape = {static_cast<std::size_t>(experts), t.shape[1]};
    auto& values = all.routers.emplace_back(router.elements());
    const Key key{seed, text_hash(router.name)};
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.02F * key.normal(i);
    router.data = reinterpret_cast<const std::byte*>(values.data());
    router.bytes = values.size() * sizeof(float);
    all.tensors.push_back(router);
    ++all.layers;
  }
  if (all.layers == 0) fail("upcycle", dense.path() + " has no tensor named *" + mlp + '*', "a dense model's MLPs");
  return all;
}

}  // namespace fauna::inline v0
