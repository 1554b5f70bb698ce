// What a project outside this one compiles, whichever way it came to the headers.
#include <cstdio>
#include <fauna/fauna.hpp>

static_assert(fauna::NanoGptCpu::parameters == 804'096);

int main() {
  float data[6]{1, 2, 3, 4, 5, 6};
  const fauna::View<float, fauna::dyn, 3> x(data, 2);
  std::printf("fauna %d.%d.%d, %s, %s, %g\n", FAUNA_VERSION_MAJOR, FAUNA_VERSION_MINOR, FAUNA_VERSION_PATCH,
              fauna::name_of(fauna::build_isa), fauna::build_tag & 16U ? "OpenMP" : "one thread", x(1, 2));
  return x(1, 2) == 6 ? 0 : 1;
}
