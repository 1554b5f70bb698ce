// Adapters in files, as PyPI's peft has them: a folder with
//   adapter_config.json           rank, alpha, which layers, ...
//   adapter_model.safetensors     base_model.model.LAYER.lora_A.weight [r, in] and .lora_B.weight [out, r], and of DoRA
//                                 .lora_magnitude_vector [out]
// where LAYER is the name of the layer's weight in the base's files, without ".weight".
#pragma once
#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fauna/decode/weights.hpp>
#include <fauna/io/json.hpp>
#include <fauna/models/lora.hpp>

namespace fauna::inline v0 {

/// What an adapter_config.json says, under the names that LoraConfig has for it.
struct AdapterConfig {
  int rank = 8;
  double alpha = 8, dropout = 0;
  bool rank_stabilised = false;  ///< use_rslora: alpha / sqrt(rank), not alpha / rank (Kalajdzievski 2023)
  bool magnitudes = false;       ///< use_dora: rows of W + s B A get lengths of their own (Liu et al. 2024, "DoRA")
  bool transposed = false;       ///< fan_in_fan_out: the base's files hold weights as [in, out]
  std::vector<std::string> targets{};
  std::vector<std::string> whole{};  ///< modules_to_save: they are in the file as they are, in the base's place
  std::vector<std::pair<std::string, double>> alphas{};  ///< alpha_pattern: of layers whose names end so
  std::string base{};                                    ///< base_model_name_or_path

