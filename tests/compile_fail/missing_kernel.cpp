// The CPU policy without its kernels: the error names the header to include.
// expect: gelu ops/gelu/cpu.hpp
#include <fauna/backend/cpu.hpp>
#include <fauna/ops/gelu/op.hpp>

fauna::gelu<fauna::Cpu<>> missing;
