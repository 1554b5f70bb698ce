// What the programs that train on mpirun's ranks have in common.
#pragma once
#include <string>

#include <fauna/dist/mpi.hpp>
#include <fauna/io/mapped.hpp>
#include <fauna/text/tokens.hpp>
#include <tools/src/sha256.hpp>
#include <tools/src/trainer.hpp>

namespace tool {

/// Throws, on every rank, unless all have the same program and were told the same.
inline void require_alike(fauna::Mpi& mpi, TrainerSettings const& s) {
  fauna::require_same(mpi, "program, or other flags,",
                      fauna::text_hash(sha256(sha256(fauna::Mapped("/proc/self/exe").text()) + s.told)));
}

/// The same, and that there are as many ranks as a model was compiled for; `flag` asked for them.
inline void require_ranks(fauna::Mpi& mpi, TrainerSettings const& s, int parts, std::string const& flag) {
  require_alike(mpi, s);
  if (mpi.size() != parts)
    fauna::fail("fauna train", flag + ' ' + std::to_string(parts) + " on " + std::to_string(mpi.size()) + " ranks",
                "mpirun -n " + std::to_string(parts), "each has one part of the model");
}

}  // namespace tool
