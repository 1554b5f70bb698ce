// What the tool knows of a model, whichever family it is of. A family is one file in families/: a struct with its
// config and what is said of it elsewhere (Registered lists all), and the line that registers it.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fauna/core/concepts.hpp>
#include <fauna/io/open_tensors.hpp>
#include <fauna/models/config_text.hpp>
#include <tools/src/config.hpp>
#include <tools/src/gguf_fields.hpp>
#include <tools/src/settings.hpp>

namespace tool {

/// A model as source text, and the headers that have its type.
struct Described {
  std::string type{};
  std::vector<std::string> includes{};
  bool experts = false;     ///< a mixture of experts is in it
  bool gated = true;        ///< MLPs are gated
  std::string stored{};     ///< the map of storages (core/storage.hpp) of what trains it; empty: rows of f32
  std::string recompute{};  ///< the rewrite that runs some of it again in backward; empty: none
};

/// The config of a model of some family.
class ModelConfig {
 public:
  virtual ~ModelConfig() = default;
  virtual std::unique_ptr<ModelConfig> copy() const = 0;
  virtual std::string line() const = 0;  ///< as a checkpoint keeps it
  virtual Described described() const = 0;
  virtual Config::Json config_json() const = 0;  ///< for the reference library
  virtual fauna::ConfigNames const& names() const = 0;
  virtual int context() const = 0;  ///< fauna::unbounded where the family has none
  virtual int vocab() const = 0;
  virtual int layers() const = 0;   ///< 0 where the config has no such number
  virtual int further() const = 0;  ///< tokens that it predicts beside the next one
  virtual void set_vocab(int vocab) = 0;
  virtual void without_dropout() = 0;
  /// Is the head the token table? It is where the config has no member `tied`. `untie` gives it numbers of its own;
  /// false in a family where it cannot have any.
  virtual bool tied() const = 0;
  virtual bool untie() = 0;
  /// The structural flags, of a family that has them.
  virtual std::optional<settings::Structure> structure() const = 0;
  virtual void set_structure(settings::Structure const& s) = 0;
  /// Does the reference library have a bias beside this weight that the model is without?
  virtual bool bias_of_zeros(std::string const& weight) const = 0;
  /// Puts the keys of a GGUF file, of a family that is written as one.
  virtual std::optional<GgufForm> to_gguf(fauna::GgufMetadata& keys) const = 0;
};
using AnyModel = std::unique_ptr<ModelConfig>;

struct Family {
  const char *model_type, *causal,
      *headless;     ///< in config.json; architectures with a language model's head, and without
  std::string word;  ///< that a checkpoint's line begins with
  AnyModel (*read)(Config& c);
  AnyModel (*parse)(std::string const& line);
  AnyModel (*of_tensors)(fauna::TensorFile const& file);  ///< null: its weights do not say what they are of
  const char* gguf_name = nullptr;                        ///< its architecture in GGUF; null: it is none there
  bool (*gguf_is)(GgufKeys& keys) = nullptr;  ///< of an architecture of several families: is a file of this?
  AnyModel (*of_gguf)(GgufKeys& keys) = nullptr;
  std::vector<std::pair<std::string, std::shared_ptr<const ModelConfig>>> presets{};
};

/// Every family by its model_type.
inline std::map<std::string, Family>& families() {
  static std::map<std::string, Family> all;
  return all;
}

/// The config of family F, as the tool sees it.
template <class F> class ModelOf final : public ModelConfig {
  using C = typename F::config;

 public:
  explicit ModelOf(C const& c) : c_(c) {}
  AnyModel copy() const override { return std::make_unique<ModelOf>(c_); }
  std::string line() const override { return fauna::to_text(c_); }
  Described described() const override { return {fauna::cpp_type(c_), {C::names.header}, has_experts(), gated()}; }
  Config::Json config_json() const override { return F::write(c_); }
  fauna::ConfigNames const& names() const override { return C::names; }
  int context() const override {
    if constexpr (requires { c_.context; }) return c_.context;
    else return fauna::unbounded;
  }
  int vocab() const override { return c_.vocab; }
  int layers() const override {
    if constexpr (requires { c_.layers; }) return static_cast<int>(c_.layers);
    else return 0;
  }
  int further() const override {
    if constexpr (requires { c_.further; }) return c_.further;
    else return 0;
  }
  void set_vocab(int vocab) override { c_.vocab = vocab; }
  void without_dropout() override {
    if constexpr (requires { c_.dropout; }) c_.dropout = 0;
  }
  bool tied() const override {
    if constexpr (requires { c_.tied; }) return c_.tied;
    else return true;
  }
  bool untie() override {
    if constexpr (requires { c_.tied = false; }) return c_.tied = false, true;
    else return false;
  }
  std::optional<settings::Structure> structure() const override {
    if constexpr (requires { F::structure(c_); }) return F::structure(c_);
    else return {};
  }
  void set_structure([[maybe_unused]] settings::Structure const& s) override {
    if constexpr (requires { F::set_structure(c_, s); }) F::set_structure(c_, s);
  }
  bool bias_of_zeros([[maybe_unused]] std::string const& weight) const override {
    if constexpr (requires { F::bias_of_zeros(c_, weight); }) return F::bias_of_zeros(c_, weight);
    else return false;
  }
  std::optional<GgufForm> to_gguf([[maybe_unused]] fauna::GgufMetadata& keys) const override {
    if constexpr (requires { F::gguf_name; }) {
      GgufWriter<C> io(c_, F::gguf_name, keys);
      F::gguf(io);
      return io.form();
    } else {
      return {};
    }
  }

 private:
  static constexpr bool gated() {
    if constexpr (requires { C::style::mlp_is; })
      return C::style::mlp_is != std::remove_cvref_t<decltype(C::style::mlp_is)>::plain;
    else return true;
  }
  /// Of a hybrid's layers those with the letter e have some.
  bool has_experts() const {
    if constexpr (requires { c_.experts, c_.mlps; }) return c_.mlps.view().find('e') != std::string_view::npos;
    else return requires {
        c_.experts;
      };
  }
  C c_;
};

/// Registers the family F, which has
///   config                         a struct with `names` and `each` (fauna/models/lm.hpp) and a member vocab
///   model_type, causal, headless   as in Family
///   presets()                      pairs of a name and a config
///   read(Config&)                  the config that a config.json says
///   write(config)                  the config.json of a config
/// and, where there is something to say, structure, set_structure and bias_of_zeros, as in ModelConfig; and
///   of_tensors(TensorFile const&)  the config of weights that come without a config.json; none: of another family
///   gguf_name, gguf(Io&)           the architecture that GGUF has for it, and its keys (gguf_fields.hpp)
///   gguf_is(GgufKeys&)             is a file of that architecture of this family? Where several have it
template <class F> struct Registered {
  using C = typename F::config;
  Registered() {
    Family f{
        F::model_type,
        F::causal,
        F::headless,
        C::names.family,
        [](Config& c) -> AnyModel { return std::make_unique<ModelOf<F>>(F::read(c)); },
        [](std::string const& line) -> AnyModel { return std::make_unique<ModelOf<F>>(fauna::config_from<C>(line)); },
        nullptr};
    if constexpr (requires { F::gguf_name; }) {
      f.gguf_name = F::gguf_name;
      if constexpr (requires(GgufKeys & keys) { F::gguf_is(keys); }) f.gguf_is = F::gguf_is;
      f.of_gguf = [](GgufKeys& keys) -> AnyModel {
        GgufReader<C> io(keys);
        F::gguf(io);
        return std::make_unique<ModelOf<F>>(io.finished());
      };
    }
    if constexpr (requires(fauna::TensorFile const& file) { F::of_tensors(file); })
      f.of_tensors = [](fauna::TensorFile const& file) -> AnyModel {
        const auto c = F::of_tensors(file);
        return c ? std::make_unique<ModelOf<F>>(*c) : nullptr;
      };
    for (auto const& [name, config] : F::presets()) f.presets.emplace_back(name, std::make_shared<ModelOf<F>>(config));
    if (!families().emplace(F::model_type, std::move(f)).second)
      fauna::fail("fauna", std::string("the family ") + F::model_type + " twice", "each once");
  }
};

/// The model of a checkpoint, out of the line of text in which it says what it holds.
inline AnyModel checkpoint_model(std::string const& path, std::string const& line) {
  if (line.empty())
    fauna::fail("fauna", path + " does not say which model it holds", "one made by fauna train",
                "CheckpointHead::config is for fauna::to_text of its config");
  if (const std::size_t rewrite = line.rfind(": "); rewrite != std::string::npos)
    fauna::fail("fauna", path + " holds a model that is " + line.substr(0, rewrite),
                "a plain " + line.substr(rewrite + 2), "programs of one's own have its type");
  std::string known;
  for (auto const& [type, f] : families()) {
    if (line.substr(0, line.find(' ')) == f.word) return f.parse(line);
    known += (known.empty() ? "" : ", ") + f.word;
  }
  fauna::fail("model", path + " with the description '" + line + '\'', "a line that begins with one of " + known);
}

/// Is it a file of weights that has no config.json beside it: of PyTorch, rwkv.cpp or ggml?
inline bool weights_alone(std::string const& path) {
  return !fauna::is_directory(path) && fauna::tensor_format_of(path) != fauna::tensor_format::safetensors;
}
/// The model of a GGUF file, which its keys describe.
inline AnyModel model_of_gguf(std::string const& path) {
  const fauna::Gguf file(path);
  const std::string type(file.text("general.architecture"));
  std::set<std::string> known;
  for (auto const& [name, f] : families()) {
    if (f.of_gguf == nullptr) continue;
    known.insert(f.gguf_name);
    GgufKeys keys(file);
    if (f.gguf_name != type || (f.gguf_is != nullptr && !f.gguf_is(keys))) continue;
    AnyModel m = f.of_gguf(keys);
    keys.all_used();
    return m;
  }
  std::string all;
  for (std::string const& k : known) all += (all.empty() ? "" : ", ") + k;
  fauna::fail("fauna", path + " has the general.architecture '" + type + '\'', "one of " + all);
}
/// The model of a file of weights.
inline AnyModel model_of_weights(std::string const& path) {
  if (is_gguf(path)) return model_of_gguf(path);
  const fauna::TensorFile file = fauna::open_tensors(path);
  for (auto const& [type, f] : families())
    if (f.of_tensors != nullptr)
      if (AnyModel m = f.of_tensors(file)) return m;
  fauna::fail("fauna", path + " has tensors of no family that is known by them", "the weights of RWKV-4, 5.2, 6 or 7",
              "others need a directory with a config.json");
}

/// A copy of a preset; none by an unknown name.
inline AnyModel preset(std::string const& name) {
  for (auto const& [type, f] : families())
    for (auto const& p : f.presets)
      if (p.first == name) return p.second->copy();
  return {};
}

inline std::string preset_names() {
  std::string all;
  for (auto const& [type, f] : families())
    for (auto const& p : f.presets) all += (all.empty() ? "" : ", ") + p.first;
  return all;
}

}  // namespace tool
