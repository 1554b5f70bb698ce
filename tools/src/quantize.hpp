// fauna quantize: the matrices of a GGUF file in another type, all else as it was.
#pragma once
#include <string>
#include <vector>

#include <fauna/io/print.hpp>
#include <tools/src/convert.hpp>

namespace tool {

namespace convert_detail {

/// Is it a matrix that products read? What llama.cpp leaves in f32 as well is not: tables of positions, routers, short
/// convolutions, RWKV's small matrices.
inline bool is_product(fauna::SafeTensor const& t) {
  if (t.shape.size() < 2 || !t.name.ends_with(".weight")) return false;
  for (const char* part :
       {"_norm.weight", "position_embd", "token_types", "ffn_gate_inp", "ssm_conv1d", "shortconv", "time_mix_first",
        "time_mix_w", "time_mix_a", "time_mix_v", "time_mix_g", "time_mix_lerp", "time_mix_decay_w"})
    if (t.name.find(part) != std::string::npos) return false;
  return true;
}

}  // namespace convert_detail

/// Throws where a matrix is in few bits already: what its blocks lost would be lost twice.
inline void quantize(std::string const& from, std::string const& to, std::string const& type) {
  namespace d = convert_detail;
  if (!is_gguf(from)) fauna::fail("quantize", from + " is no GGUF file", "one", "convert DIR FILE.gguf makes one");
  if (from == to) fauna::fail("quantize", from + " onto itself", "another file");
  d::require_gguf_type(type);
  const fauna::Gguf file(from);
  const std::string blocks = std::string(file.text("general.architecture")) + ".block_count";
  const int layers = static_cast<int>(file.integer(blocks));
  const std::string head = file.find("output.weight") == nullptr ? "token_embd.weight" : "output.weight";
  fauna::GgufMetadata keys;
  for (const std::string_view key : file.keys())
    if (key != "general.alignment" && key != "general.file_type" && key != "general.quantization_version")
      keys.put_encoded(key, file.encoded(key));
  keys.put("general.file_type", d::file_type(type));
  keys.put("general.quantization_version", std::uint32_t{2});
  std::vector<d::Converted> tensors;
  for (fauna::SafeTensor const& t : file.tensors()) {
    d::Converted c;
    c.name = t.name;
    c.shape = t.shape;
    c.from = &t;
    c.to_gguf = true;
    std::string own = t.dtype;
    if (d::is_product(t)) {
      if (t.shape.size() != 2)
        fauna::fail("quantize", from + " has " + t.name + ' ' + t.text(), "two dimensions: a model without experts");
      if (!d::plain(t.dtype) && t.dtype != "Q8_0")
        fauna::fail("quantize", from + " has " + t.name + ' ' + t.text(), "F32, F16, BF16 or Q8_0",
                    "start from a file in more bits");
      own = d::type_of_matrix(type, t.name, t.shape[1], layers, t.name == head);
    }
    d::set_type(c, own);
    tensors.push_back(c);
  }
  std::vector<std::byte> room;
  fauna::write_gguf(to, keys, tensors, [&room](d::Converted const& t) { return d::converted(t, room); });
  fauna::print(stdout, "wrote " + to + ": " + std::to_string(tensors.size()) + " tensors, matrices in " + type + '\n');
}

}  // namespace tool
