// Where this process is one of several that mpirun or another starter began.
#pragma once
#include <cstdlib>
#include <string>

#include <fauna/core/error.hpp>

namespace tool {

/// The number that the starter gave this process; -1 where there is no starter.
inline int started_rank() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"})
    if (const char* number = std::getenv(name)) return std::atoi(number);
  return -1;
}

/// How many processes the starter began; 0 where it does not say.
inline int started_ranks() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"})
    if (const char* number = std::getenv(name)) return std::atoi(number);
  return 0;
}

/// Throws unless `ranks` are as many as one copy of a model has parts, or two have, and so on. `flags` asked for parts.
inline void require_whole_copies(std::string const& flags, long parts, int ranks) {
  if (ranks % parts != 0)
    fauna::fail("fauna train", flags + " on " + std::to_string(ranks) + " ranks",
                "mpirun -n " + std::to_string(parts) + ", or a multiple of that",
                "each copy of the model has " + std::to_string(parts) + " parts");
}

}  // namespace tool
