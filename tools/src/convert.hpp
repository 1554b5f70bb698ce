// fauna convert: a model directory as a GGUF file, and back: weights, config, tokenizer and chat template.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fauna/core/number_text.hpp>
#include <fauna/io/print.hpp>
#include <fauna/io/quants/mix.hpp>
#include <fauna/text/gguf_vocab.hpp>
#include <fauna/text/gguf_vocab_writer.hpp>
#include <fauna/text/sentencepiece_writer.hpp>
#include <fauna/text/tokenizer_json_writer.hpp>
#include <tools/src/chat.hpp>
#include <tools/src/checks.hpp>
#include <tools/src/directory.hpp>
#include <tools/src/tokenizers.hpp>

namespace tool {

namespace convert_detail {

/// A tensor of the new file, out of one of the old, or, of a layer's experts, out of one each.
struct Converted : fauna::SafeTensor {
  std::vector<const fauna::SafeTensor*> from{};
  fauna::gguf_change change = fauna::gguf_change::none;
  fauna::GgufHeads heads{};
};

inline std::size_t bytes_of(std::string const& dtype, std::size_t elements) {
  if (fauna::BlockFormat const* f = fauna::block_format(dtype)) return elements / f->elements * f->bytes;
  return elements * fauna::safetensors_detail::bits_of(dtype) / 8;
}

/// Numbers of a row as a type has them; `of` names the tensor in errors.
inline void encode(std::vector<float> const& x, std::string const& dtype, std::byte* to, std::string const& of) {
  const auto each = [&]<class T>(T) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      const T y(x[i]);
      std::memcpy(to + i * sizeof y, &y, sizeof y);
    }
  };
  if (dtype == "F32") return each(float{});
  if (dtype == "BF16") return each(fauna::bf16{});
  const float most = dtype == "MXFP4" ? 6 * 0x1p126F : 65504;  // an f16, or the scale of a block, which is one
  for (const float v : x)
    if (!(std::fabs(v) <= most))
      fauna::fail("convert", of + " has the number " + std::to_string(v),
                  "at most " + fauna::number_text::of(most) + " for " + dtype);
  if (dtype == "F16") return each(fauna::f16{});
  fauna::BlockFormat const& f = *fauna::block_format(dtype);
  for (std::size_t i = 0; i < x.size() / f.elements; ++i) f.write(x.data() + i * f.elements, to + i * f.bytes);
}

/// The keys of each head, turned round, or its values, out of a matrix that has both.
inline void convert_latents(Converted const& t, fauna::SafeTensor const& from, std::byte* to) {
  const bool keys = t.change == fauna::gguf_change::latent_keys;
  const std::size_t heads = t.shape[0], rows = t.shape[1], columns = t.shape[2], bytes = bytes_of(t.dtype, columns);
  const std::size_t latents = keys ? rows : columns, of_head = from.shape[0] / heads;
  std::vector<float> head(of_head * latents), row(columns);
  for (std::size_t h = 0; h < heads; ++h) {
    fauna::read_floats(from, h * head.size(), head.size(), head.data());
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t c = 0; c < columns; ++c)
        row[c] = keys ? head[c * latents + r] : head[(of_head - rows + r) * latents + c];
      encode(row, t.dtype, to + (h * rows + r) * bytes, t.name);
    }
  }
}

/// Half of the rows of a matrix, or of each of several.
inline void convert_half(Converted const& t, fauna::SafeTensor const& from, std::byte* to) {
  const std::size_t half = t.shape[t.shape.size() - 2], columns = t.shape.back(), bytes = bytes_of(t.dtype, columns),
                    behind = t.change == fauna::gguf_change::second_half ? half : 0;
  std::vector<float> row(columns);
  for (std::size_t r = 0; r < t.elements() / columns; ++r) {
    fauna::read_floats(from, (r / half * 2 * half + behind + r % half) * columns, columns, row.data());
    encode(row, t.dtype, to + r * bytes, t.name);
  }
}

