// A file of tensors in any of the formats that are read: the file itself says which.
#pragma once
#include <fauna/io/gguf_hub.hpp>
#include <fauna/io/pth.hpp>
#include <fauna/io/rwkv_cpp.hpp>
#include <fauna/io/safetensors.hpp>

namespace fauna::inline v0 {

/// Has a directory weights of that name, in one file or in shards?
inline bool has_weights(std::string const& directory, std::string const& name) {
  return exists(directory + '/' + name) || exists(directory + '/' + name + ".index.json");
}
/// And of any that open_tensors reads there?
inline bool has_weights(std::string const& directory) {
  return has_weights(directory, "model.safetensors") || has_weights(directory, "pytorch_model.bin");
}

/// What the first bytes of a file say that it is; all else are safetensors. A directory is what it has: PyTorch's own
/// format where there are no safetensors. An index is of what its name says.
enum class tensor_format : int { safetensors, pth, rwkv_cpp, gguf };
inline tensor_format tensor_format_of(std::string const& path) {
  if (is_directory(path))
    return !has_weights(path, "model.safetensors") && has_weights(path, "pytorch_model.bin")
               ? tensor_format::pth
               : tensor_format::safetensors;
  if (is_shard_index(path))
    return path.find(".bin.index.json") != std::string::npos ? tensor_format::pth : tensor_format::safetensors;
  const Mapped file(path);
  std::uint32_t first = 0;
  if (file.size() >= 4) std::memcpy(&first, file.data(), 4);
  if (first == RwkvCpp::magic) return tensor_format::rwkv_cpp;
  if (first == Gguf::magic) return tensor_format::gguf;
  constexpr std::uint32_t zip = 0x04034b50, old_pickle = 0x0a8a0280;
  return first == zip || first == old_pickle ? tensor_format::pth : tensor_format::safetensors;
}

inline TensorFile open_tensors(std::string const& path) {
  switch (tensor_format_of(path)) {
    case tensor_format::pth: return Pth(path);
    case tensor_format::rwkv_cpp: return RwkvCpp(path);
    case tensor_format::gguf: return HubGguf(path);
    case tensor_format::safetensors: break;
  }
  return SafeTensors(path);
}
/// Throws for what is no file of tensors, or contradicts itself, as open_tensors does, without the memory that a GGUF
/// file's tensors take in another order.
inline void check_tensors(std::string const& path) {
  if (tensor_format_of(path) == tensor_format::gguf) (void)Gguf(path);
  else (void)open_tensors(path);
}

}  // namespace fauna::inline v0
