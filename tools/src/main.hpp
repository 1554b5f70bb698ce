// What the compiled programs do around their work.
#pragma once
#include <cstdio>
#include <exception>

#include <fauna/backend/cpuid.hpp>

namespace tool {

/// `run`, where the processor has what the program was compiled for; 1 and the error's text where it throws.
inline int main_of(int (*run)(int, char**), int n, char** arguments) {
  fauna::require_isa("run tools/fauna again: it compiles for the processor that it finds");
  try {
    return run(n, arguments);
  } catch (std::exception const& e) {
    std::fflush(stdout);
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}

}  // namespace tool
