// test::Kernels: the policy that tests of kernels run on; Bf16Kernels: the same with bf16 products. Compiled by a host
// compiler they are the SIMT executor, by nvcc a real device: the same tests are the parity suite of both.
#pragma once
#if defined(__CUDACC__)
#include "gpu_policy.cuh"
#else
#include "simt_gemm.hpp"
#endif
