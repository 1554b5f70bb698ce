// A model's tensors on their way to a file, gathered from the pieces that they are (core/pieces.hpp).
#pragma once
#include <string>
#include <unordered_map>
#include <vector>

#include <fauna/core/pieces.hpp>
#include <fauna/core/view.hpp>
#include <fauna/io/safetensors.hpp>

namespace fauna::inline v0 {

namespace weights_detail {

inline std::vector<std::size_t> dimensions(FileShape const& s) { return {s.of, s.of + s.rank}; }

/// A tensor of a file, with the tensors of the model that make it.
struct Stored : SafeTensor {
  struct Part {
    Tensor tensor;
    Piece piece;
    const std::byte* data;  ///< the model's tensor, in the backend's memory
  };
  std::vector<Part> parts;

  /// Its numbers in the file's order. `host(data, n)` is where the host can read n of the backend's numbers; `room`
  /// holds them where they have to be moved.
  template <class S, class Host> const S* in_file_order(Host&& host, std::vector<S>& room) const {
    const auto values = [&host](Part const& p) { return host(reinterpret_cast<const S*>(p.data), p.tensor.size()); };
    if (parts.size() == 1 && in_order(parts[0].tensor, parts[0].piece)) return values(parts[0]);
    room.assign(elements(), S{});
    for (auto const& p : parts) rearrange(p.tensor, p.piece, values(p), room.data(), true);
    return room.data();
  }
};

/// The tensors of a file, gathered from those of a model.
class Gathered {
 public:
  std::vector<Stored> all;

  /// `prefix` comes before the names.
  template <class S> void add(Tensor const& t, Matrix<S> v, std::string const& prefix = {}) {
    for (auto& p : pieces_of(t)) {
      Stored::Part part{t, p, reinterpret_cast<const std::byte*>(v.data())};
      part.tensor.at = {};  // the path lives no longer than the visit
      p.name = prefix + p.name;
      if (t.pieces != nullptr)
        if (const auto found = shared_.find(p.name); found != shared_.end()) {
          all[found->second].parts.push_back(static_cast<Stored::Part&&>(part));
          continue;
        }
      if (t.pieces != nullptr) shared_.emplace(p.name, all.size());
      Stored s;
      s.name = p.name;
      s.dtype = float_dtype<std::remove_const_t<S>>;
      s.shape = dimensions(p.shape);
      s.bytes = s.elements() * sizeof(S);
      s.parts.push_back(static_cast<Stored::Part&&>(part));
      all.push_back(static_cast<Stored&&>(s));
    }
  }

 private:
  std::unordered_map<std::string, std::size_t> shared_;  ///< of tensors that lie in files in pieces
};

}  // namespace weights_detail

}  // namespace fauna::inline v0
