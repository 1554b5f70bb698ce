// Adapters that no weights can take in (blocks/prefixed_attention.hpp, blocks/adapter_v2.hpp), in files: a folder with
//   adapter_config.json           {"kind": "adapter", "rows": 10} or {"kind": "adapter_v2"}, and where the base is
//   adapter_model.safetensors     what the rewrite trains: LitGPT's last names behind those of the base's layers
// A model of that kind is loaded from its base's files with these laid over them.
#pragma once
#include <string>
#include <vector>

#include <fauna/core/number_text.hpp>
#include <fauna/decode/adapter.hpp>

namespace fauna::inline v0 {

struct AdapterKind {
  std::string name = "lora";  ///< or adapter, or adapter_v2
  int rows = 0;               ///< of an adapter's prefix
};

/// What an adapter's folder holds. Of LoRA only that it is none of the others is looked at; class Adapter reads it.
inline AdapterKind adapter_kind_of(std::string const& folder) {
  const std::string path = folder + "/adapter_config.json";
  if (!exists(path))
    fail("adapter", folder + " has no adapter_config.json",
         "an adapter: adapter_config.json and adapter_model.safetensors");
  const std::string text = read_file(path);
  AdapterKind k;
  bool lora = true;
  JsonReader in(text, path);
  in.enter_object();
  for (std::string key; in.next_key(key);) {
    if (key == "kind") {
      lora = false;
      k.name = in.string();
    } else if (key == "rows") {
      const long long n = in.integer();
      if (n < 1 || n > 4096) fail("adapter", path + ": rows = " + std::to_string(n), "1 to 4096");
      k.rows = static_cast<int>(n);
    } else {
      in.skip();
    }
  }
  in.end();
  if (lora) return {};
  if (k.name == "adapter" ? k.rows == 0 : k.name != "adapter_v2")
    fail("adapter", path + ": kind = " + k.name + (k.rows == 0 ? " without rows" : ""),
         "adapter with rows, or adapter_v2");
  return k;
}

/// Writes what trains of a model that is adapter<Base, K> or adapter_v2<Base>, in f32. `base`: where Base's files are.
template <class M, class W> void save_adapter_parts(std::string const& folder, W& w, std::string const& base) {
  using How = typename M::rewriting;
  weights_detail::Gathered tensors;
  M::visit(w, Place{}, [&](Tensor const& t, auto& v) {
    if (How::keeps(t.name())) tensors.add(t, v);
  });
  make_directories(folder);
  weights_detail::write(folder + "/adapter_model.safetensors", static_cast<weights_detail::Gathered&&>(tensors),
                        {{"format", "pt"}});
  std::string rows;
  if constexpr (requires { How::rows; }) rows = ",\n  \"rows\": " + number_text::of(How::rows);
  write_file(folder + "/adapter_config.json", std::string("{\n  \"kind\": \"") + How::kind + '"' + rows +
                                                  ",\n  \"base_model_name_or_path\": " + json_quoted(base) + "\n}\n");
}

/// Puts an adapter, of whichever kind, to the base's tensors: LoRA's is added to weights, others are laid over them.
/// Throws where it is another model's, as far as that can be seen from the files.
inline void put_adapter(std::string const& folder, TensorFile& base) {
  if (adapter_kind_of(folder).name == "lora") return Adapter(folder).merge_into(base);
  const SafeTensors own(folder + "/adapter_model.safetensors");
  for (SafeTensor const& t : own.tensors()) {
    // Files of a model without its head lack the first part of all names.
    const std::string first = t.name.substr(0, t.name.find('.') + 1);
    bool whole = false;
    for (SafeTensor const& b : base.tensors()) whole = whole || b.name.starts_with(first);
    std::vector<float> values(t.elements());
    read_floats(t, 0, values.size(), values.data());
    base.put(whole ? t.name : std::string(without_first(t.name)), t.shape, static_cast<std::vector<float>&&>(values));
  }
}

}  // namespace fauna::inline v0
