// A GGUF file's tensors as the hub's files have them: names, order of rows, an expert a tensor. What loads a model
// directory then loads such a file, and an adapter that was made for one fits the other. Numbers stay in the blocks
// that they are in where whole rows move; those that change, and matrices that are turned round, become f32.
#pragma once
#include <fauna/io/gguf.hpp>
#include <fauna/io/gguf_names.hpp>
#include <fauna/io/safetensors.hpp>

namespace fauna::inline v0 {

/// Of an architecture that is not in the table (io/gguf_names.hpp), the tensors are as the file has them.
class HubGguf : public Gguf {
 public:
  /// Throws as Gguf does, and for tensors whose shapes are not what their names say.
  explicit HubGguf(std::string const& path) : Gguf(path) {
    if (has("general.architecture"))
      architecture_ =
          gguf_architecture(text("general.architecture"), [this](auto name) { return find(name) != nullptr; });
    GgufArchitecture const* const a = architecture_;
    if (a == nullptr) return;
    heads_ = heads(std::string(a->name) + ".attention.");
    if (has(std::string(a->name) + ".wkv.head_size"))
      heads_.values = number_of(std::string(a->name) + ".wkv.head_size");
    if (has(std::string(a->name) + ".rescale_every_n_layers"))
      rescale_ = number_of(std::string(a->name) + ".rescale_every_n_layers");
    int last = 0x7fffffff;
    if (const std::string all = std::string(a->name) + ".block_count", behind = std::string(a->name) + '.' + further;
        has(all) && has(behind))
      last = number_of(all) - number_of(behind);
    std::vector<SafeTensor> keys, values;     // of attention over latents
    std::vector<SafeTensor> firsts, seconds;  // halves of one matrix
    std::vector<SafeTensor> evens, odds;      // and rows of one in turn
    const std::vector<SafeTensor> all = static_cast<std::vector<SafeTensor>&&>(tensors_);
    tensors_.clear();
    for (SafeTensor const& t : all) {
      if (t.name == rope_freqs) continue;  // it says of the config what config.json says in words
      if (gguf_unused(a->name, t.name) || gguf_layer(t.name) >= last) continue;
      GgufName to = hub_name(*a, t.name);
      if (to.name.empty()) {
        tensors_.push_back(t);  // whoever loads the model says that it has none of this name
        continue;
      }
      SafeTensor hub = t;
      hub.name = static_cast<std::string&&>(to.name);
      if (to.change == gguf_change::stacked) unstack(hub, to.letters);
      else if (to.change == gguf_change::latent_keys) keys.push_back(static_cast<SafeTensor&&>(hub));
      else if (to.change == gguf_change::latent_values) values.push_back(static_cast<SafeTensor&&>(hub));
      else if (to.change == gguf_change::first_half) firsts.push_back(static_cast<SafeTensor&&>(hub));
      else if (to.change == gguf_change::second_half) seconds.push_back(static_cast<SafeTensor&&>(hub));
      else if (to.change == gguf_change::even_rows) evens.push_back(static_cast<SafeTensor&&>(hub));
      else if (to.change == gguf_change::odd_rows) odds.push_back(static_cast<SafeTensor&&>(hub));
      else if (to.change == gguf_change::upright) tensors_.push_back(turned_round(static_cast<SafeTensor&&>(hub)));
      else tensors_.push_back(changed(static_cast<SafeTensor&&>(hub), to.change, gguf_layer(t.name)));
    }
    join(keys, values);
    join_halves(firsts, seconds, false);
    join_halves(evens, odds, true);
    index_names("gguf");
  }

  /// What the names were, by the file's own tensors; null: one that is not in the table.
  GgufArchitecture const* architecture() const { return architecture_; }

  /// Divisors of the frequencies of rotary positions, which Llama 3.1's files have.
  static constexpr const char* rope_freqs = "rope_freqs.weight";
  /// The key of how many of an architecture's last layers predict further tokens: these are left out.
  static constexpr const char* further = "nextn_predict_layers";

 private:
  int number_of(std::string const& key) const {
    const long long n = integer(key);
    if (n < 0 || n > 0x7fffffff) fail("gguf", path_ + " has a " + key + " of " + std::to_string(n), "0 to 2^31 - 1");
    return static_cast<int>(n);
  }
  GgufHeads heads(std::string const& prefix) const {
    const auto of = [&](const char* key, int otherwise) {
      if (!has(prefix + key)) return otherwise;
      if (!is_list(prefix + key)) return number_of(prefix + key);
      int most = 0;  // of a number for each layer, 0 where it has no heads
      for (const long long n : integers(prefix + key)) most = n > most && n <= 0x7fffffff ? static_cast<int>(n) : most;
      return most;
    };
    const int queries = of("head_count", 0);
    return {queries, of("head_count_kv", queries)};
  }
  std::byte* room(std::size_t bytes) {
    made_.emplace_back(bytes);
    return made_.back().data();
  }
  [[noreturn]] void wrong(SafeTensor const& t, const char* expected) const {
    fail("gguf", path_ + " has of " + t.name + ' ' + t.text(), expected);
  }

