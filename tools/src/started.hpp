// Where this process is one of several that mpirun or another starter began.
#pragma once
#include <cstdlib>
#include <string>

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

}  // namespace tool