/// Are these gpt-oss's matrices as the hub has them in blocks, not turned round?
inline bool in_blocks_there(std::string_view name) { return name.ends_with(fauna::in_blocks_end); }

/// Every other row of each of several matrices, or every other number of their biases.
inline void convert_every_other(Converted const& t, fauna::SafeTensor const& from, std::byte* to) {
  const std::size_t first = t.change == fauna::gguf_change::odd_rows ? 1 : 0, n = t.shape[0], rows = t.shape[1],
                    columns = t.shape.size() == 2 ? 1 : t.shape[2], bytes = bytes_of(t.dtype, columns);
  const bool upright = t.shape.size() == 2 || in_blocks_there(from.name);
  std::vector<float> all(2 * rows * columns), row(columns);
  for (std::size_t e = 0; e < n; ++e) {
    fauna::read_floats(from, e * all.size(), all.size(), all.data());
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t at = 2 * r + first;
      for (std::size_t c = 0; c < columns; ++c) row[c] = all[upright ? at * columns + c : c * 2 * rows + at];
      encode(row, t.dtype, to + (e * rows + r) * bytes, t.name);
    }
  }
}

/// The shape of a tensor in GGUF. Throws, naming it, where the hub's is not one of that kind.
inline std::vector<std::size_t> gguf_shape(fauna::SafeTensor const& t, fauna::gguf_change change,
                                           fauna::GgufHeads const& heads) {
  using enum fauna::gguf_change;
  const auto require = [&t](bool is, std::string const& expected) {
    if (!is) fauna::fail("convert", t.name + ' ' + t.text(), expected);
  };
  std::vector<std::size_t> s = t.shape;
  switch (change) {
    case transposed:
      require(s.size() == 2 || s.size() == 3, "a matrix, or several");
      std::swap(s[s.size() - 2], s[s.size() - 1]);
      break;
    case cube:
    case by_heads: s = {t.elements()}; break;
    case one_row: s = {t.elements()}; break;
    case middle:
      require(s.size() == 3 && s[1] == 1, "[channels, 1, taps]");
      s.erase(s.begin() + 1);
      break;
    case column:
    case rate_column: s = {t.elements(), 1}; break;
    case groups: {
      const auto n = static_cast<std::size_t>(heads.groups);
      require(t.elements() % n == 0, "columns of " + std::to_string(n) + " groups");
      s = {n, t.elements() / n};
      break;
    }
    case latent_keys:
    case latent_values: {
      const auto n = static_cast<std::size_t>(heads.queries), values = static_cast<std::size_t>(heads.values);
      require(s.size() == 2 && s[0] % n == 0 && s[0] / n > values,
              "rows of keys and " + std::to_string(values) + " values of " + std::to_string(n) + " heads");
      s = change == latent_keys ? std::vector{n, s[1], s[0] / n - values} : std::vector{n, values, s[1]};
      break;
    }
    case first_half:
    case second_half:
      require(s.size() >= 2 && s[s.size() - 2] % 2 == 0, "a matrix of two halves");
      s[s.size() - 2] /= 2;
      break;
    case even_rows:
    case odd_rows: {
      require(s.size() == 2 || s.size() == 3, "the experts of a layer");
      if (s.size() == 3 && !in_blocks_there(t.name)) std::swap(s[1], s[2]);
      require(s[1] % 2 == 0, "rows of two kinds in turn");
      s[1] /= 2;
      break;
    }
    default: break;
  }
  return s;
}

/// The layer of a tensor of the hub's, 3 of "model.layers.3.mlp.up_proj.weight"; -1 where it is of none.
inline int layer_of(std::string_view name) {
  constexpr std::string_view layers = "model.layers.";
  if (!name.starts_with(layers)) return -1;
  return fauna::gguf_layer("blk." + std::string(name.substr(layers.size())));
}