  /// One tensor an expert, of those of a layer, or a letter.
  void unstack(SafeTensor const& t, std::string_view letters) {
    if (t.shape.size() < 2) wrong(t, "the experts of a layer");
    const std::size_t n = t.shape[0], number = t.name.find('#');
    if (!letters.empty() && n != letters.size()) wrong(t, (std::to_string(letters.size()) + " parts").c_str());
    for (std::size_t e = 0; e < n; ++e) {
      SafeTensor one = t;
      one.name.replace(number, 1, letters.empty() ? std::to_string(e) : std::string(1, letters[e]));
      one.shape.erase(one.shape.begin());
      one.bytes = t.bytes / n;
      one.data = t.data + e * one.bytes;
      tensors_.push_back(static_cast<SafeTensor&&>(one));
    }
  }

  /// [heads (keys + values), latents] out of a layer's [heads, latents, keys] and [heads, values, latents].
  void join(std::vector<SafeTensor> const& keys, std::vector<SafeTensor> const& values) {
    for (SafeTensor const& v : values) {
      bool found = false;
      for (SafeTensor const& k : keys) found = found || k.name == v.name;
      if (!found) wrong(v, "a layer's keys beside its values");
    }
    for (SafeTensor const& k : keys) {
      SafeTensor const* v = nullptr;
      for (SafeTensor const& one : values)
        if (one.name == k.name) v = &one;
      if (v == nullptr) wrong(k, "a layer's values beside its keys");
      if (k.shape.size() != 3 || v->shape.size() != 3 || k.shape[0] != v->shape[0] || k.shape[1] != v->shape[2])
        wrong(k, ("[heads, latents, keys] beside values " + v->text()).c_str());
      const std::size_t heads = k.shape[0], latents = k.shape[1], of_head = k.shape[2], own = v->elements() / heads;
      std::vector<float> x(k.elements()), z(v->elements());
      read_floats(k, 0, x.size(), x.data());
      read_floats(*v, 0, z.size(), z.data());
      SafeTensor t = k;
      t.shape = {heads * of_head + v->shape[0] * v->shape[1], latents};
      t.dtype = "F32";
      t.bytes = (x.size() + z.size()) * sizeof(float);
      auto* y = reinterpret_cast<float*>(room(t.bytes));
      t.data = reinterpret_cast<const std::byte*>(y);
      for (std::size_t h = 0; h < heads; ++h) {
        for (std::size_t n = 0; n < of_head; ++n)
          for (std::size_t r = 0; r < latents; ++r) *y++ = x[(h * latents + r) * of_head + n];
        for (std::size_t e = 0; e < own; ++e) *y++ = z[h * own + e];
      }
      tensors_.push_back(static_cast<SafeTensor&&>(t));
    }
  }

