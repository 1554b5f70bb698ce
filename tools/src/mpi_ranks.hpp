// What the programs that train on mpirun's ranks have in common.
#pragma once
#include <string>

#include <fauna/dist/mesh.hpp>
#include <fauna/dist/mpi.hpp>
#include <fauna/io/mapped.hpp>
#include <fauna/text/tokens.hpp>
#include <tools/src/sha256.hpp>
#include <tools/src/started.hpp>
#include <tools/src/trainer.hpp>

namespace tool {

/// Throws, on every rank, unless all have the same program and were told the same.
inline void require_alike(fauna::Mpi& mpi, TrainerSettings const& s) {
  fauna::require_same(mpi, "program, or other flags,",
                      fauna::text_hash(sha256(sha256(fauna::Mapped("/proc/self/exe").text()) + s.told)));
}

/// The same, and that there are as many ranks as a mesh of `parts` repeated has; `flag` asked for them.
inline fauna::Mesh require_mesh(fauna::Mpi& mpi, TrainerSettings const& s, fauna::Mesh parts, std::string const& flag) {
  require_alike(mpi, s);
  require_whole_copies(flag + ' ' + std::to_string(parts.size()), parts.size(), mpi.size());
  return fauna::replicated(parts, mpi.size());
}

}  // namespace tool