/// What becomes of one tensor of the old file, at `to`.
inline void convert_one(Converted const& t, fauna::SafeTensor const& from, std::byte* to) {
  const std::size_t rows = from.shape[0], columns = from.elements() / rows, bytes = bytes_of(t.dtype, columns);
  const bool moved = fauna::moves_rows(t.change);
  if (t.change == fauna::gguf_change::transposed) {
    const std::size_t out = t.shape[t.shape.size() - 2], in = t.shape.back();
    std::vector<float> one(in * out), row(in);
    for (std::size_t at = 0; at < from.elements(); at += one.size()) {
      fauna::read_floats(from, at, one.size(), one.data());
      for (std::size_t c = 0; c < out; ++c) {
        for (std::size_t r = 0; r < in; ++r) row[r] = one[r * out + c];
        encode(row, t.dtype, to, t.name);
        to += bytes_of(t.dtype, in);
      }
    }
    return;
  }
  if (t.change == fauna::gguf_change::latent_keys || t.change == fauna::gguf_change::latent_values)
    return convert_latents(t, from, to);
  if (t.change == fauna::gguf_change::first_half || t.change == fauna::gguf_change::second_half)
    return convert_half(t, from, to);
  if (t.change == fauna::gguf_change::even_rows || t.change == fauna::gguf_change::odd_rows)
    return convert_every_other(t, from, to);
  std::vector<float> row(columns);
  for (std::size_t r = 0; r < rows; ++r) {
    const std::size_t source = moved ? fauna::hub_row(t.change, t.heads, r, rows) : r;
    if (t.dtype == from.dtype && from.parts.empty() && !fauna::changes_values(t.change)) {
      std::memcpy(to + r * bytes, from.data + source * bytes, bytes);
      continue;
    }
    fauna::read_floats(from, source * columns, columns, row.data());
    if (fauna::changes_values(t.change))
      for (float& x : row) x = fauna::gguf_value(t.change, x);
    encode(row, t.dtype, to + r * bytes, t.name);
  }
}

/// All bytes of a tensor: as they are in the old file, but for order and type.
inline const std::byte* converted(Converted const& t, std::vector<std::byte>& room) {
  fauna::SafeTensor const& first = *t.from[0];
  if (t.change == fauna::gguf_change::none && t.dtype == first.dtype && first.parts.empty()) return first.data;
  room.resize(t.bytes);
  for (std::size_t i = 0; i < t.from.size(); ++i)
    convert_one(t, *t.from[i], room.data() + i * (t.bytes / t.from.size()));
  return room.data();
}

inline bool plain(std::string const& dtype) { return dtype == "F32" || dtype == "F16" || dtype == "BF16"; }

/// A tensor of the new file, whose type is not set yet.
inline Converted renamed(fauna::SafeTensor const& from, std::string name) {
  if (!fauna::has_floats(from.dtype))
    fauna::fail("convert", from.name + " is of dtype " + from.dtype, "a type whose numbers are read");
  Converted t;
  t.name = std::move(name);
  t.shape = from.shape;
  t.from = {&from};
  return t;
}
inline void set_type(Converted& t, std::string const& dtype) {
  t.dtype = dtype;
  t.bytes = bytes_of(dtype, t.elements());
}

/// Throws unless there are as many layers as the config says, with the same parts where all are alike, and as many
/// experts in each.
inline void require_layers(std::vector<Converted> const& tensors, GgufForm const& form, std::string const& path) {
  std::map<std::string, int> layers;
  for (Converted const& t : tensors) {
    for (std::size_t e = 0; e < t.from.size(); ++e)
      if (t.from[e] == nullptr)
        fauna::fail("convert", path + " has no part " + std::to_string(e) + " for " + t.name,
                    std::to_string(t.from.size()) + " in each layer, as its config says");
    if (!t.name.starts_with("blk.")) continue;
    const std::size_t part = t.name.find('.', 4);
    if (fauna::gguf_layer(t.name) >= form.layers)
      fauna::fail("convert", path + " has " + t.from[0]->name,
                  std::to_string(form.layers) + " layers, as its config says");
    ++layers[t.name.substr(part + 1)];
  }
  for (auto const& [part, n] : layers)
    if (form.alike && n != form.layers)
      fauna::fail("convert", path + " has " + part + " in " + std::to_string(n) + " layers",
                  "in all " + std::to_string(form.layers));
}

