// fauna quantize: the matrices of a GGUF file in another type, all else as it was.
#pragma once
#include <string>
#include <vector>

#include <fauna/io/print.hpp>
#include <tools/src/convert.hpp>

namespace tool {

/// Throws where a matrix is in few bits already: what its blocks lost would be lost twice.
inline void quantize(std::string const& from, std::string const& to, std::string const& type) {
  namespace d = convert_detail;
  if (!is_gguf(from)) fauna::fail("quantize", from + " is no GGUF file", "one", "convert DIR FILE.gguf makes one");
  if (from == to) fauna::fail("quantize", from + " onto itself", "another file");
  d::require_gguf_type(type);
  const fauna::Gguf file(from);
  const std::string architecture(file.text("general.architecture"));
  const auto number = [&](const char* key) {
    const std::string full = architecture + key;
    const long long n = file.integer(full);
    if (n < 0 || n > 0x7fffffff / 8)
      fauna::fail("quantize", from + ": " + full + " is " + std::to_string(n), "0 to 2^28 - 1");
    return static_cast<int>(n);
  };
  const fauna::QuantModel model{.layers = number(".block_count"),
                                .experts = file.has(architecture + ".expert_count") ? number(".expert_count") : 0,
                                .falcon = architecture == "falcon"};
  const std::string head = file.find("output.weight") == nullptr ? "token_embd.weight" : "output.weight";
  fauna::GgufMetadata keys;
  for (const std::string_view key : file.keys())
    if (key != "general.alignment" && key != "general.file_type" && key != "general.quantization_version" &&
        !key.starts_with("split."))
      keys.put_encoded(key, file.encoded(key));
  keys.put("general.file_type", d::file_type(type));
  keys.put("general.quantization_version", std::uint32_t{2});
  std::vector<d::Converted> tensors;
  for (fauna::SafeTensor const& t : file.tensors()) {
    d::Converted c = d::renamed(t, t.name);
    std::string own = t.dtype;
    if (d::is_product(t)) {
      if (!d::plain(t.dtype) && t.dtype != "Q8_0")
        fauna::fail("quantize", from + " has " + t.name + ' ' + t.text(), "F32, F16, BF16 or Q8_0",
                    "start from a file in more bits");
      own = d::type_of_matrix(type, t.name, t.shape.back(), model, t.name == head);
    }
    d::set_type(c, own);
    tensors.push_back(c);
  }
  std::vector<std::byte> room;
  fauna::write_gguf(to, keys, tensors, [&room](d::Converted const& t) { return d::converted(t, room); });
  fauna::print(stdout, "wrote " + to + ": " + std::to_string(tensors.size()) + " tensors, matrices in " + type + '\n');
}

}  // namespace tool
