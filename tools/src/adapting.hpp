// What programs that train adapters have in common: the model beside its base, and how its adapters are written.
// model.hpp in the model's folder names the types Model, which is lora<Base, c> or of another kind, and Backend.
#pragma once
#include "model.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fauna/decode/adapter_parts.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/adapters.hpp>
#include <fauna/train/kept_values.hpp>
#include <fauna/train/pissa.hpp>
#include <fauna/train/trained.hpp>

/// How the weights of what trains are stored, where model.hpp says nothing else.
#ifndef FAUNA_TRAINED_AS
#define FAUNA_TRAINED_AS fauna::All<float>
#endif

namespace tool {

/// Is M lora<Base, c>? Else its adapters stay beside the weights.
template <class M> inline constexpr bool is_lora = requires { M::rewriting::config.rank; };

/// Throws unless every name that was asked for is one of a layer of M with an adapter.
template <class M> void require_targets() {
  const auto have = fauna::adapter_config_of<M>("").targets;
  std::string known;
  for (std::string const& t : have) known += (known.empty() ? "" : ", ") + t;
  const std::string_view on = M::rewriting::config.on.view();
  for (std::size_t at = 0; at < on.size();) {
    const std::size_t end = std::min(on.find('|', at), on.size());
    const std::string name(on.substr(at, end - at));
    if (std::find(have.begin(), have.end(), name) == have.end())
      fauna::fail("finetune", "--targets " + name, "layers of the model, as " + known + " are");
    at = end + 1;
  }
}

struct Adapting {
  using Trained = fauna::Trained<Model, Backend, FAUNA_TRAINED_AS>;

  std::string directory;  ///< of the base, or its GGUF file
  Trained model;
  std::size_t trained = 0, frozen = 0;  ///< parameters

  Adapting(std::uint64_t seed, int threads, double lora_plus, std::string const& base)
      : directory(base), model(fauna::seed{seed}, threads) {
    fauna::freeze_base(model);
    prepare(model, lora_plus);
    for (fauna::Parameter const& p : model.parameters()) (p.trainable ? trained : frozen) += p.size();
  }
  void start(fauna::TensorFile base, bool pissa) {
    base_ = std::move(base);
    fauna::load_base(model, base_);
    if (!pissa) return;
    start_with_principal(model, base_);
    initial_.emplace(model);
  }
  /// The adapter, as it is beside the base's own files.
  void save(std::string const& out) { save_of(model, out); }

 private:
  // Templates, so that only what the model's kind has is compiled.
  template <class T> static void prepare(T& model, double lora_plus) {
    if constexpr (is_lora<typename T::model>) {
      require_targets<typename T::model>();
      model.scale_rate("*.lora_B.weight", static_cast<float>(lora_plus));
    }
  }
  template <class T> static void start_with_principal(T& model, fauna::TensorFile const& from) {
    if constexpr (is_lora<typename T::model>) fauna::start_principal(model, from);
  }
  template <class T> void save_of(T& model, std::string const& out) {
    using M = typename T::model;
    if constexpr (!is_lora<M>) return fauna::save_adapter_parts<M>(out, model.weights(), directory);
    else save_lora(model, out);
  }
  template <class T> void save_lora(T& model, std::string const& out) {
    using M = typename T::model;
    if (!initial_) return fauna::save_adapter<M>(out, model.weights(), directory);
    const std::string now = out + "/trained.part", then = out + "/initial.part";
    fauna::save_adapter<M>(now, model.weights(), directory);
    initial_->exchange(model);
    fauna::save_adapter<M>(then, model.weights(), directory);
    initial_->exchange(model);
    fauna::write_difference(out, fauna::Adapter(now), fauna::Adapter(then));
    std::filesystem::remove_all(now);
    std::filesystem::remove_all(then);
  }

  fauna::TensorFile base_{};                             ///< what stays in its file is read from here
  std::optional<fauna::KeptValues<Trained>> initial_{};  ///< of PiSSA
};

}  // namespace tool