/// Is it a matrix that products read? What llama.cpp leaves in f32 as well is not: tables of positions, routers, short
/// convolutions, RWKV's small matrices.
inline bool is_product(fauna::SafeTensor const& t) {
  if (t.shape.size() < 2 || !t.name.ends_with(".weight")) return false;
  for (const char* part : {"_norm.weight", "position_embd", "token_types", "ffn_gate_inp", "ssm_conv1d", "shortconv",
                           "time_mix_first", "time_mix_w", "time_mix_a", "time_mix_v0", "time_mix_v1", "time_mix_v2",
                           "time_mix_g1", "time_mix_g2", "time_mix_lerp", "time_mix_decay_w"})
    if (t.name.find(part) != std::string::npos) return false;
  return true;
}

/// As a file calls the type of most of its matrices, and the number of that in general.file_type.
inline std::uint32_t file_type(std::string const& type) {
  if (const fauna::QuantMix* m = fauna::mix_of(type)) return m->file_type;
  static const std::map<std::string, std::uint32_t> known{{"F32", 0},  {"F16", 1},  {"Q4_0", 2}, {"Q4_1", 3},
                                                          {"Q8_0", 7}, {"Q5_0", 8}, {"Q5_1", 9}, {"BF16", 32}};
  return known.at(type);
}

/// Throws unless it is a type that all matrices may have, or a mix of types.
inline void require_gguf_type(std::string const& type) {
  std::vector<std::string> known{"F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"};
  for (fauna::QuantMix const& m : fauna::mixes) known.emplace_back(m.name);
  one_of("type", type, known);
}
/// What a matrix of a file in this type is in: by the rules of a mix, or the head in Q8_0 where the rest is in fewer
/// bits. One whose rows are no whole blocks is in F16, which is said.
inline std::string type_of_matrix(std::string const& type, std::string const& name, std::size_t columns,
                                  fauna::QuantModel const& model, bool head) {
  if (plain(type)) return type;
  const fauna::QuantMix* const mix = fauna::mix_of(type);
  const std::string own(mix != nullptr ? fauna::mixed(*mix, name, model, head, columns)
                                       : fauna::fitting(head ? "Q8_0" : type, columns));
  if (own == "F16") say(name + " has rows of " + std::to_string(columns) + ", which are no whole blocks: it is in F16");
  return own;
}

/// The ids of special tokens by their names there, "bos_token": a directory's, of a tokenizer with these texts.
inline std::map<std::string, int> special_ids(std::string const& directory, fauna::Bpe const& tokenizer) {
  std::vector<std::pair<std::string, std::string>> texts;
  chat_detail::read_tokens(directory + "/special_tokens_map.json", texts);
  chat_detail::read_tokens(directory + "/tokenizer_config.json", texts);
  std::map<std::string, int> ids;
  for (auto const& [name, text] : texts)
    if (const int id = tokenizer.id(text); id >= 0) ids[name] = id;
  const Config::Json config = Config::Json::parse(fauna::read_file(directory + "/config.json"));
  for (const char* name : {"bos_token", "eos_token", "pad_token"}) {
    const std::string field = name + std::string("_id");
    if (ids.count(name) == 0 && config.contains(field) && config[field].is_number_integer() &&
        tokenizer.has(config[field].get<int>()))
      ids[name] = config[field].get<int>();
  }
  return ids;
}