  /// [2 rows, columns], or several of them, out of two of [rows, columns], in their blocks where both have the same:
  /// the rows of one behind the other's, or in turn.
  void join_halves(std::vector<SafeTensor> const& firsts, std::vector<SafeTensor> const& seconds, bool in_turn) {
    const auto other = [](SafeTensor const& one, std::vector<SafeTensor> const& of) -> SafeTensor const* {
      for (SafeTensor const& t : of)
        if (t.name == one.name) return &t;
      return nullptr;
    };
    for (SafeTensor const& s : seconds)
      if (other(s, firsts) == nullptr) wrong(s, "its first half beside the second");
    for (SafeTensor const& f : firsts) {
      SafeTensor const* s = other(f, seconds);
      if (s == nullptr || f.shape != s->shape || f.shape.size() < 2)
        wrong(f, "a matrix of this shape for the other half as well");
      const bool biases = in_turn && f.shape.size() == 2;  // of experts: rows of a number each
      const std::size_t rows = f.shape[f.shape.size() - (biases ? 1 : 2)],
                        count = in_turn ? f.elements() / (biases ? 1 : f.shape.back())
                                        : f.elements() / (rows * f.shape.back());  // of what is taken in turn
      SafeTensor t = f;
      t.shape[t.shape.size() - (biases ? 1 : 2)] = 2 * rows;
      const bool same = f.dtype == s->dtype;
      if (!same) t.dtype = "F32";
      const std::size_t half = same ? f.bytes / count : f.elements() / count * sizeof(float);
      t.bytes = 2 * count * half;
      std::byte* to = room(t.bytes);
      t.data = to;
      for (std::size_t i = 0; i < count; ++i)
        for (SafeTensor const* part : {&f, s}) {
          if (same) std::memcpy(to, part->data + i * half, half);
          else read_floats(*part, i * f.elements() / count, f.elements() / count, reinterpret_cast<float*>(to));
          to += half;
        }
      tensors_.push_back(in_turn ? turned_round(static_cast<SafeTensor&&>(t)) : static_cast<SafeTensor&&>(t));
    }
  }
  /// Matrices of plain numbers under a name without _blocks, turned round; what is in blocks, and biases, as they are.
  SafeTensor turned_round(SafeTensor t) {
    const bool plain = t.dtype == "F32" || t.dtype == "F16" || t.dtype == "BF16";
    if (!plain || !std::string_view(t.name).ends_with(in_blocks_end)) return t;
    t.name.resize(t.name.size() - in_blocks_end.size());
    if (t.shape.size() != 3) wrong(t, "the experts of a layer");
    const std::size_t rows = t.shape[1], columns = t.shape[2], bytes = t.bytes / t.elements(), size = rows * columns;
    std::byte* to = room(t.bytes);
    const std::byte* from = t.data;
    t.data = to;
    for (std::size_t e = 0; e < t.shape[0]; ++e, from += size * bytes)
      for (std::size_t c = 0; c < columns; ++c)
        for (std::size_t r = 0; r < rows; ++r, to += bytes) std::memcpy(to, from + (r * columns + c) * bytes, bytes);
    std::swap(t.shape[1], t.shape[2]);
    return t;
  }

  SafeTensor changed(SafeTensor t, gguf_change change, int layer) {
    const int halvings = change == gguf_change::rescaled && rescale_ > 0 ? layer / rescale_ : 0;
    if (moves_rows(change)) {
      const std::size_t rows = t.shape[0], bytes = t.bytes / rows;
      if (bytes * rows != t.bytes) wrong(t, "whole rows");
      std::byte* const to = room(t.bytes);
      for (std::size_t r = 0; r < rows; ++r)
        std::memcpy(to + hub_row(change, heads_, r, rows) * bytes, t.data + r * bytes, bytes);
      t.data = to;
    } else if (change == gguf_change::one_row) {
      if (t.shape.size() == 1) t.shape.insert(t.shape.begin(), 1);
    } else if (change == gguf_change::middle) {
      if (t.shape.size() == 2) t.shape.insert(t.shape.begin() + 1, 1);
    } else if (change == gguf_change::column || change == gguf_change::groups) {
      t.shape = {t.elements()};
    } else if (change == gguf_change::cube) {
      t.shape = {1, 1, t.elements()};
    } else if (change == gguf_change::by_heads) {
      const auto n = static_cast<std::size_t>(heads_.values);
      if (n == 0 || t.elements() % n != 0) wrong(t, ("heads of " + std::to_string(n) + " columns").c_str());
      t.shape = {t.elements() / n, n};
    } else if (changes_values(change) || change == gguf_change::transposed || halvings > 0) {
      std::vector<float> x(t.elements());
      read_floats(t, 0, x.size(), x.data());
      auto* const y = reinterpret_cast<float*>(room(x.size() * sizeof(float)));
      if (change == gguf_change::transposed) {
        turn(t, x.data(), y);
      } else {
        for (std::size_t i = 0; i < x.size(); ++i)
          y[i] = halvings > 0 ? std::ldexp(x[i], halvings) : hub_value(change, x[i]);
        if (change == gguf_change::rate_column) t.shape = {x.size()};
      }
      t.dtype = "F32";
      t.bytes = x.size() * sizeof(float);
      t.data = reinterpret_cast<const std::byte*>(y);
    }
    return t;
  }

  /// Each of the matrices x turned round, as y.
  void turn(SafeTensor& t, const float* x, float* y) const {
    const std::size_t n = t.shape.size();
    if (n != 2 && n != 3) wrong(t, "a matrix, or several");
    const std::size_t rows = t.shape[n - 2], columns = t.shape[n - 1], size = rows * columns;
    for (const float* const end = x + t.elements(); x != end; x += size, y += size)
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < columns; ++c) y[c * rows + r] = x[r * columns + c];
    std::swap(t.shape[n - 2], t.shape[n - 1]);
  }

  GgufArchitecture const* architecture_ = nullptr;
  GgufHeads heads_;
  int rescale_ = 0;  ///< layers after which RWKV-6's stream is halved; 0: it is not
};

}  // namespace fauna::inline v0
