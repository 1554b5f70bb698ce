// Ranks in several layouts at once. A mesh has a dimension for each, and a rank a place along each:
//   pp   stages of a pipeline                 slowest: neighbours send least
//   dp   replicas, which share the batches
//   cp   positions of every sequence
//   ep   experts, dealt out; the batches are shared along it, too
//   tp   parts of all heads and matrices      fastest: neighbours send most
// so that rank = (((pp * |dp| + dp) * |cp| + cp) * |ep| + ep) * |tp| + tp (Narayanan et al. 2021, "Efficient
// large-scale language model training on GPU clusters"). A rank's group along a dimension are those that differ from it
// there alone.
#pragma once
#include <string>

#include <fauna/core/error.hpp>
#include <fauna/dist/communicator.hpp>

namespace fauna::inline v0 {

/// How many ranks there are along each dimension; or where one of them is.
struct Mesh {
  int pp = 1, dp = 1, tp = 1, ep = 1, cp = 1;

  constexpr int size() const { return pp * dp * cp * ep * tp; }
  constexpr Mesh at(int rank) const {
    return {rank / (dp * cp * ep * tp), rank / (cp * ep * tp) % dp, rank % tp, rank / tp % ep, rank / (ep * tp) % cp};
  }
  constexpr int rank_at(Mesh where) const {
    return (((where.pp * dp + where.dp) * cp + where.cp) * ep + where.ep) * tp + where.tp;
  }
  /// The first rank of a rank's group along one dimension, which names the group.
  constexpr int first_along(int Mesh::*dimension, int rank) const {
    Mesh where = at(rank);
    where.*dimension = 0;
    return rank_at(where);
  }
  friend constexpr bool operator==(Mesh const&, Mesh const&) = default;
};

/// `parts`, repeated on as many ranks as there are. Throws where they do not come out even.
inline Mesh replicated(Mesh parts, int ranks) {
  const int one = parts.size();
  if (ranks < one || ranks % one != 0)
    fail("ranks", std::to_string(one) + " parts of a model on " + std::to_string(ranks) + " ranks",
         "a multiple of " + std::to_string(one), "each copy of the model needs all of its parts");
  parts.dp *= ranks / one;
  return parts;
}

/// Throws where a mesh has ranks along dimensions of which a layout, which is named, makes nothing. dp is everybody's.
inline void require_only(Mesh const& m, int Mesh::*dimension, const char* layout, int Mesh::*other = nullptr) {
  const int along = m.*dimension * (other != nullptr ? m.*other : 1);
  if (m.size() != along * m.dp)
    fail(layout, "a mesh of " + std::to_string(m.size()) + " ranks", std::to_string(along * m.dp),
         "its other dimensions are of size 1");
}

/// A rank's groups along the dimensions of a mesh. All ranks make it together.
template <class C> struct MeshGroups {
  static_assert(SplitCommunicator<C>, "fauna: groups along a mesh want a communicator that splits");
  Mesh mesh;
  C& all;
  C pp, dp, tp, ep, cp;
  C copy;  ///< all that have a place along dp, which together have a model

  /// Throws unless the mesh has as many places as there are ranks.
  MeshGroups(C& ranks, Mesh m)
      : mesh(checked(m, ranks)),
        all(ranks),
        pp(along(&Mesh::pp)),
        dp(along(&Mesh::dp)),
        tp(along(&Mesh::tp)),
        ep(along(&Mesh::ep)),
        cp(along(&Mesh::cp)),
        copy(all.split(mesh.at(all.rank()).dp)) {}

 private:
  static Mesh checked(Mesh m, C& ranks) {
    if (m.size() != ranks.size())
      fail("ranks",
           "a mesh of " + std::to_string(m.pp) + " x " + std::to_string(m.dp) + " x " + std::to_string(m.cp) + " x " +
               std::to_string(m.ep) + " x " + std::to_string(m.tp),
           std::to_string(ranks.size()) + " ranks");
    return m;
  }
  C along(int Mesh::*dimension) { return all.split(mesh.first_along(dimension, all.rank())); }
};

}  // namespace fauna::inline v0