/// Puts the tokenizer of a directory, its chat template, and which tokens begin and end what.
inline void put_tokenizer(fauna::GgufMetadata& keys, std::string const& directory, int rows,
                          std::vector<long long> const& stop_ids) {
  // Of SentencePiece's pieces GGUF wants the scores, which a tokenizer.json does not have.
  const std::string model = directory + "/tokenizer.model", path = directory + "/tokenizer.json";
  const bool pieces = fauna::exists(model);
  if (!pieces && !fauna::exists(path)) {
    keys.put("tokenizer.ggml.model", fauna::gguf_no_vocab);  // llama.cpp reads no file without the key
    return say(directory + " has no tokenizer.json: the file will have no tokenizer");
  }
  const fauna::BpeSettings settings =
      pieces ? sentencepiece_settings(model) : fauna::read_tokenizer_json(fauna::read_file(path), path);
  const fauna::Bpe tokenizer(settings);
  if (pieces) fauna::put_gguf_pieces(keys, settings, rows);
  else fauna::put_gguf_vocab(keys, settings, rows);
  for (fauna::AddedToken const& t : settings.added)
    if (t.lstrip || t.rstrip || (t.normalized && !settings.edits.empty()))
      say(path + ": " + t.content + " takes white space beside it or is normalized, which GGUF cannot say: not there");
  std::map<std::string, int> ids = special_ids(directory, tokenizer);
  if (!settings.prefix.empty()) ids["bos_token"] = settings.prefix[0];
  if (!settings.suffix.empty()) ids["eos_token"] = settings.suffix[0];
  else if (ids.count("eos_token") == 0 && !stop_ids.empty()) ids["eos_token"] = static_cast<int>(stop_ids[0]);
  for (const long long stop : stop_ids) {
    const int id = static_cast<int>(stop);
    if (!tokenizer.has(id) || (ids.count("eos_token") > 0 && id == ids["eos_token"])) continue;
    const std::string end = tokenizer.bytes(id).find("eom") != std::string_view::npos ? "eom_token" : "eot_token";
    if (!ids.emplace(end, id).second)
      say(directory + " ends texts with the token " + std::to_string(id) + " as well, for which GGUF has no key left");
  }
  const std::pair<const char*, const char*> names[] = {
      {"bos_token", "bos"},     {"eos_token", "eos"},       {"eot_token", "eot"},    {"eom_token", "eom"},
      {"unk_token", "unknown"}, {"sep_token", "seperator"}, {"pad_token", "padding"}};
  for (auto const& [name, theirs] : names)
    if (const auto found = ids.find(name); found != ids.end())
      keys.put(std::string("tokenizer.ggml.") + theirs + "_token_id", static_cast<std::uint32_t>(found->second));
  std::string where, text;
  if (fauna::exists(directory + "/chat_template.jinja")) text = fauna::read_file(directory + "/chat_template.jinja");
  else if (!chat_detail::template_in(directory + "/tokenizer_config.json", false, where, text))
    chat_detail::template_in(directory + "/chat_template.json", false, where, text);
  if (!text.empty()) keys.put("tokenizer.chat_template", text);
}

}  // namespace convert_detail

