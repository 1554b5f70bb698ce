// The CPU policy without its kernels: the error names the header to include.
// expect: activate ops/activation/cpu.hpp
#include <fauna/backend/cpu.hpp>
#include <fauna/ops/activation/op.hpp>

fauna::activate<fauna::Cpu<>> missing;