  /// What B A of a layer is multiplied by, at its own rank.
  double scale(std::string_view layer, int of_rank) const {
    double a = alpha;
    for (auto const& [name, value] : alphas)
      if (layer == name || layer.ends_with('.' + name)) a = value;
    return a / (rank_stabilised ? std::sqrt(static_cast<double>(of_rank)) : of_rank);
  }
};

namespace adapter_detail {

inline constexpr std::string_view prefix = "base_model.model.", a_end = ".lora_A.weight", b_end = ".lora_B.weight",
                                  table_a_end = ".lora_embedding_A", table_b_end = ".lora_embedding_B",
                                  base_end = ".base_layer.weight",  // of tables and heads, as peft may save them
    magnitude_end = ".lora_magnitude_vector";

/// Does the next value say nothing: null, false, an empty text, list or object? It is passed over.
inline bool says_nothing(JsonReader& in) {
  switch (in.peek()) {
    case json::null: in.null(); return true;
    case json::boolean: return !in.boolean();
    case json::string: return in.string().empty();
    case json::array: {
      bool empty = true;
      for (in.enter_array(); in.next_item(); in.skip()) empty = false;
      return empty;
    }
    case json::object: {
      bool empty = true;
      in.enter_object();
      for (std::string key; in.next_key(key); in.skip()) empty = false;
      return empty;
    }
    case json::number: in.number(); return false;
  }
  return false;
}

/// Fields that change nothing in an adapter which is there.
inline bool without_effect(std::string_view field) {
  for (const char* f : {"auto_mapping", "task_type", "inference_mode", "peft_version", "revision", "runtime_config",
                        "megatron_config", "megatron_core", "loftq_config", "exclude_modules", "layers_to_transform",
                        "layers_pattern", "rank_pattern", "ensure_weight_tying", "qalora_group_size"})
    if (field == f) return true;
  return false;
}

}  // namespace adapter_detail

/// Throws, naming the field, on all that is said there and would change the numbers of an adapter in a way that is not
/// known here.
inline AdapterConfig read_adapter_config(std::string const& folder) {
  namespace d = adapter_detail;
  const std::string path = folder + "/adapter_config.json";
  if (!exists(path))
    fail("adapter", folder + " has no adapter_config.json",
         "an adapter: adapter_config.json and adapter_model.safetensors");
  const std::string text = read_file(path);
  const auto refuse = [&path](std::string const& what, std::string const& expected) {
    fail("adapter", path + ": " + what, expected);
  };
  AdapterConfig c;
  std::string type;
  JsonReader in(text, path);
  in.enter_object();
  for (std::string key; in.next_key(key);) {
    if (key == "kind") {  // decode/adapter_parts.hpp
      refuse("kind = " + in.string(), "LoRA, as peft writes it: others are not added to weights");
    } else if (key == "peft_type") {
      type = in.string();
    } else if (key == "r") {
      const long long r = in.integer();
      if (r < 1 || r > 1'000'000) refuse("r = " + std::to_string(r), "1 to 1000000");
      c.rank = static_cast<int>(r);
    } else if (key == "lora_alpha") {
      c.alpha = in.number();
    } else if (key == "lora_dropout") {
      c.dropout = in.number();
    } else if (key == "use_rslora") {
      c.rank_stabilised = in.boolean();
    } else if (key == "use_dora") {
      c.magnitudes = in.boolean();
    } else if (key == "fan_in_fan_out") {
      c.transposed = in.boolean();
    } else if (key == "base_model_name_or_path") {
      if (in.peek() == json::string) c.base = in.string();
      else in.skip();
    } else if (key == "target_modules") {
      if (in.peek() == json::string) {
        c.targets.push_back(in.string());
      } else if (in.peek() == json::array) {
        for (in.enter_array(); in.next_item();) c.targets.push_back(in.string());
      } else {
        in.skip();
      }
    } else if (key == "modules_to_save" && in.peek() == json::array) {
      for (in.enter_array(); in.next_item();) c.whole.push_back(in.string());
    } else if (key == "alpha_pattern") {
      if (in.peek() != json::object) {
        in.skip();
        continue;
      }
      in.enter_object();
      for (std::string name; in.next_key(name);) {
        if (name.find_first_of("*+?()[]{}|^$\\") != name.npos)
          refuse("alpha_pattern has the expression " + name, "the end of a layer's name");
        c.alphas.emplace_back(name, in.number());
      }
    } else if (key == "bias") {
      if (const std::string bias = in.string(); bias != "none") refuse("bias = " + bias, "none");
    } else if (key == "init_lora_weights" && in.peek() == json::string) {
      if (const std::string init = in.string(); init != "gaussian" && init != "orthogonal")
        refuse("init_lora_weights = " + init, "true, gaussian or orthogonal");
    } else if (key == "init_lora_weights" || d::without_effect(key)) {
      in.skip();
    } else if (!d::says_nothing(in)) {
      refuse("what " + key + " asks for is not implemented", "none of it");
    }
  }
  in.end();
  if (type != "LORA") refuse("peft_type = " + (type.empty() ? "nothing" : type), "LORA");
  return c;
}

inline void write_adapter_config(std::string const& folder, AdapterConfig const& c) {
  const auto list = [](std::vector<std::string> const& names) {
    std::string all;
    for (std::string const& n : names) all += (all.empty() ? "" : ", ") + json_quoted(n);
    return '[' + all + ']';
  };
  const auto yes = [](bool b) { return b ? "true" : "false"; };
  write_file(folder + "/adapter_config.json",
             "{\n  \"peft_type\": \"LORA\",\n  \"task_type\": \"CAUSAL_LM\",\n  \"base_model_name_or_path\": " +
                 json_quoted(c.base) + ",\n  \"r\": " + number_text::of(c.rank) + ",\n  \"lora_alpha\": " +
                 number_text::of(c.alpha) + ",\n  \"lora_dropout\": " + number_text::of(c.dropout) +
                 ",\n  \"use_rslora\": " + yes(c.rank_stabilised) + ",\n  \"use_dora\": " + yes(c.magnitudes) +
                 ",\n  \"bias\": \"none\",\n  \"fan_in_fan_out\": " + yes(c.transposed) + ",\n  \"target_modules\": " +
                 list(c.targets) + ",\n  \"modules_to_save\": " + (c.whole.empty() ? "null" : list(c.whole)) +
                 ",\n  \"init_lora_weights\": true,\n  \"inference_mode\": true\n}\n");
}

/// An adapter's files.
class Adapter {
 public:
  struct Layer {
    std::string name;                                                   ///< of the base's layer
    SafeTensor const *a = nullptr, *b = nullptr, *magnitude = nullptr;  ///< the last one of DoRA alone
    double scale = 1;
    bool table = false;  ///< a token table [vocab, width]: (B A)ᵀ is added, A [r, vocab], B [width, r]
  };
  /// What stands in the place of a tensor of the base.
  struct Whole {
    std::string name;
    SafeTensor const* tensor = nullptr;
  };