/// Writes a model directory as a GGUF file. `type`: of the matrices; empty: that of the token table. Vectors are in
/// f32, as every reader of the format has them; the head, or the table that it is tied to, is in Q8_0 where the rest is
/// in fewer bits, and a matrix whose rows are no whole blocks in F16.
inline void directory_to_gguf(std::string const& from, std::string const& to, std::string type, Use use = {}) {
  namespace d = convert_detail;
  const Directory directory = read_config(from, use);
  fauna::GgufMetadata keys;
  const std::optional<GgufForm> form = directory.model->to_gguf(keys);
  if (!form) {
    std::set<std::string> words;
    for (auto const& [name, f] : families())
      if (f.gguf_name != nullptr) words.insert(f.word);
    std::string known;
    for (std::string const& word : words) known += (known.empty() ? "" : ", ") + word;
    fauna::fail("convert", from + " is a model of " + directory.model->line(),
                "one of a family that GGUF is written of", "these are " + known);
  }
  const fauna::TensorFile file = fauna::open_tensors(from);
  fauna::ConfigNames const& names = directory.model->names();
  const bool tied = directory.model->tied();
  std::vector<d::Converted> tensors;
  fauna::SafeTensor freqs;
  if (!form->rope_freqs.empty()) {
    freqs.name = fauna::HubGguf::rope_freqs;
    freqs.dtype = "F32";
    freqs.shape = {form->rope_freqs.size()};
    freqs.data = reinterpret_cast<const std::byte*>(form->rope_freqs.data());
    freqs.bytes = freqs.elements() * sizeof(float);
    tensors.push_back(d::renamed(freqs, freqs.name));
  }
  std::map<std::string, std::size_t> stacks;  // by the name of the whole
  for (fauna::SafeTensor const& t : file.tensors()) {
    bool ignored = tied && t.name == names.head && file.find(names.table) != nullptr;
    for (auto const& pattern : fauna::LoadOptions{}.ignored) ignored = ignored || fauna::matches(pattern, t.name);
    ignored = ignored || (form->further && d::layer_of(t.name) >= form->layers);
    if (ignored) continue;
    const std::string hub = tied && t.name == names.head ? names.table : t.name;
    fauna::GgufName name = fauna::gguf_name(*form->architecture, hub);
    if (name.name.empty()) fauna::fail("convert", file.path() + " has " + t.name, "tensors that GGUF has a name for");
    if (fauna::gguf_unused(form->architecture->name, name.name)) continue;
    d::Converted c = d::renamed(t, std::move(name.name));
    c.change = name.change;
    if (c.change == fauna::gguf_change::upright)
      c.change = d::in_blocks_there(t.name) ? fauna::gguf_change::none : fauna::gguf_change::transposed;
    c.heads = form->heads;
    c.shape = d::gguf_shape(t, c.change, form->heads);
    const auto also = [&](fauna::gguf_change change, std::string_view part, std::string_view other) {
      tensors.push_back(c);
      c.change = change;
      c.shape = d::gguf_shape(t, change, form->heads);
      c.name.replace(c.name.find(part), part.size(), other);
    };
    if (c.change == fauna::gguf_change::latent_keys) also(fauna::gguf_change::latent_values, "_k_b", "_v_b");
    if (c.change == fauna::gguf_change::first_half) also(fauna::gguf_change::second_half, "ffn_gate", "ffn_up");
    if (c.change == fauna::gguf_change::even_rows) also(fauna::gguf_change::odd_rows, "ffn_gate", "ffn_up");
    if (c.change == fauna::gguf_change::stacked) {
      const auto [stack, first] = stacks.emplace(c.name, tensors.size());
      const bool letters = !name.letters.empty();
      c.from.assign(letters ? name.letters.size() : static_cast<std::size_t>(form->experts), nullptr);
      std::size_t expert = c.from.size();  // as a number that is too long leaves it
      if (letters) expert = name.letters.find(name.expert);
      else fauna::number_text::parse(std::string(name.expert), expert);
      c.shape.insert(c.shape.begin(), c.from.size());
      if (first) tensors.push_back(c);
      d::Converted& whole = tensors[stack->second];
      if (expert >= whole.from.size() || c.shape != whole.shape)
        fauna::fail("convert", file.path() + " has " + t.name + ' ' + t.text(),
                    std::to_string(c.from.size()) + " parts of one shape, as its config says");
      whole.from[expert] = &t;
      continue;
    }
    // llama.cpp wants them to be there, in the learning rate's shapes.
    constexpr std::string_view rate = "blk.0.time_mix_a";
    if (std::string unused = c.name; unused.starts_with(rate)) {
      unused[rate.size() - 1] = 'v';
      if (fauna::gguf_unused(form->architecture->name, unused)) tensors.push_back(c), tensors.back().name = unused;
    }
    tensors.push_back(std::move(c));
  }
  if (form->head_twice)
    for (std::size_t i = 0, n = tensors.size(); i < n; ++i)
      if (tensors[i].name == "token_embd.weight") {
        d::Converted head = tensors[i];
        head.name = "output.weight";
        tensors.push_back(std::move(head));
      }
  d::require_layers(tensors, *form, file.path());
  const std::string head = tied ? "token_embd.weight" : "output.weight";
  for (d::Converted const& t : tensors)
    if (type.empty() && t.name == "token_embd.weight") type = d::plain(t.from[0]->dtype) ? t.from[0]->dtype : "F32";
  d::require_gguf_type(type);
  const fauna::QuantModel model{form->layers, form->experts, form->architecture->name == "falcon"};
  for (d::Converted& t : tensors) {
    const bool logits = t.name == head || t.name == "output.weight",
               as_they_are = d::plain(type) && t.from[0]->dtype == fauna::scaled_mxfp4;  // no number is another one
    d::set_type(t, as_they_are        ? "MXFP4"
                   : d::is_product(t) ? d::type_of_matrix(type, t.name, t.shape.back(), model, logits)
                                      : "F32");
  }
  keys.put("general.file_type", d::file_type(type));
  if (!d::plain(type)) keys.put("general.quantization_version", std::uint32_t{2});
  d::put_tokenizer(keys, from, directory.model->vocab(), directory.stop_ids);
  std::vector<std::byte> room;
  fauna::write_gguf(to, keys, tensors, [&room](d::Converted const& t) { return d::converted(t, room); });
  fauna::print(stdout, "wrote " + to + ": " + std::to_string(tensors.size()) + " tensors, matrices in " + type + '\n');
}

