// Which keys of a GGUF file say what of a config, once for both directions. A family has
//   static constexpr const char* gguf_name = "qwen2";                     // the architecture
//   template <class Io> static void gguf(Io& io) { gguf_decoder(io); }    // its keys, by members of its config
// and is read by a GgufReader and written by a GgufWriter, which refuses what the keys do not say.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include <fauna/core/number_text.hpp>
#include <fauna/io/gguf_hub.hpp>
#include <fauna/io/gguf_writer.hpp>
#include <fauna/models/config_text.hpp>
#include <fauna/models/deepseek.hpp>
#include <fauna/ops/rope/frequencies.hpp>
#include <tools/src/gguf_keys.hpp>
#include <tools/src/letters.hpp>
#include <tools/src/say.hpp>

namespace tool {

/// What there is to know of a model to write its tensors in GGUF, beside the names.
struct GgufForm {
  fauna::GgufArchitecture const* architecture = nullptr;
  int layers = 0;
  fauna::GgufHeads heads{};
  int experts = 0;
  bool alike = true;                ///< are all layers alike?
  bool further = false;             ///< are layers behind the last, which predict further tokens, left out?
  bool head_twice = false;          ///< is the table to stand there as output.weight too?
  std::vector<float> rope_freqs{};  ///< the tensor of that name; none where there are no numbers
};

/// Refuses what the keys have no word for.
inline void gguf_only(std::string const& line, bool is, std::string const& expected) {
  if (!is)
    fauna::fail("gguf", "a model of " + line, expected,
                "the format's keys have no word for another, or none is written here");
}

namespace gguf_fields_detail {

/// What Llama 3.1 divides the frequency of each pair by (ops/rope/frequencies.hpp).
inline std::vector<float> llama3_divisors(fauna::RopeScaling const& s, double base, int columns) {
  std::vector<float> all;
  for (int i = 0; i < columns; i += 2) {
    const double wavelength = 2 * fauna::rope_detail::pi * std::pow(base, static_cast<double>(i) / columns);
    const double m = std::clamp((s.original / wavelength - s.low) / (s.high - s.low), 0.0, 1.0);
    all.push_back(static_cast<float>(1 / ((1 - m) / s.factor + m)));
  }
  return all;
}
/// The scaling whose divisors these are, as near as f32 has them; none: they are no such divisors.
inline std::optional<fauna::RopeScaling> llama3_scaling(std::vector<float> const& divisors, int original, double base) {
  if (divisors.empty()) return {};
  fauna::RopeScaling s{.kind = fauna::rope_scaling::llama3,
                       .factor = shortest(*std::max_element(divisors.begin(), divisors.end())),
                       .original = original};
  const std::vector<float> want = llama3_divisors(s, base, 2 * static_cast<int>(divisors.size()));
  for (std::size_t i = 0; i < want.size(); ++i)
    if (!(std::fabs(divisors[i] / want[i] - 1) < 1e-4F)) return {};
  return s;
}

inline constexpr const char* log_multiplier = "rope.scaling.yarn_log_multiplier";  ///< a tenth of mscale_all_dim
inline fauna::RopeScaling latent_yarn(double factor, double low, double high, int original) {
  return {.kind = fauna::rope_scaling::yarn,
          .factor = factor,
          .low = low,
          .high = high,
          .original = original,
          .attention = 1};
}
inline double latent_scale(double factor, double multiplier, int columns) {
  constexpr double most = 1e9;  // the tenth of 0.707 times ten is 0.707 again
  return fauna::yarn_score_scale(factor, std::round(10 * multiplier * most) / most, columns);
}

/// Does YaRN round between which pairs it stretches? gpt-oss's does not, and no key says so.
constexpr bool yarn_rounds(std::string_view architecture) { return architecture != "gpt-oss"; }

inline constexpr const char* original_length = "rope.scaling.original_context_length";
inline constexpr int usual_original = 8192;  ///< of Llama 3.1, whose files do not say it

}  // namespace gguf_fields_detail

/// Fills a config. What a member is otherwise, where a file lacks its key, is the value behind it.
template <class C> class GgufReader {
 public:
  using config = C;
  explicit GgufReader(GgufKeys& k) : k_(k) {}

  C const& get() const { return c_; }
  void whole(const char* key, int C::*m) { c_.*m = k_.whole(key); }
  void whole(const char* key, int C::*m, int otherwise) { c_.*m = k_.whole(key, otherwise); }
  void real(const char* key, double C::*m, double otherwise) { c_.*m = k_.positive(key, otherwise); }
  void real(const char* key, float C::*m, double otherwise) { c_.*m = static_cast<float>(k_.positive(key, otherwise)); }
  /// The same of a key that is not written where it would say no more than its absence.
  template <class T, class B> void option(const char* key, T B::*m, T otherwise) {
    if constexpr (std::is_same_v<T, int>) c_.*m = k_.whole(key, otherwise);
    else c_.*m = static_cast<T>(k_.positive(key, static_cast<double>(otherwise)));
  }
  void base(double C::*m) { real("rope.freq_base", m, 10000); }
  void inverse(const char* key, double C::*m) { c_.*m = 1 / k_.positive(key, 1); }
  void flag(const char* key, bool C::*m, bool otherwise) {
    c_.*m = k_.has(key) ? k_.file().flag(k_.full(key)) : otherwise;
  }
  /// The same of a part, all or none.
  void flag(const char* key, double C::*m, bool otherwise) {
    c_.*m = (k_.has(key) ? k_.file().flag(k_.full(key)) : otherwise) ? 1 : 0;
  }
  /// Is a tensor there, or is it not?
  void tensor(const char* name, bool C::*m, bool there = true) { c_.*m = (k_.file().find(name) != nullptr) == there; }
  /// What no key says.
  template <class T, class B> void implied(T B::*m, T value) { c_.*m = value; }
  /// What a key may say that llama.cpp does not read: it is not written.
  template <class T, class B> void accepted(const char* key, T B::*m, T value) { option(key, m, value); }
  /// The layers that differ are the last of each so many: a key may say so, or nothing does.
  void period(int C::*m, int usual, const char* accepted = nullptr) {
    c_.*m = usual;
    if (accepted == nullptr || !k_.has(accepted)) return;
    const int n = k_.period(accepted, c_.layers);
    if (n <= c_.layers || usual <= c_.layers) c_.*m = n;  // else no layer differs, either way
  }
  /// The same as a list, which is written.
  void window_pattern(int C::*m) {
    constexpr const char* key = "attention.sliding_window_pattern";
    c_.*m = c_.window == fauna::unbounded ? 1 : fauna::unbounded;
    if (k_.has(key)) {
      const int n = k_.period(key, c_.layers);
      if (c_.window != fauna::unbounded) c_.*m = n > c_.layers ? fauna::unbounded : n;
    }
  }
  /// The rotary base of layers with a window, where it is another or scaling is of the others alone.
  void window_base(double C::*m) {
    const bool alone = c_.scaling.kind != fauna::rope_scaling::none && c_.window != fauna::unbounded;
    c_.*m = k_.positive("rope.freq_base_swa", alone ? c_.base : 0);
    if (c_.*m == c_.base && !alone) c_.*m = 0;
  }
  /// What no key says and inference does not need.
  template <class T, class B> void of_training(T B::*) {}
  /// A key that says what others do.
  void same(const char* key, int value) { k_.only(key, value); }
  /// One that llama.cpp wants to be there, whatever it says.
  void unread(const char* key, int /*value*/) { ignored(key); }
  /// The product of two members, of which the first is known.
  void product(const char* key, int C::*known, int C::*other) {
    const int n = k_.whole(key);
    if (n % (c_.*known) != 0) k_.wrong(key, std::to_string(n), "a multiple of " + std::to_string(c_.*known));
    c_.*other = n / (c_.*known);
  }
  /// What is left when the first member, which is known, is divided by the key.
  void quotient(const char* key, int C::*known, int C::*other) {
    const int n = k_.whole(key);
    if (c_.*known % n != 0) k_.wrong(key, std::to_string(n), "a number that divides " + std::to_string(c_.*known));
    c_.*other = c_.*known / n;
  }
  void same(const char* key, double value) {
    if (const double is = k_.positive(key, value); is != value)
      k_.wrong(key, fauna::number_text::of(is), fauna::number_text::of(value));
  }
  /// One that may say what others do, and is not written.
  void repeated(const char* key, double value) { same(key, value); }
  /// One that says what tensors do, or nothing here.
  void ignored(const char* key) { (void)k_.has(key); }
  void same(const char* key, bool value) {
    if (k_.has(key) && k_.file().flag(k_.full(key)) != value)
      k_.wrong(key, value ? "false" : "true", value ? "true" : "false");
  }
  void same(const char* key, const char* value) {
    if (const std::string is = k_.text(key, value); is != value) k_.wrong(key, is, value);
  }

  /// A window in front of each position; none: files say so with 0 as well.
  void window(int C::*m) {
    constexpr const char* key = "attention.sliding_window";
    c_.*m = k_.says(key) ? k_.whole(key) : fauna::unbounded;
  }
  /// What has to hold between members; `found` is what the key says.
  void check(bool ok, const char* key, int found, std::string const& expected) {
    if (!ok) k_.wrong(key, std::to_string(found), expected);
  }
  /// Is the table the head? Where a file has to have one, a copy of the table is it.
  void head(bool C::*tied) {
    const fauna::SafeTensor *own = k_.file().find("output.weight"), *table = k_.file().find("token_embd.weight");
    const bool copies = fauna::gguf_head_of(k_.file().text("general.architecture")) == fauna::gguf_head::own;
    c_.*tied = own == nullptr || (copies && own->dtype == table->dtype && own->shape == table->shape &&
                                  std::memcmp(own->data, table->data, own->bytes) == 0);
  }

  void layers(int C::*m, bool /*alike*/ = true) {
    const int all = k_.whole("block_count"),
              further = k_.says(fauna::HubGguf::further) ? k_.whole(fauna::HubGguf::further) : 0;
    c_.*m = all - further;
    int there = 0;
    for (fauna::SafeTensor const& t : k_.file().tensors()) there = std::max(there, fauna::gguf_layer(t.name) + 1);
    if (c_.*m < 1 || (c_.*m != there && all != there))
      k_.wrong("block_count", std::to_string(c_.*m) + ", and there are " + std::to_string(there) + " layers",
               "as many as the file has");
  }
  /// Heads of queries and of keys; of keys a number for each layer, 0 where it is one of the other kind.
  template <class B, class D> void hybrid_heads(int C::*m, int D::*kv, fauna::letters B::*kinds, char other) {
    constexpr const char* key = "attention.head_count_kv";
    c_.*m = k_.whole("attention.head_count");
    if (!k_.has(key) || !k_.file().is_list(k_.full(key))) {
      c_.*kv = k_.whole(key, c_.*m);
      c_.*kinds = "a";
      return;
    }
    const std::vector<long long> all = k_.file().integers(k_.full(key));
    std::string of_layers;
    for (const long long n : all) {
      of_layers += n == 0 ? other : 'a';
      if (n == 0) continue;
      if (n < 0 || n > c_.*m || c_.*m % n != 0 ||
          (c_.*kv != 0 && c_.*kv != n && of_layers.find('a') + 1 != of_layers.size()))
        k_.wrong(
            key, std::to_string(n) + " in layer " + std::to_string(of_layers.size() - 1),
            "in all layers with attention the same, a number that divides the " + std::to_string(c_.*m) + " heads");
      c_.*kv = static_cast<int>(n);
    }
    if (all.size() != static_cast<std::size_t>(c_.layers) || all.size() > 127 || of_layers.find('a') == of_layers.npos)
      k_.wrong(key, "a list of " + std::to_string(all.size()),
               "a number for each of the " + std::to_string(c_.layers) + " layers, at most 127, not all 0");
    c_.*kinds = shortest_round(of_layers);
  }
  /// Layers that have this tensor, and others.
  template <class B> void kinds(const char* before, const char* after, fauna::letters B::*m, char with, char without) {
    std::string all;
    for (int l = 0; l < c_.layers && l < 127; ++l)
      all += k_.file().find(before + std::to_string(l) + after) != nullptr ? with : without;
    c_.*m = shortest_round(all);
  }
  /// A config that tells its rounds by period and offset, the last of which may be cut.
  template <class B> void cut_rounds(fauna::letters B::*m) {
    std::string all;
    for (int l = 0; l < c_.layers; ++l) all += (c_.*m).of(l);
    c_.*m = shortest_round(all, true);
  }
  void vocab(int C::*m) {
    const fauna::SafeTensor* table = k_.file().find("token_embd.weight");
    if (table == nullptr || table->shape.size() != 2 || table->shape[0] > 0x7fffffff)
      fauna::fail("config", k_.file().path() + " has no token_embd.weight of two dimensions", "the token table");
    c_.*m = static_cast<int>(table->shape[0]);
    k_.only("vocab_size", c_.*m);
  }
  void heads(int C::*m, int C::*kv) {
    c_.*m = k_.whole("attention.head_count");
    c_.*kv = k_.whole("attention.head_count_kv", c_.*m);
    if (c_.*m % c_.*kv != 0)
      k_.wrong("attention.head_count_kv", std::to_string(c_.*kv),
               "a number that divides the " + std::to_string(c_.*m) + " heads");
  }
  void groups(const char* key, int C::*m) { whole(key, m); }
  /// 0 or more.
  void count(const char* key, int C::*m) { c_.*m = k_.says(key) ? k_.whole(key) : 0; }
  /// The sum of two members, of which the first is known.
  void sum(const char* key, int C::*known, int C::*other) {
    const int n = k_.whole(key);
    if (n <= c_.*known) k_.wrong(key, std::to_string(n), "more than " + std::to_string(c_.*known));
    c_.*other = n - c_.*known;
  }
  /// One member as so many times another, which is known.
  void multiple(const char* key, int C::*one, int C::*all) {
    const long long n = static_cast<long long>(k_.whole(key)) * (c_.*one);
    if (n > 0x7fffffff) k_.wrong(key, std::to_string(k_.whole(key)), "so many that they have less than 2^31 columns");
    c_.*all = static_cast<int>(n);
  }
  /// Heads over latents: of keys there is one, in older files one for each.
  void latent_heads(int C::*m) {
    c_.*m = k_.whole("attention.head_count");
    ignored("attention.head_count_kv");
  }
  /// YaRN as DeepSeek has it, with what scores of so many columns are multiplied by.
  void latent_scaling(fauna::RopeScaling C::*m, double C::*scale, int columns) {
    namespace d = gguf_fields_detail;
    const std::string kind = k_.text("rope.scaling.type", "none");
    if (kind != "none" && kind != "yarn") k_.wrong("rope.scaling.type", kind, "none or yarn");
    if (kind == "none") return;
    c_.*m = d::latent_yarn(k_.positive("rope.scaling.factor", 1), k_.positive("rope.scaling.yarn_beta_slow", 1),
                           k_.positive("rope.scaling.yarn_beta_fast", 32), k_.whole(d::original_length));
    c_.*scale = d::latent_scale((c_.*m).factor, k_.positive(d::log_multiplier, 0.1), columns);
  }
  void heads(int C::*m) {
    c_.*m = k_.whole("attention.head_count");
    k_.only("attention.head_count_kv", c_.*m);
  }
  void head_size(int C::*m, int heads, int width) {
    c_.*m = k_.whole("attention.key_length", width / heads);
    if (c_.*m < 2 || c_.*m % 2 != 0)
      k_.wrong("attention.key_length", std::to_string(c_.*m), "an even number: columns turn in pairs");
    k_.only("attention.value_length", c_.*m);
  }
  /// rope.dimension_count as a part of the columns of a head.
  void turned(double C::*m, int head_size) {
    const int columns = k_.whole("rope.dimension_count", head_size);
    if (columns % 2 != 0 || columns > head_size)
      k_.wrong("rope.dimension_count", std::to_string(columns),
               "an even number of the " + std::to_string(head_size) + " columns of a head");
    c_.*m = static_cast<double>(columns) / head_size;  // readers take the whole columns of this part
    while (static_cast<int>(c_.*m * head_size) < columns) c_.*m = std::nextafter(c_.*m, 2.0);
  }
  void experts(int C::*all, int C::*chosen) {
    c_.*all = k_.whole("expert_count");
    c_.*chosen = k_.whole("expert_used_count");
    if (c_.*chosen > c_.*all)
      k_.wrong("expert_used_count", std::to_string(c_.*chosen), "at most " + std::to_string(c_.*all));
    experts_ = true;
  }
  void scaling(fauna::RopeScaling C::*m, double base, int columns) { c_.*m = scaling_of(base, columns); }
  void no_scaling() { (void)scaling_of(0, 0, false); }

  C finished() {
    if (!experts_) k_.only("expert_count", 0), k_.only("expert_used_count", 0);
    return c_;
  }

 private:
  fauna::RopeScaling scaling_of(double base, int columns, bool any = true) {
    namespace d = gguf_fields_detail;
    using kinds = fauna::rope_scaling;
    const std::string kind = k_.text("rope.scaling.type", "none");
    const fauna::SafeTensor* freqs = k_.file().find(fauna::HubGguf::rope_freqs);
    if (freqs != nullptr) {
      std::vector<float> divisors(freqs->elements());
      fauna::read_floats(*freqs, 0, divisors.size(), divisors.data());
      const bool fits = any && kind == "none" && 2 * divisors.size() == static_cast<std::size_t>(columns);
      const auto s = fits ? d::llama3_scaling(divisors, k_.whole(d::original_length, d::usual_original), base)
                          : std::optional<fauna::RopeScaling>();
      if (!s)
        fauna::fail("config", k_.file().path() + " has " + freqs->name + ' ' + freqs->text(),
                    any ? "the divisors of Llama 3.1's rope_type llama3" : "none in this family");
      return *s;
    }
    if (any && kind == "linear") return {.kind = kinds::linear, .factor = k_.positive("rope.scaling.factor", 1)};
    if (any && kind == "yarn")
      return {.kind = kinds::yarn,
              .factor = k_.positive("rope.scaling.factor", 1),
              .low = k_.positive("rope.scaling.yarn_beta_slow", 1),
              .high = k_.positive("rope.scaling.yarn_beta_fast", 32),
              .original = k_.whole(d::original_length),
              .truncate = d::yarn_rounds(k_.file().text("general.architecture"))};
    if (kind != "none") k_.wrong("rope.scaling.type", kind, any ? "none, linear or yarn" : "none");
    return {};
  }

  GgufKeys& k_;
  C c_{};
  bool experts_ = false;
};

/// Puts the keys of a config, and knows what a reader will make of them.
template <class C> class GgufWriter {
 public:
  using config = C;
  GgufWriter(C const& c, const char* architecture, fauna::GgufMetadata& keys)
      : c_(c), keys_(keys), prefix_(std::string(architecture) + '.') {
    form_.architecture = fauna::gguf_architecture(architecture);
    keys.put("general.architecture", architecture);
  }

  C const& get() const { return c_; }
  void whole(const char* key, int C::*m) { put(key, said_.*m = c_.*m); }
  void whole(const char* key, int C::*m, int /*otherwise*/) { whole(key, m); }
  void real(const char* key, double C::*m, double /*otherwise*/) { put(key, said_.*m = c_.*m); }
  void real(const char* key, float C::*m, double /*otherwise*/) { put(key, said_.*m = c_.*m); }
  template <class T, class B> void option(const char* key, T B::*m, T otherwise) {
    said_.*m = c_.*m;
    if (c_.*m != otherwise) put(key, c_.*m);
  }
  void base(double C::*m) { put("rope.freq_base", said_.*m = c_.*m); }
  void inverse(const char* key, double C::*m) {
    said_.*m = c_.*m;
    put(key, 1 / c_.*m);
  }
  void flag(const char* key, bool C::*m, bool /*otherwise*/) { keys_.put(prefix_ + key, said_.*m = c_.*m); }
  void flag(const char* key, double C::*m, bool /*otherwise*/) {
    said_.*m = c_.*m > 0 ? 1 : 0;
    keys_.put(prefix_ + key, c_.*m > 0);
  }
  void tensor(const char*, bool C::*m, bool = true) { said_.*m = c_.*m; }
  template <class T, class B> void implied(T B::*m, T value) {
    said_.*m = value;
    if constexpr (std::is_same_v<T, double>)
      if (std::fabs(c_.*m / value - 1) < 1e-6) said_.*m = c_.*m;
  }
  template <class T, class B> void accepted(const char*, T B::*m, T value) { implied(m, value); }
  void period(int C::*m, int usual, const char* = nullptr) {
    const bool none = usual > form_.layers && c_.*m > form_.layers;  // no layer differs, either way
    said_.*m = none ? c_.*m : usual;
  }
  void window_pattern(int C::*m) {
    if (c_.window == fauna::unbounded) {
      said_.*m = 1;
      return;
    }
    std::vector<bool> windows;
    for (int i = 1; i <= c_.layers; ++i) windows.push_back(i % (c_.*m) != 0);
    keys_.put(prefix_ + "attention.sliding_window_pattern", windows);
    said_.*m = c_.*m > c_.layers ? fauna::unbounded : c_.*m;
  }
  void window_base(double C::*m) {
    said_.*m = c_.*m;
    if (c_.*m > 0) put("rope.freq_base_swa", c_.*m);
    else
      gguf_only(fauna::to_text(c_), c_.window == fauna::unbounded || c_.scaling.kind == fauna::rope_scaling::none,
                "scaled positions in layers without a window alone");
  }
  template <class T, class B> void of_training(T B::*m) { said_.*m = c_.*m; }
  void same(const char* key, int value) { put(key, value); }
  void unread(const char* key, int value) { put(key, value); }
  void product(const char* key, int C::*known, int C::*other) {
    said_.*other = c_.*other;
    put(key, c_.*known * (c_.*other));
  }
  void quotient(const char* key, int C::*known, int C::*other) {
    said_.*other = c_.*other;
    put(key, c_.*known / (c_.*other));
  }
  /// Of Mamba-2: groups of heads.
  void groups(const char* key, int C::*m) {
    whole(key, m);
    form_.heads.groups = c_.*m;
  }
  void same(const char* key, double value) { put(key, value); }
  void repeated(const char*, double) {}
  void ignored(const char*) {}
  void same(const char* key, bool value) { keys_.put(prefix_ + key, value); }
  void same(const char* key, const char* value) { keys_.put(prefix_ + key, value); }

  void window(int C::*m) { option("attention.sliding_window", m, fauna::unbounded); }
  void check(bool ok, const char*, int, std::string const& expected) { gguf_only(fauna::to_text(c_), ok, expected); }
  void head(bool C::*tied) {
    said_.*tied = c_.*tied;
    const fauna::gguf_head from = fauna::gguf_head_of(form_.architecture->name);
    gguf_only(fauna::to_text(c_), c_.*tied || from != fauna::gguf_head::table, "a head that is the token table");
    form_.head_twice = c_.*tied && from == fauna::gguf_head::own;
  }

  void layers(int C::*m, bool alike = true) {
    form_.alike = alike;
    whole("block_count", m);
    form_.layers = c_.*m;
  }
  template <class B, class D> void hybrid_heads(int C::*m, int D::*kv, fauna::letters B::*kinds, char other) {
    whole("attention.head_count", m);
    said_.*kv = c_.*kv;
    std::vector<std::uint32_t> all;
    std::string of_layers;
    for (int l = 0; l < c_.layers; ++l) {
      of_layers += (c_.*kinds).of(l) == 'a' ? 'a' : other;
      all.push_back(of_layers.back() == 'a' ? static_cast<std::uint32_t>(c_.*kv) : 0);
    }
    keys_.put(prefix_ + "attention.head_count_kv", all);
    said_.*kinds = same_kinds(c_.*kinds, of_layers);
    form_.heads = {c_.*m, c_.*kv};
    form_.alike = false;
  }
  template <class B> void kinds(const char*, const char*, fauna::letters B::*m, char with, char without) {
    std::string of_layers;
    for (int l = 0; l < c_.layers; ++l) of_layers += (c_.*m).of(l) == with ? with : without;
    said_.*m = same_kinds(c_.*m, of_layers);
    form_.alike = false;
  }
  template <class B> void cut_rounds(fauna::letters B::*) {}  // which kinds of layers follow from the rounds alone
  void vocab(int C::*m) { whole("vocab_size", m); }
  void heads(int C::*m, int C::*kv) {
    whole("attention.head_count", m);
    whole("attention.head_count_kv", kv);
    form_.heads = {c_.*m, c_.*kv};
  }
  void count(const char* key, int C::*m) { whole(key, m); }
  void sum(const char* key, int C::*known, int C::*other) {
    said_.*other = c_.*other;
    put(key, c_.*known + c_.*other);
  }
  void multiple(const char* key, int C::*one, int C::*all) {
    said_.*all = c_.*all / (c_.*one) * (c_.*one);
    put(key, c_.*all / (c_.*one));
  }
  void latent_heads(int C::*m) {
    whole("attention.head_count", m);
    put("attention.head_count_kv", 1);
    form_.heads = {.queries = c_.*m, .keys = 1, .values = c_.value};
    form_.further = true;
  }
  void latent_scaling(fauna::RopeScaling C::*m, double C::*scale, int columns) {
    namespace d = gguf_fields_detail;
    fauna::RopeScaling const& s = c_.*m;
    if (s.kind == fauna::rope_scaling::none) return;
    const double root = std::sqrt(c_.*scale * std::sqrt(columns)), most = 1e9;
    const double mscale = std::round((root - 1) / (0.1 * std::log(s.factor)) * most) / most;
    gguf_only(fauna::to_text(c_), s.kind == fauna::rope_scaling::yarn && s.factor > 1 && mscale > 0,
              "rotary positions that are not scaled, or by YaRN as in DeepSeek's papers");
    keys_.put(prefix_ + "rope.scaling.type", "yarn");
    put("rope.scaling.factor", s.factor);
    put(d::original_length, s.original);
    put("rope.scaling.yarn_beta_slow", s.low);
    put("rope.scaling.yarn_beta_fast", s.high);
    const auto multiplier = static_cast<float>(0.1 * mscale);
    put(d::log_multiplier, multiplier);
    said_.*m = d::latent_yarn(s.factor, s.low, s.high, s.original);
    said_.*scale = d::latent_scale(s.factor, shortest(multiplier), columns);
  }
  void heads(int C::*m) {
    whole("attention.head_count", m);
    same("attention.head_count_kv", c_.*m);
    form_.heads = {c_.*m, c_.*m};
  }
  void head_size(int C::*m, int, int) {
    whole("attention.key_length", m);
    same("attention.value_length", c_.*m);
  }
  void turned(double C::*m, int head_size) {
    const int columns = static_cast<int>(c_.*m * head_size);
    said_.*m = c_.*m;
    put("rope.dimension_count", columns);
  }
  void experts(int C::*all, int C::*chosen) {
    whole("expert_count", all);
    whole("expert_used_count", chosen);
    form_.experts = c_.*all;
    form_.architecture = fauna::gguf_architecture(
        form_.architecture->name, [](std::string_view tensor) { return tensor == fauna::gguf_of_experts; });
  }
  void scaling(fauna::RopeScaling C::*m, double base, int columns) {
    namespace d = gguf_fields_detail;
    using kinds = fauna::rope_scaling;
    fauna::RopeScaling const& s = c_.*m;
    if (s.kind == kinds::llama3) {
      gguf_only(fauna::to_text(c_), fauna::has_rope_freqs(form_.architecture->name),
                "another scaling than llama3, which llama.cpp reads of llama and granite alone");
      form_.rope_freqs = d::llama3_divisors(s, base, columns);
      const auto read = d::llama3_scaling(form_.rope_freqs, s.original, base);
      gguf_only(fauna::to_text(c_), read && *read == s,
                "low and high factors of 1 and 4, and frequencies low enough to be divided by the whole factor");
      if (s.original != d::usual_original) put(d::original_length, s.original);
    } else if (s.kind == kinds::linear || s.kind == kinds::yarn) {
      keys_.put(prefix_ + "rope.scaling.type", fauna::name_of(s.kind));
      put("rope.scaling.factor", s.factor);
      if (s.kind == kinds::yarn) {
        put(d::original_length, s.original);
        put("rope.scaling.yarn_beta_slow", s.low);
        put("rope.scaling.yarn_beta_fast", s.high);
        gguf_only(fauna::to_text(c_), s.truncate == d::yarn_rounds(form_.architecture->name) && s.attention == 0,
                  "YaRN as its paper has it, or gpt-oss, without rounding");
      }
    } else {
      gguf_only(fauna::to_text(c_), s.kind == kinds::none,
                "rotary positions that are not scaled, or as linear, yarn or llama3");
    }
    said_.*m = s;
  }
  void no_scaling() {}

  /// Throws unless the keys say all that the config does.
  GgufForm const& form() const {
    gguf_only(fauna::to_text(c_), said_ == c_, fauna::to_text(said_));
    return form_;
  }

 private:
  /// The letters of a config where these are its layers', else those that a reader makes of them.
  fauna::letters same_kinds(fauna::letters const& kinds, std::string const& of_layers) const {
    for (std::size_t l = 0; l < of_layers.size(); ++l)
      if (kinds.of(static_cast<int>(l)) != of_layers[l]) return shortest_round(of_layers);
    return kinds;
  }
  void put(const char* key, int value) { keys_.put(prefix_ + key, static_cast<std::uint32_t>(value)); }
  void put(const char* key, float value) { keys_.put(prefix_ + key, value); }
  void put(const char* key, double value) {
    const auto single = static_cast<float>(value);
    if (shortest(single) != value && static_cast<double>(single) != value)
      say(prefix_ + key + " is " + fauna::number_text::of(single) + " in the file, which has f32, for " +
          fauna::number_text::of(value));
    keys_.put(prefix_ + key, single);
  }

  C const& c_;
  C said_{};
  fauna::GgufMetadata& keys_;
  std::string prefix_;
  GgufForm form_{};
};

inline constexpr const char* gating = "expert_gating_func";
enum : int { gates_softmax = 1, gates_sigmoid = 2 };
inline constexpr const char *rms_epsilon = "attention.layer_norm_rms_epsilon",
                            *layer_epsilon = "attention.layer_norm_epsilon";

/// Layers, widths and heads, of any config that has them.
template <class Io> void gguf_sizes(Io& io, bool alike = true) {
  using C = typename Io::config;
  io.layers(&C::layers, alike);
  io.whole("context_length", &C::context);
  io.whole("embedding_length", &C::width);
  io.whole("feed_forward_length", &C::hidden);
  if constexpr (requires(C c) { c.kv_heads; }) io.heads(&C::heads, &C::kv_heads);
  else io.heads(&C::heads);
}
/// The norms' ε, the rows of the table, and whether it is the head.
template <class Io> void gguf_table(Io& io, const char* epsilon) {
  using C = typename Io::config;
  io.real(epsilon, &C::epsilon, 1e-5);
  io.vocab(&C::vocab);
  io.head(&C::tied);
}
/// How positions turn so many columns of a head.
template <class Io> void gguf_rotary(Io& io, int columns) {
  using C = typename Io::config;
  int turned = columns;
  if constexpr (requires(C c) { c.turned; }) {
    io.turned(&C::turned, columns);
    turned = static_cast<int>(io.get().turned * columns);
  } else {
    io.same("rope.dimension_count", columns);
  }
  io.check(turned % 2 == 0, "attention.head_count", io.get().heads, "heads of an even number of columns that turn");
  io.base(&C::base);
  if constexpr (requires(C c) { c.scaling; }) io.scaling(&C::scaling, io.get().base, turned);
  else io.no_scaling();
}
/// The columns of a head, of a config in which heads divide the width.
template <class Io> int gguf_head_columns(Io& io) {
  const int width = io.get().width, heads = io.get().heads;
  io.check(width % heads == 0, "attention.head_count", heads,
           "a number that divides the width, " + std::to_string(width));
  return width / heads;
}
/// Layers that have a window but for the last of each so many, with the rotary base of the others.
template <class Io> void gguf_windows(Io& io, int usual) {
  using C = typename Io::config;
  io.period(&C::full_every, usual, "attention.sliding_window_pattern");
  io.repeated("rope.freq_base_swa", io.get().base);
}
/// The other sizes of a decoder whose layers have attention, or another mixer, which has the letter `other`.
template <class Io, class B>
void gguf_hybrid(Io& io, fauna::letters B::*mixers, char other, int Io::config::*feed_forward = &Io::config::hidden) {
  using C = typename Io::config;
  io.whole("context_length", &C::context);
  io.whole("embedding_length", &C::width);
  io.whole("feed_forward_length", feed_forward);
  io.hybrid_heads(&C::heads, &C::kv_heads, mixers, other);
  io.head_size(&C::head_size, io.get().heads, io.get().width);
  gguf_table(io, rms_epsilon);
}
/// A decoder's sizes and positions.
template <class Io> void gguf_decoder(Io& io, const char* epsilon = rms_epsilon, bool alike = true) {
  using C = typename Io::config;
  gguf_sizes(io, alike);
  io.head_size(&C::head_size, io.get().heads, io.get().width);
  gguf_table(io, epsilon);
  gguf_rotary(io, io.get().head_size);
}
/// What llama.cpp wants of models without attention, whose context nothing bounds.
template <class Io> void gguf_recurrent(Io& io) {
  using C = typename Io::config;
  io.layers(&C::layers);
  io.unread("context_length", 1 << 20);
  io.whole("embedding_length", &C::width);
  io.unread("attention.head_count", 0);
}
/// What RWKV's versions have beside their ranks.
template <class Io> void gguf_rwkv(Io& io) {
  using C = typename Io::config;
  gguf_recurrent(io);
  io.check(io.get().layers >= 2, "block_count", io.get().layers, "2 or more");
  io.whole("feed_forward_length", &C::hidden);
  io.quotient("wkv.head_size", &C::width, &C::heads);
  io.same(layer_epsilon, 1e-5);
  io.vocab(&C::vocab);
}
/// Scores that are not divided by the root of a head's size.
template <class Io> void gguf_score_scale(Io& io) { io.option("attention.scale", &Io::config::score_scale, 0.0); }
/// A window in all layers.
template <class Io> void gguf_window(Io& io) {
  using C = typename Io::config;
  io.window(&C::window);
  io.implied(&C::full_every, io.get().window == fauna::unbounded ? 1 : fauna::unbounded);
}
/// What a mixture has beside its experts' number: their size, and whether their weights are summed to one.
template <class Io> void gguf_mixture(Io& io) {
  using C = typename Io::config;
  io.experts(&C::experts, &C::chosen);
  io.whole("expert_feed_forward_length", &C::expert_hidden);
  io.of_training(&C::balance);
}

/// Layers before the mixtures, shared experts, groups, and how weights of experts are made.
template <class Io> void gguf_grouped_mixture(Io& io, int gate) {
  using C = typename Io::config;
  gguf_mixture(io);
  io.count("leading_dense_block_count", &C::dense);
  io.multiple("expert_shared_count", &C::expert_hidden, &C::shared_hidden);
  io.option("expert_group_count", &C::groups, 1);
  constexpr const char* kept = "expert_group_used_count";
  if (io.get().groups > 1) io.whole(kept, &C::kept_groups, 1);
  else io.option(kept, &C::kept_groups, 1);
  io.option("expert_weights_scale", &C::weight_scale, 1.0F);
  io.flag("expert_weights_norm", &C::renormalised, false);
  io.same(gating, gate);
}

}  // namespace tool