  explicit Adapter(std::string const& folder)
      : folder_(folder), config_(read_adapter_config(folder)), file_(folder + "/adapter_model.safetensors") {
    namespace d = adapter_detail;
    for (SafeTensor const& t : file_.tensors()) {
      std::string_view name = t.name;
      if (name.starts_with(d::prefix) && (is_whole(name) || name.ends_with(d::base_end))) {
        std::string of(name.substr(d::prefix.size()));
        if (of.ends_with(d::base_end)) of.replace(of.size() - d::base_end.size(), of.npos, ".weight");
        wholes_.push_back({static_cast<std::string&&>(of), &t});
        continue;
      }
      const bool table = name.ends_with(d::table_a_end), a = table || name.ends_with(d::a_end),
                 b = name.ends_with(d::b_end) || name.ends_with(d::table_b_end),
                 magnitude = config_.magnitudes && name.ends_with(d::magnitude_end);
      if (!name.starts_with(d::prefix) || !(a || b || magnitude) || t.shape.size() != (magnitude ? 1 : 2))
        fail("adapter", file_.path() + " has " + t.name + ' ' + t.text(),
             std::string(d::prefix) + "LAYER" + std::string(d::a_end) + " and " + std::string(d::b_end) +
                 ", two dimensions each" +
                 (config_.magnitudes ? ", and " + std::string(d::magnitude_end) + " of one" : ""));
      name.remove_prefix(d::prefix.size());
      if (!a) continue;
      name.remove_suffix((table ? d::table_a_end : d::a_end).size());
      Layer l{std::string(name), &t};
      l.table = table;
      l.b = file_.find(std::string(d::prefix) + l.name + std::string(table ? d::table_b_end : d::b_end));
      if (l.b == nullptr || l.b->shape[1] != t.shape[0])
        fail("adapter",
             file_.path() + " has " + t.name + ' ' + t.text() + " and " +
                 (l.b == nullptr ? "no lora_B" : "a lora_B of " + l.b->text()),
             "both, of one rank");
      if (config_.magnitudes && !table) {
        l.magnitude = file_.find(std::string(d::prefix) + l.name + std::string(d::magnitude_end));
        if (l.magnitude == nullptr || l.magnitude->elements() != l.b->shape[0])
          fail("adapter",
               file_.path() + " has of " + l.name +
                   (l.magnitude == nullptr ? " no lora_magnitude_vector"
                                           : " a lora_magnitude_vector of " + l.magnitude->text()),
               '[' + std::to_string(l.b->shape[0]) + "], as use_dora says");
      }
      l.scale = config_.scale(l.name, static_cast<int>(t.shape[0]));
      layers_.push_back(l);
    }
    std::size_t owned = wholes_.size();
    for (Layer const& l : layers_) owned += l.magnitude != nullptr ? 3 : 2;
    if ((layers_.empty() && wholes_.empty()) || owned != file_.tensors().size())
      fail("adapter", file_.path() + " has " + std::to_string(file_.tensors().size()) + " tensors",
           std::string("a lora_A and a lora_B") + (config_.magnitudes ? " and a lora_magnitude_vector" : "") +
               " for each layer");
  }
  AdapterConfig const& config() const { return config_; }
  std::vector<Layer> const& layers() const { return layers_; }
  std::vector<Whole> const& wholes() const { return wholes_; }
  SafeTensors const& file() const { return file_; }

  /// W + s B A in the place of each layer's W, in f32; of DoRA, its rows at their lengths; and what the adapter has
  /// whole in the place of the base's. Throws, before anything is changed, where the adapter is another model's.
  void merge_into(TensorFile& base) const {
    const auto found = weights_of(base);
    std::vector<SafeTensor const*> replaced;
    for (Whole const& w : wholes_) {
      SafeTensor const* own = base.find(w.name);
      if (own == nullptr) own = base.find(without_first(w.name));
      if (own == nullptr || own->shape != w.tensor->shape)
        fail("adapter", folder_ + " has " + w.name + ' ' + w.tensor->text(),
             own == nullptr ? "a tensor of " + base.path() : own->text() + " of " + base.path(),
             "the adapter of this model");
      replaced.push_back(own);
    }
    for (std::size_t i = 0; i < wholes_.size(); ++i) {
      std::vector<float> x(wholes_[i].tensor->elements());
      read_floats(*wholes_[i].tensor, 0, x.size(), x.data());
      base.replace(*replaced[i], static_cast<std::vector<float>&&>(x));
    }
    for (std::size_t i = 0; i < layers_.size(); ++i) base.replace(*found[i], merged(layers_[i], *found[i]));
  }
  /// The layers' weights. Throws where the adapter is another model's, with the names of all layers that do not fit,
  /// and both shapes.
  std::vector<SafeTensor const*> weights_of(TensorFile const& base) const {
    std::vector<std::string> wrong, had;
    std::vector<SafeTensor const*> found;
    for (SafeTensor const& t : base.tensors()) had.push_back(t.name);
    for (Layer const& l : layers_) {
      const std::string name = l.name + ".weight";
      SafeTensor const* w = base.find(name);
      if (w == nullptr) w = base.find(without_first(name));
      found.push_back(w);
      const std::string own = "the adapter has " + l.name + " of [" + std::to_string(l.b->shape[0]) + ", " +
                              std::to_string(l.a->shape[1]) + ']';
      if (w == nullptr) wrong.push_back(own + ", the model no " + name + weights_detail::nearest(name, had));
      else if (w->shape != shape_of(l, transposed(l, *w)))
        wrong.push_back(own + (config_.transposed ? " transposed" : "") + ", the model " + w->text());
    }
    if (!wrong.empty())
      fail("adapter", folder_ + " does not fit " + base.path() + weights_detail::list("layers", wrong, {}),
           "the adapter of this model");
    return found;
  }