namespace convert_detail {

/// Are all numbers those of a smaller type?
inline bool exact_in(std::string const& dtype, fauna::SafeTensor const& t) {
  std::vector<float> x(t.elements());
  fauna::read_floats(t, 0, x.size(), x.data());
  for (const float v : x)
    if ((dtype == "F16" ? static_cast<float>(fauna::f16(v)) : static_cast<float>(fauna::bf16(v))) != v) return false;
  return true;
}

/// Writes tokenizer.json, tokenizer_config.json and chat_template.jinja, and puts the special ids into a config.json;
/// the names of what was written.
inline std::string write_tokenizer(fauna::Gguf const& file, std::string const& to, int context, Config::Json& config) {
  const auto id_of = [&](std::string const& name) -> Config::Json {
    const std::string key = "tokenizer.ggml." + name + "_token_id";
    return file.has(key) ? Config::Json(file.integer(key)) : Config::Json(nullptr);
  };
  config["bos_token_id"] = id_of("bos");
  config["pad_token_id"] = id_of("padding");
  const std::vector<long long> stops = fauna::gguf_stop_ids(file);
  config["eos_token_id"] = nullptr;
  if (stops.size() == 1) config["eos_token_id"] = stops[0];
  else if (!stops.empty()) config["eos_token_id"] = stops;
  std::string written;
  if (file.has("tokenizer.ggml.model") && file.text("tokenizer.ggml.model") != fauna::gguf_no_vocab) {
    const fauna::BpeSettings settings = fauna::read_gguf_vocab(file);
    const bool pieces = settings.rule != fauna::word_rule::merges;
    const char* const name_of_file = pieces ? "tokenizer.model" : "tokenizer.json";
    fauna::write_file(to + '/' + name_of_file,
                      pieces ? fauna::sentencepiece_model(settings) : fauna::tokenizer_json_text(settings));
    const auto tokens = file.texts("tokenizer.ggml.tokens");
    Config::Json t{{"tokenizer_class", "PreTrainedTokenizerFast"},
                   {"clean_up_tokenization_spaces", false},
                   {"model_max_length", context}};
    const std::pair<const char*, const char*> names[] = {
        {"bos_token", "bos"}, {"eos_token", "eos"}, {"unk_token", "unknown"}, {"pad_token", "padding"}};
    for (auto const& [name, theirs] : names)
      if (const Config::Json id = id_of(theirs); !id.is_null() && id >= 0 && id < tokens.size())
        t[name] = tokens[id.get<std::size_t>()];
    if (pieces) t["add_bos_token"] = !settings.prefix.empty(), t["add_eos_token"] = !settings.suffix.empty();
    fauna::write_file(to + "/tokenizer_config.json", t.dump(2) + '\n');
    written = std::string(", ") + name_of_file + ", tokenizer_config.json";
  } else {
    say(file.path() + " has no tokenizer: the folder will have none");
  }
  if (!file.has("tokenizer.chat_template")) return written;
  fauna::write_file(to + "/chat_template.jinja", std::string(file.text("tokenizer.chat_template")));
  return written + ", chat_template.jinja";
}

}  // namespace convert_detail

