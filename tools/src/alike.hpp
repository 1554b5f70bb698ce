// What ranks that mpirun started must have in common before they exchange anything.
#pragma once
#include <string>

#include <fauna/dist/collectives.hpp>
#include <fauna/dist/mpi.hpp>
#include <fauna/io/mapped.hpp>
#include <tools/src/sha256.hpp>

namespace tool {

/// Throws, on every rank, unless all have the same program and were told the same.
inline void require_alike(fauna::Mpi& mpi, std::string const& told) {
  fauna::require_same(mpi, "program, or other flags,",
                      fauna::text_hash(sha256(sha256(fauna::Mapped("/proc/self/exe").text()) + told)));
}

}  // namespace tool