 private:
  /// Of a module that the config has whole?
  bool is_whole(std::string_view tensor) const {
    const std::string_view module = tensor.substr(0, tensor.rfind('.'));
    for (std::string const& name : config_.whole)
      if (module.ends_with('.' + name)) return true;
    return false;
  }
  /// Is W in the file as [in, out]? Heads are not, where layers are.
  bool transposed(Layer const& l, SafeTensor const& w) const {
    const bool square = l.b->shape[0] == l.a->shape[1];
    return l.table || (config_.transposed && (square || w.shape != shape_of(l, false)));
  }
  static std::vector<std::size_t> shape_of(Layer const& l, bool transposed) {
    std::vector<std::size_t> s{l.b->shape[0], l.a->shape[1]};
    if (transposed) std::swap(s[0], s[1]);
    return s;
  }
  std::vector<float> merged(Layer const& l, SafeTensor const& w) const {
    const std::size_t rank = l.a->shape[0], in = l.a->shape[1], out = l.b->shape[0];
    const bool turned = transposed(l, w);
    std::vector<float> sum(w.elements()), a(l.a->elements()), b(l.b->elements()), row(in);
    read_floats(w, 0, sum.size(), sum.data());
    read_floats(*l.a, 0, a.size(), a.data());
    read_floats(*l.b, 0, b.size(), b.data());
    for (std::size_t o = 0; o < out; ++o) {
      for (float& r : row) r = 0;
      for (std::size_t k = 0; k < rank; ++k)
        for (std::size_t i = 0; i < in; ++i) row[i] += b[o * rank + k] * a[k * in + i];
      for (std::size_t i = 0; i < in; ++i)
        sum[turned ? i * out + o : o * in + i] += static_cast<float>(l.scale) * row[i];
    }
    if (l.magnitude != nullptr) lengthen(*l.magnitude, sum, in, out);
    return sum;
  }
  /// Gives the rows of W [out, in] these lengths: m W / |W|, a row each.
  void lengthen(SafeTensor const& magnitude, std::vector<float>& w, std::size_t in, std::size_t out) const {
    std::vector<float> m(out);
    read_floats(magnitude, 0, out, m.data());
    for (std::size_t o = 0; o < out; ++o) {
      double squares = 0;
      const auto at = [&](std::size_t i) -> float& { return w[config_.transposed ? i * out + o : o * in + i]; };
      for (std::size_t i = 0; i < in; ++i) squares += static_cast<double>(at(i)) * static_cast<double>(at(i));
      if (squares == 0) continue;
      const auto factor = static_cast<float>(static_cast<double>(m[o]) / std::sqrt(squares));
      for (std::size_t i = 0; i < in; ++i) at(i) *= factor;
    }
  }