/// Writes a GGUF file as a model directory. `type`: F32, F16 or BF16; empty: that of the file's table, where it is one
/// of these, else F32. Vectors are in that type too where it holds all of their numbers exactly, else in F32, so that
/// nothing is lost that was not asked for.
inline void gguf_to_directory(std::string const& from, std::string const& to, std::string type) {
  namespace d = convert_detail;
  const AnyModel model = model_of_gguf(from);
  const fauna::HubGguf file(from);
  if (type.empty()) {
    const fauna::SafeTensor* table = file.find(model->names().table);
    type = table != nullptr && d::plain(table->dtype) ? table->dtype : "F32";
  }
  one_of("type", type, {"F32", "F16", "BF16"});
  std::vector<d::Converted> tensors;
  fauna::GgufArchitecture const& architecture = *file.architecture();
  for (fauna::SafeTensor const& t : file.tensors()) {
    if (fauna::gguf_name(architecture, t.name).name.empty())
      fauna::fail("convert", from + " has " + t.name, "tensors that are known here");
    if (model->tied() && t.name == model->names().head) continue;  // the table once more
    tensors.push_back(d::renamed(t, t.name));
    if (d::in_blocks_there(t.name)) {  // numbers are turned round there
      tensors.back().name.resize(t.name.size() - fauna::in_blocks_end.size());
      tensors.back().change = fauna::gguf_change::transposed;
      tensors.back().shape = d::gguf_shape(t, fauna::gguf_change::transposed, {});
    }
    const bool vector = t.shape.size() == 1;
    d::set_type(tensors.back(), vector && type != "F32" && !d::exact_in(type, t) ? "F32" : type);
  }
  Config::Json config = model->config_json();
  config["dtype"] = type == "F32" ? "float32" : type == "F16" ? "float16" : "bfloat16";
  fauna::make_directories(to);
  std::vector<std::byte> room;
  fauna::write_safetensors(to + "/model.safetensors", std::move(tensors), {{"format", "pt"}},
                           [&room](d::Converted const& t) { return d::converted(t, room); });
  const std::string beside = d::write_tokenizer(file, to, model->context(), config);
  fauna::write_file(to + "/config.json", config.dump(2) + '\n');
  fauna::print(stdout, "wrote " + to + ": config.json, model.safetensors in " + type + beside + '\n');
}

/// A model directory to a GGUF file, or a GGUF file to a model directory.
inline void convert(std::string const& from, std::string const& to, std::string const& type, Use use = {}) {
  const bool gguf = is_gguf(from);
  if (!gguf && !fauna::is_directory(from))
    fauna::fail("convert", from + " is neither a model directory nor a GGUF file", "one of the two");
  if (gguf == to.ends_with(".gguf"))
    fauna::fail("convert", from + " to " + to, gguf ? "a folder" : "a file whose name ends with .gguf");
  if (gguf) gguf_to_directory(from, to, type);
  else directory_to_gguf(from, to, type, use);
}

}  // namespace tool
