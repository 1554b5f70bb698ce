// What the compiled programs do around their work.
#pragma once
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include <fauna/backend/cpuid.hpp>
#include <fauna/io/print.hpp>
#include <tools/src/started.hpp>

namespace tool {

/// Numbers and names in a sentence, as printf has it. Whatever a text may hold goes beside it, not through it.
[[gnu::format(printf, 1, 2)]] inline std::string sentence(const char* format, ...) {
  std::va_list again, arguments;
  va_start(arguments, format);
  va_copy(again, arguments);
  std::string text(static_cast<std::size_t>(std::vsnprintf(nullptr, 0, format, arguments)), '\0');
  std::vsnprintf(text.data(), text.size() + 1, format, again);
  va_end(again);
  va_end(arguments);
  return text;
}

/// `run`, where the processor has what the program was compiled for; 1 and the error's text where it throws. Of several
/// ranks rank 0 speaks, and the others only if its end has not ended them after three seconds.
inline int main_of(int (*run)(int, char**), int n, char** arguments) {
  fauna::require_isa("run tools/fauna again: it compiles for the processor that it finds");
  try {
    return run(n, arguments);
  } catch (std::exception const& e) {
    std::fflush(stdout);
    const int rank = started_rank();
    if (rank > 0) ::sleep(3);
    std::fprintf(stderr, "%s\n", e.what());
    if (rank >= 0) std::_Exit(1);  // without MPI's end, which waits for all
    return 1;
  }
}

}  // namespace tool
