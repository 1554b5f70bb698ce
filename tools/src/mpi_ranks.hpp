// What the programs that train on mpirun's ranks have in common.
#pragma once
#include <string>

#include <fauna/dist/mesh.hpp>
#include <fauna/dist/mpi.hpp>
#include <tools/src/alike.hpp>
#include <tools/src/started.hpp>
#include <tools/src/trainer.hpp>

namespace tool {

/// f(mpi) on each of the ranks that mpirun started.
template <class F> int on_ranks(TrainerSettings const& s, F&& f) {
  return fauna::on_mpi_ranks([&](fauna::Mpi& mpi) {
    mpi.give_up_after(s.patience);
    return f(mpi);
  });
}

/// Throws, on every rank, unless all are alike (alike.hpp) and there are as many ranks as a mesh of `parts` repeated
/// has; `flag` asked for them.
inline fauna::Mesh require_mesh(fauna::Mpi& mpi, TrainerSettings const& s, fauna::Mesh parts, std::string const& flag) {
  require_alike(mpi, s.told);
  require_whole_copies(flag + ' ' + std::to_string(parts.size()), parts.size(), mpi.size());
  return fauna::replicated(parts, mpi.size());
}

}  // namespace tool