  std::string folder_;
  AdapterConfig config_;
  SafeTensors file_;
  std::vector<Layer> layers_;
  std::vector<Whole> wholes_;
};

/// What an adapter_config.json says of the adapters of M, which is lora<Base, c>. `base`: where Base's files are.
template <class M> AdapterConfig adapter_config_of(std::string const& base) {
  constexpr LoraConfig c = M::rewriting::config;
  double dropout = 0;  // as its shortest text has it
  number_text::parse(number_text::of(c.dropout), dropout);
  AdapterConfig to{.rank = c.rank,
                   .alpha = c.alpha,
                   .dropout = dropout,
                   .rank_stabilised = c.rank_stabilised,
                   .magnitudes = c.magnitudes,
                   .base = base};
  typename M::template Weights<All<float>> w;
  bool transposed = false;
  M::visit(w, Place{}, [&](Tensor const& t, auto&) {
    std::string name = t.name();
    const bool table = name.ends_with(adapter_detail::table_a_end);
    if (table || name.ends_with(adapter_detail::a_end)) {
      name.resize(name.size() - (table ? adapter_detail::table_a_end : adapter_detail::a_end).size());
      name = name.substr(name.rfind('.') + 1);
      bool known = false;
      for (std::string const& other : to.targets) known = known || other == name;
      if (!known) to.targets.push_back(name);
      to.transposed = to.transposed || (!table && transposed);
    } else if (c.whole.has(module_of(name))) {
      name = std::string(module_of(name));
      bool known = false;
      for (std::string const& other : to.whole) known = known || other == name;
      if (!known) to.whole.push_back(name);
    } else if (t.stored == kind::matrix && !name.ends_with(adapter_detail::b_end)) {
      transposed = t.layout.transposed;
    }
  });
  return to;
}

/// Writes the adapters of a model that is lora<Base, c>, in f32.
template <class M, class W> void save_adapter(std::string const& folder, W& w, std::string const& base) {
  weights_detail::Gathered tensors;
  M::visit(w, Place{}, [&](Tensor const& t, auto& v) {
    // A frozen base need not lie in rows.
    if constexpr (requires { tensors.add(t, v); })
      if (M::rewriting::keeps(t.name())) tensors.add(t, v, std::string(adapter_detail::prefix));
  });
  make_directories(folder);
  weights_detail::write(folder + "/adapter_model.safetensors", static_cast<weights_detail::Gathered&&>(tensors),
                        {{"format", "pt"}});
  write_adapter_config(folder, adapter_config_of<M>(base));
}

/// Fills the adapters of a model that is lora<Base, c>. Throws, before anything is changed, unless the files have those
/// layers, shapes and that scale, and no others.
template <class M, class B, class W> void load_adapter(B const& b, W& w, Adapter const& from) {
  if (from.config().magnitudes && !M::rewriting::config.magnitudes)
    fail("adapter", from.file().path() + " is of DoRA", "LoRA beside a base",
         "merge_into adds it to the base's weights");
  std::vector<std::string> shapes, missing, had, wanted;
  for (SafeTensor const& t : from.file().tensors())
    if (!std::string_view(t.name).ends_with(adapter_detail::base_end)) had.push_back(t.name);
  M::visit(w, Place{}, [&](Tensor const& t, auto&) {
    if (!M::rewriting::keeps(t.name())) return;
    const std::string name = std::string(adapter_detail::prefix) + t.name();
    wanted.push_back(name);
    SafeTensor const* s = from.file().find(name);
    if (s == nullptr) missing.push_back(name);
    else if (s->shape != weights_detail::dimensions(whole_piece(t).shape))
      shapes.push_back(name + ' ' + s->text() + ", the model has [" + std::to_string(t.rows) + ", " +
                       std::to_string(t.cols) + ']');
  });
  for (auto const& l : from.layers())
    if (std::fabs(l.scale - M::rewriting::config.scale()) > 1e-12 * M::rewriting::config.scale())
      fail("adapter", l.name + " is multiplied by " + number_text::of(l.scale),
           number_text::of(M::rewriting::config.scale()) + ", which the model's alpha and rank make");
  if (!shapes.empty() || !missing.empty() || wanted.size() != had.size())
    fail("adapter",
         from.file().path() + " has " + std::to_string(had.size()) + " tensors" +
             weights_detail::list("of another shape", shapes, {}) + weights_detail::list("missing", missing, had),
         "the " + std::to_string(wanted.size()) + " of the model");
  M::visit(w, Place{}, [&](Tensor const& t, auto& v) {
    if (!M::rewriting::keeps(t.name())) return;
    std::vector<Piece> pieces;
    pieces.push_back(whole_piece(t));
    weights_detail::fill_from(b, t, pieces, {from.file().find(std::string(adapter_detail::prefix) + t.name())}, v);
  });
}

}  // namespace fauna::inline v0
