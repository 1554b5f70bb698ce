// One translation unit of a program whose parts were compiled with different flags. This header stays outside fauna.
#pragma once

struct Side {
  const char* name;
  unsigned tag;        // fauna::build_tag in that translation unit
  const void* kernel;  // where the linker put that unit's matrix product
  void (*product)(const float* a, const float* b, float* c, int m, int n, int k);  // c[m,n] = a[m,k] b[n,k]ᵀ
};

namespace narrow {
Side side();
}
namespace wide {
Side side();
}
